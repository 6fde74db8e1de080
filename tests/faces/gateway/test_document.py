"""docs/gateway.md says what is true: its snippets can be read, and its figures are those of the code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from reconciler.faces.gateway.declared import INSTRUCTIONS_EACH, INSTRUCTIONS_TOGETHER
from reconciler.faces.gateway.limits import LIMITS, MIB
from reconciler.faces.gateway.names import visible_name, visible_uri
from reconciler.faces.http.address import DEFAULT_HOST, DEFAULT_PORT
from reconciler.faces.http.limits import Limits as ListenerLimits
from reconciler.sessions.limits import LIMITS as SERVER_LIMITS
from reconciler.sessions.rounds import MOST_ROUNDS
from tests.documents import blocks
from tests.requirements import requirement

pytestmark = requirement("GATE-1:surface")
DOCUMENT = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")


def row(beginning: str) -> str:
    """What a table says of something."""
    (line,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {beginning} |")]
    return line.split(" | ", 1)[1].removesuffix(" |")


def test_every_snippet_for_a_client_can_be_read_and_names_the_endpoint_or_the_bridge() -> None:
    snippets = [block for block in blocks(DOCUMENT) if block.language in ("json", "toml")]
    assert len(snippets) >= 8
    for block in snippets:
        read = json.loads(block.text) if block.language == "json" else tomllib.loads(block.text)
        assert "reconciler" in json.dumps(read)
        assert f"http://{DEFAULT_HOST}:{DEFAULT_PORT}/mcp" in block.text or '"bridge"' in block.text


def test_the_names_it_shows_are_those_that_clients_see() -> None:
    assert f"`{visible_name('github', 'create_issue')}`" in row("tool or prompt `create_issue` of `github`")
    assert f"`{visible_uri('files', 'file:///a.txt')}`" in row("resource `file:///a.txt` of `files`")
    assert f"`{visible_uri('data', 'db://{table}/{+key}')}`" in row("template `db://{table}/{+key}` of `data`")


def test_the_limits_it_names_are_those_of_the_code() -> None:
    assert row("a request") == f"{LIMITS.body // MIB} MiB, nested {LIMITS.depth} deep"
    assert row("connections") == str(ListenerLimits().connections)
    idle = f"idle for {LIMITS.idle / 60:.0f} minutes"
    assert row("sessions of clients") == f"{LIMITS.sessions}, of one token {LIMITS.sessions_each}; {idle}"
    assert row("requests of one session at a time") == str(LIMITS.running)
    streams = row("streams of one session, `subscriptions/listen` of one token")
    assert streams == f"{LIMITS.streams}, {LIMITS.listens}"
    assert row("resources that one client follows") == str(LIMITS.followed)
    questions = row("questions that wait for one client, rounds of one call")
    assert questions == f"{LIMITS.questions}, {MOST_ROUNDS}"
    assert row("time for an answer to a question") == f"{LIMITS.patience / 60:.0f} minutes"
    said = row("instructions of servers, passed on at `/mcp`")
    assert said == f"{INSTRUCTIONS_EACH} characters each, {INSTRUCTIONS_TOGETHER} together"
    assert row("tools of one server") == str(SERVER_LIMITS.tools)
