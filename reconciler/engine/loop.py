"""One worker per server: look at what is accepted and what lives, take one step, wait to be woken. Level-triggered.

Reads: the accepted server. Writes: sessions (through the hub) and the server's Life. It never reads the file.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from reconciler.engine.backoff import STABLE, next_try
from reconciler.model.server import Server, Uplink
from reconciler.sessions.hub import Hub, Instance
from reconciler.sessions.session import End, SessionError

Phase = Literal["Pending", "Connecting", "Ready", "Draining", "Closed", "Backoff", "Stalled", "Disabled"]
RESYNC = 60.0


class World(Protocol):
    """What a worker asks of its project."""

    hub: Hub

    def wanted(self, server_id: str) -> Server | None:
        """The accepted server, None once it is gone."""
        ...

    def last_ready(self, server_id: str) -> Server | None:
        """The server as it last reached ready, when that was another spec."""
        ...

    def became_ready(self, instance: Instance) -> None:
        """A new session serves."""
        ...

    def changed(self, server_id: str) -> None:
        """Something visible of the server changed."""
        ...

    def went_down(self, instance: Instance, end: End) -> None:
        """A session ended that nobody asked to end."""
        ...


@dataclass(slots=True)
class Life:
    """What is known of a server's sessions. Times are wall-clock; `next_at` is the loop's clock."""

    phase: Phase = "Closed"
    reason: str = ""
    failures: int = 0
    restarts: int = 0
    next_at: float = 0.0
    next_retry_at: datetime | None = None
    ready_since: float = 0.0
    last_connected_at: datetime | None = None
    failed_spec: str | None = None
    failure: SessionError | None = None
    ready_spec: str | None = None
    """The spec that serves now, None when none does."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


