"""server-everything answers the same directly and through the gateway: every tool, prompt, resource and completion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real.raw import Handshake, Stateless, http, pipe
from tests.real.running import Engine, engine, rig
from tests.real.servers import npx
from tests.real.transparent import OWN, aggregated, differences
from tests.requirements import requirement

EVERYTHING = npx("@modelcontextprotocol/server-everything")


def environment_of(running: Engine, server: str) -> dict[str, str]:
    """What the engine gave a server's process."""
    pid = next(row["pid"] for row in running.ask("status")["servers"] if row["id"] == server)
    text = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8")
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


def server_of(greeting: Mapping[str, Any]) -> Any:
    """Who the greeting says the server is, in either era."""
    return greeting.get("serverInfo") or greeting["_meta"]["io.modelcontextprotocol/serverInfo"]


@pytest.mark.needs("npx")
@requirement("GATE-1:transparent", "GATE-1:questions")
def test_everything_answers_through_the_gateway_as_it_does_directly_but_for_names(tmp_path: Path) -> None:
    servers = {"everything": EVERYTHING, "light": rig("light")}
    with engine(tmp_path, servers, timeouts={"start": "120s"}) as running:
        command = [EVERYTHING["command"], *EVERYTHING["args"]]
        given = environment_of(running, "everything")
        with pipe(command, given, str(tmp_path)) as direct, http(running.token) as client:
            for path, names in (("/mcp/s/everything", OWN), ("/mcp", aggregated("everything"))):
                for era in (Handshake, Stateless):
                    through = era(client, running.address + path)
                    assert list(differences(direct, through, names)) == [], (path, era)
                    if names is OWN:
                        assert through.greeting["instructions"] == direct.greeting["instructions"]
                        assert server_of(through.greeting) == direct.greeting["serverInfo"]
