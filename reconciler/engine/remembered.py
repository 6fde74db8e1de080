"""The always-yeses of this machine: kept beside the file, and holding while server and tool stay as they were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from reconciler.store.always import Always, read_always, write_always


class Remembered:
    """The yeses of one project. `changed` is called when they are others, `say` when they cannot be read."""

    def __init__(self, path: Path, say: Callable[[str, str], None], changed: Callable[[], None]) -> None:
        self._path = path
        self._say = say
        self._changed = changed
        self._rows: dict[tuple[str, str], Always] = {}

    def start(self) -> None:
        """Read them. What cannot be read allows nothing."""
        try:
            self._rows = {(row.server, row.tool): row for row in read_always(self._path)}
        except (OSError, ValueError) as error:
            self._say("state", f"{self._path.name} cannot be read, so what it allowed asks again: {error}")

    async def add(self, row: Always) -> None:
        """From now on the tool does not ask. Raises OSError; then it goes on asking."""
        await self._replace({**self._rows, (row.server, row.tool): row})

    async def remove(self, server: str, tool: str) -> bool:
        """The tool asks again; False when it was not remembered. Raises OSError."""
        if (server, tool) not in self._rows:
            return False
        await self._replace({key: row for key, row in self._rows.items() if key != (server, tool)})
        return True

    def of(self, server: str, spec: str, definitions: Mapping[str, str]) -> Mapping[str, str]:
        """The tools of a server that do not ask, with who said so: those that are what they were then."""
        return {
            row.tool: row.who
            for row in self._rows.values()
            if (row.server, row.spec) == (server, spec) and definitions.get(row.tool) == row.definition
        }

    async def _replace(self, rows: dict[tuple[str, str], Always]) -> None:
        await asyncio.to_thread(write_always, self._path, rows.values())
        self._rows = rows
        self._changed()
