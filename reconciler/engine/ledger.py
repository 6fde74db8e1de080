"""The accepted document in memory, moved server by server and written in groups. The loop drives towards this."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any

from reconciler.canonical import digest
from reconciler.engine.events import now_text
from reconciler.model.accepted import Accepted
from reconciler.model.document import RECONNECT_FIELDS, Document, masked_fields
from reconciler.model.server import Server, server_of
from reconciler.store.accepted import StateDamaged, read_accepted, set_aside, write_accepted
from reconciler.store.state_dir import StateDir, fingerprint


def load_accepted(state: StateDir, default_project: str, say: Callable[[str, str], None]) -> Accepted:
    """What the disk has. What is damaged there is set aside, said, and counts as nothing. Raises StateTooNew."""
    try:
        return read_accepted(state, default_project=default_project)
    except StateDamaged as damage:
        aside = set_aside(damage.path, now_text().replace(":", ""))
        say("state", f"{damage}; it is kept as {aside.name} and nothing counts as applied")
        return Accepted(document=Document(default_project=default_project, hide=fingerprint(state.key())))


class Ledger:
    """Everything that was accepted. Changes are in memory at once; `commit` returns when they are on the disk.

    What cannot be written is not accepted: then memory goes back to what the disk has.
    """

    def __init__(self, state: StateDir, accepted: Accepted) -> None:
        self.accepted = accepted
        self.refused = False
        """Whether the disk refused what was written last."""
        self._state = state
        self._servers: dict[str, Server] = {}
        self._version = 0
        self._written = 0
        self._on_disk = accepted
        self._writing: asyncio.Task[None] | None = None

    @property
    def document(self) -> Document:
        return self.accepted.document

    def begin_with(self, accepted: Accepted) -> None:
        """What the disk has, before anything else is said."""
        self.accepted = self._on_disk = accepted
        self._servers.clear()

    def begin(self) -> None:
        """A plan with changes is taken up: a new serial, and at the very first one a lineage."""
        self._set(lineage=self.accepted.lineage or str(uuid.uuid4()), serial=self.accepted.serial + 1)

    def say_yes(self, launches: frozenset[str]) -> None:
        """Remember a person's consent to these launch digests."""
        self._set(yeses=self.accepted.yeses | launches)

    def keep_yeses(self, launches: Set[str]) -> None:
        """Forget every yes but those to these launches."""
        self._set(yeses=self.accepted.yeses & launches)

    def accept(self, server_id: str, written: Mapping[str, Any] | None) -> None:
        """The server's accepted entry is now `written`; None removes it."""
        servers, changed = dict(self.document.servers), dict(self.accepted.changed)
        protected, ready = set(self.accepted.protected), dict(self.accepted.ready)
        protected.discard(server_id)
        if written is None:
            for kept in (servers, changed, ready):
                kept.pop(server_id, None)
        else:
            servers[server_id], changed[server_id] = written, self.accepted.serial
            if written.get("protect"):
                protected.add(server_id)
        document = self.document.with_written({**self.document.written, "mcpServers": servers})
        self._set(document=document, changed=changed, ready=ready, protected=frozenset(protected))
        self._servers.pop(server_id, None)

    def accept_settings(self, settings: Mapping[str, Any], *, default_project: str) -> None:
        """Everything outside `mcpServers` is now `settings`."""
        written = {**settings, "mcpServers": dict(self.document.servers)}
        self._set(document=replace(self.document, written=written, default_project=default_project))
        self._servers.clear()

    def server(self, server_id: str) -> Server | None:
        """The accepted server, effective; None when there is none."""
        if server_id not in self.document.servers:
            return None
        if server_id not in self._servers:
            self._servers[server_id] = self.document.server(server_id)
        return self._servers[server_id]

    def ready(self, server_id: str) -> Server | None:
        """The server with the facts that last got ready, under today's policy."""
        facts = self.accepted.ready.get(server_id)
        if facts is None or server_id not in self.document.servers:
            return None
        now = {k: v for k, v in self.document.facts(server_id).items() if k not in RECONNECT_FIELDS}
        return server_of(server_id, {**now, **facts}, digest(masked_fields(facts, self.document.hide)))

    def remember_ready(self, server_id: str) -> bool:
        """The accepted spec of the server got ready. Returns whether that is news."""
        facts = self.document.facts(server_id)
        spec = {key: facts[key] for key in RECONNECT_FIELDS if key in facts}
        if self.accepted.ready.get(server_id) == spec:
            return False
        self._set(ready={**self.accepted.ready, server_id: spec})
        return True

    async def commit(self) -> None:
        """Return when everything said so far is on the disk; callers that wait together share one write.

        The write goes on when a caller is cancelled: two at once could end in the wrong order. Raises OSError.
        """
        version = self._version
        while self._written < version:
            if self._writing is None:
                self._writing = asyncio.create_task(self._write())
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        newest, accepted = self._version, self.accepted
        try:
            await asyncio.to_thread(write_accepted, self._state, accepted)
            self._written, self._on_disk, self.refused = newest, accepted, False
        except BaseException:
            self.refused = True
            self._written, self.accepted = self._version, self._on_disk
            self._servers.clear()
            raise
        finally:
            self._writing = None

    def _set(self, **changes: Any) -> None:
        self.accepted = replace(self.accepted, **changes)
        self._version += 1
