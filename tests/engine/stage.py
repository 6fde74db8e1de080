"""A small world for a Worker: what is accepted, what was ready, and a real hub of puppets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from reconciler.engine.loop import Worker
from reconciler.model.server import Server
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import End, SessionError
from reconciler.sessions.uplink import Uplinks
from tests.clock import pass_by
from tests.sessions.puppets import Troupe, server

ONE = server(spec="one")


class Stage:
    """The World of one server. `said` also holds `ready SPEC`, `down SPEC` and each new `phase` of the worker."""

    def __init__(self, chance: float = 1.0) -> None:
        self.troupe = Troupe()
        self.said = self.troupe.said
        self.hub = Hub(self.troupe.open)
        self.uplinks = Uplinks(lambda _: None)
        self.accepted: dict[str, Server] = {}
        self.ready: dict[str, Server] = {}
        self.pauses: dict[str, str] = {}
        self.serial = 0
        self.words = ""
        self.ends: list[End] = []
        self.failures: list[str] = []
        self.changes = 0
        self._chance = chance
        self._workers: list[Worker] = []

    def wanted(self, server_id: str) -> Server | None:
        return self.accepted.get(server_id)

    def paused(self, server_id: str) -> str | None:
        return self.pauses.get(server_id)

    def generation(self, server_id: str) -> int:
        return self.serial

    def last_words(self, server_id: str) -> str:
        return self.words

    def last_ready(self, server_id: str) -> Server | None:
        return self.ready.get(server_id)

    def became_ready(self, instance: Instance) -> None:
        self.said.append(f"ready {instance.server.spec}")
        accepted = self.accepted.get(instance.server.id)
        if accepted is not None and accepted.spec == instance.server.spec:
            self.ready[instance.server.id] = instance.server

    def changed(self, server_id: str) -> None:
        self.changes += 1

    def failed(self, server_id: str, reason: str) -> None:
        self.failures.append(reason)

    def went_down(self, instance: Instance, end: End) -> None:
        self.said.append(f"down {instance.server.spec}")
        self.ends.append(end)

    def never_came(self, instance: Instance, end: End) -> None:
        self.ends.append(end)

    def gone(self, server_id: str) -> None:
        self.said.append("gone")
        self.hub.forget(server_id)

    def worker(self, server_id: str = "a") -> Worker:
        worker = Worker(server_id, self, lambda: self._chance)
        self._workers.append(worker)
        return worker

    def accept(self, worker: Worker, wanted: Server | None) -> None:
        """What an applied plan does."""
        if wanted is None:
            self.accepted.pop(worker.id, None)
        else:
            self.accepted[worker.id] = wanted
        worker.wake()

    def live(self, server_id: str = "a") -> Instance:
        live = self.hub.slot(server_id).live
        assert live is not None
        return live

    async def call(self, server_id: str = "a") -> str:
        """Which spec answers a call."""
        answer: dict[str, Any] = await self.live(server_id).request("tools/call", {}, timeout=60.0)
        text: str = answer["content"][0]["text"]
        return text

    async def close(self) -> None:
        for worker in self._workers:
            await worker.stop()
        await self.hub.close()


@asynccontextmanager
async def staged(chance: float = 1.0) -> AsyncIterator[Stage]:
    """A stage that is left empty: no session stays open behind it."""
    stage = Stage(chance)
    try:
        yield stage
    finally:
        await stage.close()
    assert stage.troupe.inside == 0


async def later(seconds: float) -> None:
    """Let so much of a time pass that costs nothing, and everything that is due happen."""
    await pass_by(seconds)
    await anyio.wait_all_tasks_blocked()


async def settled(worker: Worker) -> SessionError | None:
    with anyio.fail_after(100_000):
        return await worker.settled()


async def serving(stage: Stage, wanted: Server = ONE) -> Worker:
    """A worker whose server is there."""
    worker = stage.worker()
    stage.accept(worker, wanted)
    assert await settled(worker) is None
    return worker
