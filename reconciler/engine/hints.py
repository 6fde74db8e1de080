"""Which tools only read, in the words of the accepted launch when it was first listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.engine.ledger import Ledger
from reconciler.engine.locked import only_reads
from reconciler.sessions.hub import Hub
from reconciler.store.records import Records

_NO_TOOLS: frozenset[str] = frozenset()


class Hints:
    """The first words of every launch about its tools, kept for good; `changed` is called when there are more."""

    def __init__(self, ledger: Ledger, hub: Hub, records: Records, changed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._hub = hub
        self._records = records
        self._changed = changed
        self._read_only: dict[str, tuple[str, frozenset[str]]] = {}
        """By server: the launch that was loaded last, and its tools."""

    def launch(self, server_id: str) -> str:
        """What the first words of a server's tools are kept under; a mock launches nothing and has its spec."""
        document = self._ledger.document
        return document.launch_digest(server_id) or document.spec_digest(server_id)

    def of(self, server_id: str) -> frozenset[str]:
        """The tools that count as read-only; none while something else lives than what was accepted."""
        wanted, live = self._ledger.server(server_id), self._hub.slot(server_id).live
        if wanted is None or live is None or live.server.spec != wanted.spec:
            return _NO_TOOLS
        launch, tools = self._read_only.get(server_id, ("", _NO_TOOLS))
        return tools if launch == self.launch(server_id) else _NO_TOOLS

    def forget(self, server_id: str) -> None:
        """The server is gone."""
        self._read_only.pop(server_id, None)

    async def load(self, server_id: str, launch: str) -> None:
        """Take up what is kept of a launch of the server."""
        tools = await self._records.read_only_tools(launch)
        if self._ledger.server(server_id) is not None:
            self._read_only[server_id] = launch, tools
            self._changed()

    async def note(self, server_id: str, launch: str, tools: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a launch says of its tools, where nothing is kept yet."""
        await self._records.add_hints(launch, {tool["name"]: only_reads(tool) for tool in tools})
        await self.load(server_id, launch)
