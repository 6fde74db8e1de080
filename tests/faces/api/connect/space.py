"""A namespace that clients of the connect dialect come to: an engine with all its listeners, and its file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.engine.change import Applied, Consent, apply_file
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer

DOTTED = {
    "mock": {
        "tools": [{"name": "repo.search"}, {"name": "repo.issues.list"}, {"name": "other"}],
        "responses": {"repo.search": "found"},
    }
}
"""A server whose tools have dots in their names."""


class Space:
    """The namespace `desk` of an engine. `engine` answers for everything else."""

    def __init__(self, engine: Hosted, file: Path) -> None:
        self.engine = engine
        self.file = file

    @property
    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @property
    def servers(self) -> Any:
        """What the file says of each server."""
        return json.loads(self.text)["mcpServers"]

    async def ask(self, method: str, path: str, body: Any = None, role: Any = "operator", **headers: str) -> Answer:
        """One request below `/connect/desk`."""
        return await self.engine.ask(method, f"/connect/desk{path}", role, body, **headers)

    async def apply(self) -> Applied:
        """Make the file true, all of it."""
        applied = await apply_file(self.engine.host.projects["desk"], Consent("test", None), lambda _: None)
        assert isinstance(applied, Applied), applied
        return applied


@asynccontextmanager
async def space(
    folder: Path, servers: dict[str, Any] | None = None, *projects: str, directory: bool = False, **settings: Any
) -> AsyncIterator[Space]:
    """An engine with these servers, no call of which asks unless `defaults` say otherwise."""
    file = folder / "desk.reconciler.yaml"
    async with hosted(folder, servers, *projects, directory=directory) as engine:
        document = {"defaults": {"requireApproval": False}, **json.loads(file.read_text(encoding="utf-8")), **settings}
        file.write_text(json.dumps(document, indent=1), encoding="utf-8")
        made = Space(engine, file)
        await made.apply()
        yield made
