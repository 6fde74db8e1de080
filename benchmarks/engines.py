"""An engine of ours in this process, for a configuration of light servers in a folder of its own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.plain import argv
from reconciler.engine.change import Applied, Consent, apply_file
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.gate.gate import Principal
from reconciler.store.sources import Sources

OWNER = Principal("owner", "owner")


def name(number: int) -> str:
    return f"light-{number}"


def servers(count: int, changed: Mapping[int, str] | None = None, *, asks: bool = False) -> dict[str, Any]:
    """The written servers; `changed` gives some of them another version, with `asks` their calls need approval."""
    found = {}
    for number in range(count):
        command, *arguments = argv(name(number), (changed or {}).get(number, "1"))
        found[name(number)] = {"command": command, "args": arguments, "requireApproval": asks}
    return found


class Engine:
    """A project on a folder, hosted in this process."""

    def __init__(self, folder: Path, host: Host, project: Project) -> None:
        self.folder, self.host, self.project = folder, host, project

    def save(self, written: Mapping[str, Any]) -> None:
        """Save the file as editors do: whole, over the old one."""
        _save(self.folder, written)

    async def apply(self) -> None:
        """Make the file true, and wait until it is."""
        applied = await apply_file(self.project, Consent("benchmark", None), lambda _: None)
        if not isinstance(applied, Applied) or applied.exit:
            raise SystemExit(f"the servers did not come up: {applied}")

    def connected(self) -> int:
        return sum(self.project.status_of(server)[0] == "connected" for server in self.project.ledger.document.servers)

    async def call(self, server: str, tool: str, arguments: Mapping[str, Any]) -> str:
        """A call as the command line makes it, from the gate on; the text of its answer."""
        result = await self.project.gate.call(OWNER, server, tool, arguments)
        return str(result["content"][0]["text"])


def _save(folder: Path, written: Mapping[str, Any]) -> None:
    fresh = folder / "reconciler.new"
    fresh.write_text(json.dumps({"version": 1, "mcpServers": written}), encoding="utf-8")
    fresh.replace(folder / "reconciler.yaml")


@asynccontextmanager
async def engine(written: Mapping[str, Any]) -> AsyncIterator[Engine]:
    """Nothing is applied yet; at the end everything is stopped."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        folder = Path(place)
        _save(folder, written)
        host = Host()
        project = await host.add(Sources(folder / "reconciler.yaml", (), folder), folder / "state")
        try:
            yield Engine(folder, host, project)
        finally:
            await asyncio.shield(host.stop())