class Worker:
    """Drives one server towards its accepted state, one step at a time."""

    def __init__(self, server_id: str, world: World, chance: Callable[[], float] = random.random) -> None:
        self.id = server_id
        self.life = Life()
        self._world = world
        self._hub = world.hub
        self._chance = chance
        self._wake = asyncio.Event()
        self._stepped = asyncio.Condition()
        self._fallback = False
        self._restart = False
        self._spec = ""
        self._task = asyncio.create_task(self._run(), name=f"worker of {server_id}")

    @property
    def done(self) -> bool:
        """Whether the worker has left, its server being gone."""
        return self._task.done()

    def wake(self) -> None:
        """Look again."""
        self._wake.set()

    def retry_now(self) -> None:
        """Forget the backoff and look again."""
        self.life.failures, self.life.next_at, self.life.failed_spec = 0, 0.0, None
        self.wake()

    def restart(self) -> None:
        """Replace the session although nothing changed: the new one first."""
        self._restart = True
        self.retry_now()

    async def settled(self) -> SessionError | None:
        """Wait until the server is as accepted (then None) or has failed to become so (then why)."""
        async with self._stepped:
            while not self._is_settled():
                await self._stepped.wait()
        return self.life.failure if self._failed() else None

    async def stop(self) -> None:
        """End the worker; its sessions are the hub's to close."""
        self._task.cancel()
        await asyncio.wait({self._task})

    def _failed(self) -> bool:
        want = self._world.wanted(self.id)
        return want is not None and want.enabled and self.life.failed_spec == want.spec

    def _is_settled(self) -> bool:
        if self._wake.is_set() or self._restart:
            return False
        want, slot = self._world.wanted(self.id), self._hub.slot(self.id)
        if want is None or not want.enabled:
            return slot.live is None and slot.opening is None and not slot.draining
        serves = slot.live is not None and slot.live.state == "ready" and slot.live.server.spec == want.spec
        return serves or self._failed() or isinstance(want.transport, Uplink)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            seconds = await self._step_safely()
            async with self._stepped:
                self._stepped.notify_all()
            if self._world.wanted(self.id) is None and self._is_settled():
                return
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                continue

    async def _step_safely(self) -> float:
        try:
            return await self._step()
        except Exception as error:  # one server's trouble never leaves its worker
            self._failed_with(SessionError(f"{type(error).__name__}: {error}", code="internal"), None)
            return max(self.life.next_at - self._now(), 1.0)

    async def _step(self) -> float:
        """Take at most one step. Returns the seconds after which to look again unprompted."""
        want, slot = self._world.wanted(self.id), self._hub.slot(self.id)
        if want is None or not want.enabled or isinstance(want.transport, Uplink):
            return await self._close(want)
        if want.spec != self._spec:  # what failed before says nothing about a changed server
            self._spec = want.spec
            self.life.failures, self.life.next_at = 0, 0.0
        if slot.live is not None and slot.live.state == "closed":
            self._lost(slot.live)
        if slot.opening is not None:
            return self._watch_opening(slot.opening, want)
        live = slot.live
        if live is not None and live.server.spec == want.spec and not self._restart:
            live.server = want
            self._phase("Ready", "")
            return self._resync()
        if self.life.next_at > self._now() and not self._restart:
            return self._wait_or_fall_back(want, live)
        return await self._begin(want, live)

    async def _close(self, want: Server | None) -> float:
        slot = self._hub.slot(self.id)
        self._hub.abandon(self.id)
        if slot.live is not None:
            self._phase("Draining", "finishing calls in flight")
            self._hub.retire(self.id)
        self._restart, self.life.failed_spec, self.life.ready_spec = False, None, None
        self.life.failures, self.life.next_at, self.life.next_retry_at = 0, 0.0, None
        if slot.draining:
            await self._hub.gone(self.id)
        if want is None:
            self._phase("Closed", "")
        elif isinstance(want.transport, Uplink) and want.enabled:
            self._phase("Pending", "waits for the server to dial in")
        else:
            self._phase("Disabled", "disabled in the file")
        return RESYNC

    def _watch_opening(self, opening: Instance, want: Server) -> float:
        if opening.state == "opening" and opening.server.spec not in self._acceptable(want):
            self._hub.abandon(self.id)
            return 0.0
        if opening.state == "ready":
            self._serve(opening, want)
            return 0.0
        if opening.state == "closed":
            self._hub.abandon(self.id)
            self._fallback = False
            failure = opening.failure or SessionError(_words(opening.end), code="ended")
            self._failed_with(failure, opening)
            return 0.0
        return self._resync()

    def _acceptable(self, want: Server) -> set[str]:
        ready = self._world.last_ready(self.id) if self._fallback else None
        return {want.spec, ready.spec} if ready else {want.spec}

    def _serve(self, opening: Instance, want: Server) -> None:
        self._hub.switch(self.id)
        self._fallback = False
        self.life.ready_since, self.life.ready_spec = self._now(), opening.server.spec
        self.life.last_connected_at = datetime.now(UTC)
        if opening.server.spec == want.spec:
            self._restart = False
            self.life.failed_spec, self.life.failure, self.life.next_retry_at = None, None, None
            self.life.next_at = 0.0
            self._phase("Ready", "")
        self._world.became_ready(opening)

    def _lost(self, live: Instance) -> None:
        """The serving session ended by itself."""
        self._hub.slot(self.id).live = None
        self.life.ready_spec = None
        self.life.restarts += 1
        end = live.end or End(str(live.failure or "the session ended"))
        if self._now() - self.life.ready_since >= STABLE:
            self.life.failures = 0
        self._world.went_down(live, end)
        error = SessionError(_words(end), terminal=end.terminal, retry_after=end.retry_after, code="ended")
        self._failed_with(error, None)

    def _failed_with(self, failure: SessionError, opening: Instance | None) -> None:
        self.life.failures += 1
        wait = next_try(self.life.failures, self._chance(), terminal=failure.terminal, retry_after=failure.retry_after)
        self.life.next_at = self._now() + wait.seconds
        self.life.next_retry_at = datetime.now(UTC) + timedelta(seconds=wait.seconds)
        self.life.failure = failure
        want = self._world.wanted(self.id)
        if opening is not None and want is not None and opening.server.spec == want.spec:
            self.life.failed_spec, self._restart = want.spec, False
        self._phase("Stalled" if wait.stalled else "Backoff", str(failure))

    def _wait_or_fall_back(self, want: Server, live: Instance | None) -> float:
        """While the new spec fails, the one that was ready last serves."""
        ready = self._world.last_ready(self.id)
        if live is None and ready is not None and ready.spec != want.spec and self.life.failed_spec == want.spec:
            self._fallback = True
            self._hub.open(ready, self.wake)
        return min(self.life.next_at - self._now(), self._resync())

    async def _begin(self, want: Server, live: Instance | None) -> float:
        if live is not None and want.strategy == "recreate":
            self._phase("Draining", "stops before the new one starts")
            self._hub.retire(self.id)
            await self._hub.gone(self.id)
        self._phase("Connecting", str(self.life.failure) if self.life.failures else "")
        self._hub.open(want, self.wake)
        return self._resync()

    def _phase(self, phase: Phase, reason: str) -> None:
        if (phase, reason) != (self.life.phase, self.life.reason):
            self.life.phase, self.life.reason, self.life.since = phase, reason, datetime.now(UTC)
            self._world.changed(self.id)

    def _resync(self) -> float:
        return RESYNC * (0.9 + 0.2 * self._chance())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _words(end: End | None) -> str:
    """An ending as a sentence, with the last words of the process."""
    if end is None:
        return "the session ended"
    last = [line for line in end.stderr if line.strip()][-3:]
    return f"{end.reason}: {' | '.join(last)}" if last else end.reason
