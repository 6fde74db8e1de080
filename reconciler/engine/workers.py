"""The workers of a project: one for each server, from when it is accepted until its last session is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler.engine.loop import Worker
from reconciler.engine.world import World
from reconciler.sessions.session import SessionError


class Workers:
    """Who drives each server. `is_accepted` says of an id whether there is to be a server under it."""

    def __init__(self, world: World, is_accepted: Callable[[str], bool]) -> None:
        self._world = world
        self._is_accepted = is_accepted
        self._workers: dict[str, Worker] = {}
        self._closing = False

    def of(self, server_id: str) -> Worker | None:
        """Who drives the server; None when it was never accepted, and when nothing is left of it."""
        return self._workers.get(server_id)

    def wake(self, server_id: str) -> Worker | None:
        """Have the server looked at again; None where there is none, or the engine ends."""
        worker = self._workers.get(server_id)
        if worker is None or worker.done:
            if self._closing or not self._is_accepted(server_id):
                return None
            worker = self._workers[server_id] = Worker(server_id, self._world)
        worker.wake()
        return worker

    def retry(self, server_id: str) -> None:
        """Have the server tried again at once, with a new session."""
        worker = self.wake(server_id)
        if worker is not None and not self._closing:
            worker.restart()

    def jumped(self, *, slept: bool) -> None:
        """Clocks went apart."""
        for worker in self._workers.values():
            worker.jumped(slept=slept)

    async def settled(self, server_id: str) -> SessionError | None:
        """Wait until the server is as accepted (then None) or has failed to become so (then why)."""
        worker = self._workers.get(server_id)
        return await worker.settled() if worker is not None else None

    def forget(self, server_id: str) -> None:
        """The server is gone, and its worker leaves."""
        self._workers.pop(server_id, None)

    def close(self) -> None:
        """From now on there is no new one."""
        self._closing = True

    async def stop(self) -> None:
        """End all of them; their sessions are the hub's to close."""
        self.close()
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
