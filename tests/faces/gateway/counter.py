"""What is laid out for a gateway: servers of catalogues that a test can change under them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reconciler.faces.gateway.scope import Scope
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.gateway.surfaces import Surfaces
from tests.engine.desk import Desk, desk

CATALOG = Path(__file__).parents[2] / "rig" / "catalog.py"
QUIET: dict[str, Any] = {"requireApproval": False}
"""Servers of which no call asks anybody."""


def tool(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "description": f"{name}!", "inputSchema": {"type": "object"}, **members}


def names(definitions: tuple[Mapping[str, Any], ...]) -> list[str]:
    return [each["name"] for each in definitions]


class Counter:
    """A desk with catalogues on it."""

    def __init__(self, at: Desk) -> None:
        self.at = at
        self.surfaces = Surfaces()

    def scope(self, **words: str) -> Scope:
        return Scope(self.at.project, **words)

    def of(self, **words: str) -> Surface:
        return self.surfaces.of(self.scope(**words))

    def lay(self, server: str, **catalog: Any) -> None:
        """What the server offers from now on; it says nothing of that by itself."""
        lay(self.at.folder, server, **catalog)

    async def tell(self, server: str, *kinds: str) -> None:
        """The server says that its lists changed, one after the other; returns when they were read again."""
        live = self.at.project.hub.slot(server).live
        assert live is not None
        for kind in kinds:
            before = live.listing
            await self.at.call(server, "tell", kinds=kind)
            await self.at.until(lambda before=before: live.listing is not before)  # type: ignore[misc]

    async def looked(self) -> None:
        """Wait until the listeners were told of everything so far."""
        shelf = self.surfaces._shelf(self.at.project)
        await self.at.until(lambda: not shelf.looking)

    def listen(self, **words: str) -> list[set[str]]:
        """What a client of that scope is told from now on."""
        heard: list[set[str]] = []
        self.surfaces.listen(self.scope(**words), lambda kinds: heard.append(set(kinds)))
        return heard


def lay(folder: Path, server: str, **catalog: Any) -> None:
    """Write a catalogue, whole."""
    fresh = folder / f"{server}.new"
    fresh.write_text(json.dumps(catalog), encoding="utf-8")
    fresh.replace(folder / f"{server}.catalog")


def catalog_server(folder: Path, server: str, /, **fields: Any) -> dict[str, Any]:
    """A written server with that catalogue."""
    file = folder / f"{server}.catalog"
    return {"command": sys.executable, "args": ["-E", "-S", "-u", str(CATALOG), str(file)], **QUIET, **fields}


@asynccontextmanager
async def counter(
    folder: Path, catalogs: Mapping[str, Mapping[str, Any]], fields: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Counter]:
    """An engine with one server per catalogue, all of them applied. `fields` are further fields of servers by id."""
    for server, catalog in catalogs.items():
        lay(folder, server, **catalog)
    servers = {server: catalog_server(folder, server, **(fields or {}).get(server, {})) for server in catalogs}
    async with desk(folder, servers, **settings) as at:
        applied = await at.apply()
        assert applied.exit == 0, applied
        yield Counter(at)
