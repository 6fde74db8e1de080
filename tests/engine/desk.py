"""A project on a desk: a real file, a real state directory, real servers, and an engine in this process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from reconciler.engine.change import Applied, Consent, Invalid, apply_file, plan_file
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.engine.status import status
from reconciler.gate.gate import Principal
from reconciler.plan.actions import Plan
from reconciler.store.sources import Sources

LIGHT = Path(__file__).parent.parent / "rig" / "light.py"
OWNER = Principal("owner", "owner")


def light(name: str, /, *options: str, **fields: Any) -> dict[str, Any]:
    """A written server: our lightest stdio server, called `name`."""
    return {"command": sys.executable, "args": ["-E", "-S", "-u", str(LIGHT), "--name", name, *options], **fields}


class Desk:
    """What a person has in front of them."""

    def __init__(self, folder: Path, host: Host, project: Project) -> None:
        self.folder = folder
        self.host = host
        self.project = project
        self.file = folder / "reconciler.yaml"

    def write(self, servers: dict[str, Any], **settings: Any) -> None:
        """Save the file as an editor does: whole, over the old one."""
        saved = self.file.with_suffix(".new")
        saved.write_text(json.dumps({"version": 1, **settings, "mcpServers": servers}, indent=1), encoding="utf-8")
        saved.replace(self.file)

    async def apply(self, *, yes: bool = True, **options: Any) -> Applied:
        """`reconciler apply`, with a yes to everything or to nothing."""
        allow = frozenset(options.pop("allow", ()))
        consent = Consent("test", None if yes else frozenset(), allow)
        applied = await apply_file(self.project, consent, lambda _: None, **options)
        assert isinstance(applied, Applied), applied
        return applied

    async def plan(self) -> Plan:
        plan = await plan_file(self.project)
        assert not isinstance(plan, Invalid), plan
        return plan

    def status(self) -> dict[str, Any]:
        return status(self.project, self.host.facts)

    def row(self, server: str) -> dict[str, Any]:
        """One server of the status."""
        return next(row for row in self.status()["servers"] if row["id"] == server)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self.status()["servers"]}

    async def call(self, server: str, tool: str, **arguments: Any) -> str:
        """The text a tool answers."""
        result = await self.project.gate.call(OWNER, server, tool, arguments)
        text: str = result["content"][0]["text"]
        return text

    async def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for something to become true; every change of the project is a reason to look."""
        async with self.project.events.listen() as news:
            with anyio.fail_after(seconds):
                while not holds():
                    try:
                        await asyncio.wait_for(news.get(), 0.02)
                    except TimeoutError:
                        continue


@asynccontextmanager
async def desk(
    folder: Path, servers: dict[str, Any] | None = None, *, state: Path | None = None, **settings: Any
) -> AsyncIterator[Desk]:
    """An engine for `folder`, stopped at the end with everything it started. Its state is there too, or in `state`."""
    host = Host()
    file = folder / "reconciler.yaml"
    if not file.exists():
        file.write_text(json.dumps({"version": 1, **settings, "mcpServers": servers or {}}), encoding="utf-8")
    project = await host.add(Sources(file, (), folder), state or folder / "state")
    try:
        yield Desk(folder, host, project)
    finally:
        await host.stop()
