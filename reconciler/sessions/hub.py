"""All live sessions of a project, and the switch from an old one to a proven new one.

The hub decides nothing; the engine's loop says what to open, switch and close.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reconciler.model.server import Server, Stdio
from reconciler.sessions.instance import Instance, Told
from reconciler.sessions.session import Open
from reconciler.sessions.starts import Starts, processes_at_a_time
from reconciler.sessions.wishes import NONE, Wishes

SLOWEST_START, SLOWEST_GREETING = 2.0, 0.25
"""Seconds after which a process that is still starting, or a server elsewhere that has not answered, makes room for
others to be started."""
STARTS_ELSEWHERE = 10
"""At a time: of servers that are no processes of ours."""


@dataclass(slots=True)
class Slot:
    """The sessions of one server: the one that serves, the one being proven, those that finish their calls and go."""

    live: Instance | None = None
    opening: Instance | None = None
    draining: set[Instance] = field(default_factory=set)
    wishes: Wishes = NONE
    """Kept whatever serves."""


def alone() -> Starts:
    """For a session that waits for no other's start."""
    return Starts(1, SLOWEST_START)


class Hub:
    """The sessions of a project by server id."""

    def __init__(self, opened: Open, told: Told | None = None) -> None:
        self._opened = opened
        self._told = told
        self._elsewhere = Starts(STARTS_ELSEWHERE, SLOWEST_GREETING)
        self._processes = Starts(processes_at_a_time(), SLOWEST_START)
        self._slots: dict[str, Slot] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def slot(self, server_id: str) -> Slot:
        """The sessions of a server; an empty Slot, which is kept nowhere, when it has none."""
        return self._slots.get(server_id) or Slot()

    def forget(self, server_id: str) -> None:
        """The server is gone, with the last of its sessions."""
        self._slots.pop(server_id, None)

    def _kept(self, server_id: str) -> Slot:
        return self._slots.setdefault(server_id, Slot())

    def open(self, server: Server, on_change: Callable[[], None], opened: Open | None = None) -> Instance:
        """Start proving a new session of `server`; `opened` is the way to it where it came to us by itself.

        `on_change` is called whenever it gets ready, changes, ends, and when it has left `draining`.
        """
        starts = self._processes if isinstance(server.transport, Stdio) else self._elsewhere
        instance = Instance(server, opened or self._opened, alone() if opened else starts, on_change, self._told)
        self._kept(server.id).opening = instance
        return instance

    def switch(self, server_id: str) -> Instance:
        """The proven session serves from now on; the old one finishes its calls and goes. Returns the new one."""
        slot = self.slot(server_id)
        if slot.opening is None or slot.opening.state != "ready":
            raise RuntimeError(f"nothing proven to switch to for {server_id}")
        old, slot.live, slot.opening = slot.live, slot.opening, None
        slot.live.wish(slot.wishes)
        for uri in slot.wishes.resources:  # it may have changed while nothing, or something else, served
            slot.live.updated(uri)
        if old is not None:
            self._drain(slot, old)
        return slot.live

    def follow_resources(self, server_id: str, uris: frozenset[str]) -> None:
        """Tell of updates of these URIs, and of no others, whichever session serves."""
        self._wish(server_id, replace(self.slot(server_id).wishes, resources=uris))

    def log_level(self, server_id: str, level: str) -> None:
        """Have a server of the handshake era log from this level on, whichever session serves."""
        self._wish(server_id, replace(self.slot(server_id).wishes, log_level=level))

    def _wish(self, server_id: str, wishes: Wishes) -> None:
        slot = self._kept(server_id)
        slot.wishes = wishes
        if slot.live is not None:
            slot.live.wish(wishes)

    def retire(self, server_id: str) -> None:
        """The serving session finishes its calls and goes; nothing serves until something is opened."""
        slot = self.slot(server_id)
        if slot.live is not None:
            self._drain(slot, slot.live)
            slot.live = None

    def abandon(self, server_id: str) -> None:
        """Stop proving whatever is being proven."""
        slot = self.slot(server_id)
        if slot.opening is not None:
            self._drain(slot, slot.opening)
            slot.opening = None

    async def close(self) -> None:
        """End every session at once, those that finish their calls too."""
        held = [i for slot in self._slots.values() for i in (slot.live, slot.opening, *slot.draining) if i is not None]
        await asyncio.gather(*(instance.close() for instance in held))
        await asyncio.gather(*self._leaving)
        self._slots.clear()

    def _drain(self, slot: Slot, instance: Instance) -> None:
        slot.draining.add(instance)
        task = asyncio.create_task(self._leave(slot, instance))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, slot: Slot, instance: Instance) -> None:
        await instance.drain()
        slot.draining.discard(instance)
        instance.on_change()
