"""One worker per server: look at what is accepted and what lives, take one step, wait to be woken. Level-triggered.

Reads: the accepted server. Writes: sessions (through the hub) and the server's Life. It never reads the file.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeGuard

from reconciler.engine.backoff import STABLE
from reconciler.engine.life import Life, Phase, end_of, waits_for_dial, words_of, words_of_slow_start
from reconciler.engine.rivals import with_way_out
from reconciler.engine.world import World
from reconciler.model.server import Server, Uplink
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import SessionError, StartFailed

RESYNC = 60.0
SLOW = (3.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds after which a start is said to take that long."""


class Worker:
    """Drives one server towards its accepted state, one step at a time. A step never waits: nothing changes in it."""

    def __init__(self, server_id: str, world: World, chance: Callable[[], float] = random.random) -> None:
        self.id = server_id
        self.life = Life()
        self._world = world
        self._hub = world.hub
        self._chance = chance
        self._wake = asyncio.Event()
        self._looked = asyncio.Event()
        self._waiting: set[asyncio.Future[SessionError | None]] = set()
        self._fell_back = False
        self._restart = False
        self._tried = ("", "")
        self._began = 0.0
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
        self.life.forget_failures()
        self._fell_back = False
        self.wake()

    def jumped(self, *, slept: bool) -> None:
        """Clocks went apart. After a sleep no wait counts any more, and what serves is asked whether it is there."""
        self.life.retime(self._now())
        if slept and (live := self._hub.slot(self.id).live) is not None:
            live.doubt()
        if slept and self.life.next_retry_at is not None:
            self.retry_now()

    def restart(self) -> None:
        """Replace the session although nothing changed: the new one first."""
        self._restart = True
        self.retry_now()

    async def settled(self) -> SessionError | None:
        """Wait until the server is as accepted (then None) or has failed to become so (then why)."""
        if self.done or self._is_settled():
            return self._verdict()
        future: asyncio.Future[SessionError | None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    async def served(self) -> None:
        """Wait until something serves, or nothing is on its way that could."""
        while not self.done and self._is_on_its_way():
            await self._looked.wait()

    async def stop(self) -> None:
        """End the worker; its sessions are the hub's to close."""
        self._task.cancel()
        await asyncio.wait({self._task})

    # What it has come to

    def _want(self) -> Server | None:
        """What is to be made so: while it is paused, the same without a session."""
        want = self._world.wanted(self.id)
        return replace(want, enabled=False) if want is not None and self._world.paused(self.id) else want

    def _is_settled(self) -> bool:
        if self._wake.is_set() or self._restart:
            return False
        want, slot = self._want(), self._hub.slot(self.id)
        if _dials_in(want):
            others = [slot.live, *slot.draining] if slot.live else slot.draining
            return slot.opening is None and all(_dialled_in(other, want) for other in others)
        if not _is_opened_by_us(want):
            return slot.live is None and slot.opening is None and not slot.draining
        return self._serves(want) or self.life.failed_spec == want.spec

    def _is_on_its_way(self) -> bool:
        slot = self._hub.slot(self.id)
        if slot.live is not None:
            return slot.live.state != "ready"  # it is over, and the next look will say what comes
        if slot.opening is not None or self._wake.is_set():
            return True
        due = self.life.phase in ("Connecting", "Draining", "Backoff") and self.life.next_at <= self._now()
        return _is_opened_by_us(self._want()) and due

    def _serves(self, want: Server) -> bool:
        live = self._hub.slot(self.id).live
        return live is not None and live.state == "ready" and live.server.spec == want.spec

    def _verdict(self) -> SessionError | None:
        want = self._want()
        failed = _is_opened_by_us(want) and self.life.failed_spec == want.spec
        return self.life.failure if failed else None

    def _tell(self) -> None:
        """Whoever waits hears it in the very step that settles it: a moment later it may be another truth."""
        if not self._waiting or not self._is_settled():
            return
        self._answer(self._verdict())

    def _answer(self, verdict: SessionError | None) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(verdict)

    async def _run(self) -> None:
        try:
            while (seconds := self._look()) is not None:
                self._looked.set()
                self._looked = asyncio.Event()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):  # wait_for loses a cancellation that comes with the wake
                        await self._wake.wait()
            self._world.gone(self.id)
        finally:
            self._answer(SessionError("the engine stops", code="stopped"))
            self._looked.set()

    def _look(self) -> float | None:
        """Take one step. The seconds after which to look again unprompted, None when the server is gone."""
        self._wake.clear()
        self.life.generation = self._world.generation(self.id)
        try:
            seconds = self._step()
            self._tell()
            return None if self._world.wanted(self.id) is None and self._is_settled() else seconds
        except Exception as error:  # one server's trouble never leaves its worker
            failure = SessionError(f"{type(error).__name__}: {error}", code="internal")
            self._failed_with(failure)
            self._world.failed(self.id, failure.reason)
            self._answer(failure)
            return max(self.life.next_at - self._now(), 1.0)

    # Steps. Each answers the seconds after which to look again unprompted

    def _step(self) -> float:
        want, slot = self._want(), self._hub.slot(self.id)
        if _dials_in(want):
            return self._await_dial(want)
        if not _is_opened_by_us(want):
            return self._close(want)
        if (want.spec, want.strategy) != self._tried:  # what failed before says nothing about a changed server
            self._tried, self._fell_back = (want.spec, want.strategy), False
            self.life.forget_failures()
            if want.strategy == "recreate" and slot.live is not None:
                self._hub.abandon(self.id)  # it was to be proven beside the one that goes first now
        if slot.live is not None and slot.live.state == "closed":
            self._lost(slot.live, want)
        if slot.opening is not None:
            return self._watch_opening(slot.opening, want)
        live = slot.live
        if live is not None and live.server.spec == want.spec and not self._restart:
            return self._serve_on(live, want)
        if live is None and self._fall_back(want):
            return self._resync()
        if self.life.next_at > self._now():
            return min(self.life.next_at - self._now(), self._resync())
        return self._begin(want)

    def _await_dial(self, want: Server) -> float:
        """The server comes by itself: whatever dials in is proven, and then takes the place of the one before it."""
        slot = self._hub.slot(self.id)
        if (want.spec, want.strategy) != self._tried:
            self._tried, self._fell_back, self.life.failure = (want.spec, want.strategy), False, None
        self._leave_others(want)
        if slot.live is not None and slot.live.state == "closed":
            self._hung_up(slot.live)
        opening = slot.opening
        if opening is not None and opening.state == "ready":
            return self._serve(opening, want)
        if opening is not None and opening.state == "closed":
            self._hub.abandon(self.id)
            self.life.failure = opening.failure or SessionError(words_of(opening.end), code="ended")
        opened = self._world.uplinks.take(self.id)
        if opened is not None:
            self._hub.abandon(self.id)
            self._hub.open(want, self.wake, opened)
            slot = self._hub.slot(self.id)
            if slot.live is None:
                self._phase("Connecting", "it dialled in")
        if slot.live is not None:
            return self._serve_on(slot.live, want)
        if slot.opening is None:
            self._phase("Pending", waits_for_dial(self.life.failure))
        return self._resync()

    def _leave_others(self, want: Server) -> None:
        """What serves or is opened in another way goes; so does everything when the server is to dial in anew."""
        slot = self._hub.slot(self.id)
        if self._restart:
            self._world.uplinks.turn_away(self.id)
        if slot.opening is not None and (self._restart or not _dialled_in(slot.opening, want)):
            self._hub.abandon(self.id)
        if slot.live is not None and (self._restart or not _dialled_in(slot.live, want)):
            self._hub.retire(self.id)
            self.life.ready_spec, self.life.failure = None, None
        self.life.forget_failures()
        self._restart = False

    def _hung_up(self, live: Instance) -> None:
        self._hub.slot(self.id).live = None
        self.life.ready_spec, self.life.failure = None, None
        self.life.restarts += 1
        self._world.went_down(live, live.end or end_of(live.failure))

    def _close(self, want: Server | None) -> float:
        slot = self._hub.slot(self.id)
        self._world.uplinks.turn_away(self.id)
        self._hub.abandon(self.id)
        self._hub.retire(self.id)
        self.life.forget_failures()
        self._restart, self._tried, self.life.ready_spec, self.life.failure = False, ("", ""), None, None
        if slot.draining:
            self._phase("Draining", "finishing calls in flight")
        elif want is None:
            self._phase("Closed", "")
        elif why := self._world.paused(self.id):
            self._phase("Paused", why)
        else:
            self._phase("Disabled", "disabled in the file")
        return self._resync()

    def _lost(self, live: Instance, want: Server) -> None:
        """The serving session ended by itself. One of an older spec counts nothing against the wanted one."""
        self._hub.slot(self.id).live = None
        self.life.ready_spec = None
        self.life.restarts += 1
        end = live.end or end_of(live.failure)
        lasted = self._now() - self.life.ready_since >= STABLE
        self._world.went_down(live, end)
        if live.server.spec != want.spec:
            self._fell_back = self._fell_back and not lasted
            self._try_again_after_all()
            self._phase(self.life.phase, words_of(end))
            return
        if lasted:
            self.life.failures = 0
        self._failed_with(SessionError(words_of(end), terminal=end.terminal, retry_after=end.retry_after, code="ended"))

    def _watch_opening(self, opening: Instance, want: Server) -> float:
        ready = self._world.last_ready(self.id) if self._fell_back else None
        if opening.server.spec not in (want.spec, ready.spec if ready else None):
            self._hub.abandon(self.id)
            return 0.0
        if opening.state == "ready":
            return self._serve(opening, want)
        if opening.state == "closed":
            self._hub.abandon(self.id)
            if isinstance(opening.failure, StartFailed):
                self._world.never_came(opening, opening.failure.end)
            if opening.server.spec == want.spec:
                self._not_opened(opening.failure or SessionError(words_of(opening.end), code="ended"), want)
            else:
                self._try_again_after_all()
            return 0.0
        return min(self._resync(), self._say_that_it_is_slow(opening, want))

    def _say_that_it_is_slow(self, opening: Instance, want: Server) -> float:
        """Whoever looks meanwhile reads that it starts, and not how it failed before. Seconds until there is news."""
        since = self._now() - self._began
        passed = [after for after in SLOW if after <= since]
        if passed and opening.server.spec == want.spec:
            self._phase("Connecting", words_of_slow_start(want, passed[-1], self._world.last_words(self.id)))
        return min((after - since for after in SLOW if after > since), default=math.inf)

    def _not_opened(self, failure: SessionError, want: Server) -> None:
        self._restart = False
        if self._serves(want):  # a restart came to nothing, and what was to be replaced still does its work
            self._answer(failure)
            self._phase("Ready", "")
            return
        self.life.failed_spec = want.spec
        beside = want.strategy != "recreate" and self._hub.slot(self.id).live is not None
        failure = with_way_out(failure) if beside else failure
        self._failed_with(failure)
        self._world.failed(self.id, failure.reason)

    def _serve(self, opening: Instance, want: Server) -> float:
        self._hub.switch(self.id)
        self.life.ready_since, self.life.ready_spec = self._now(), opening.server.spec
        self.life.last_connected_at = datetime.now(UTC)
        self._world.became_ready(opening)
        if opening.server.spec == want.spec:
            self._restart = False
            return self._serve_on(opening, want)
        if want.strategy == "recreate":  # each further try would stop what serves now
            self.life.stay()
        self._phase("Stalled" if want.strategy == "recreate" else self.life.phase, self._why())
        return 0.0

    def _serve_on(self, live: Instance, want: Server) -> float:
        live.server = want
        self.life.failed_spec, self.life.failure, self.life.next_at, self.life.next_retry_at = None, None, 0.0, None
        self._phase("Ready", "")
        return self._resync()

    def _fall_back(self, want: Server) -> bool:
        """While the wanted spec fails and nothing serves, the one that was ready last is opened: once for each try."""
        ready = self._world.last_ready(self.id)
        if self._fell_back or self.life.failed_spec != want.spec or ready is None or ready.spec == want.spec:
            return False
        if _dials_in(ready):
            return False
        self._fell_back = True
        self._hub.open(ready, self.wake)
        return True

    def _begin(self, want: Server) -> float:
        if want.strategy == "recreate":
            self._hub.retire(self.id)
            if self._hub.slot(self.id).draining:
                self._phase("Draining", "stops before the new one starts")
                return self._resync()
        self._fell_back = False
        self._began = self._now()
        self._phase("Connecting", self._why())
        self._hub.open(want, self.wake)
        return min(SLOW[0], self._resync())

    # What is remembered

    def _failed_with(self, failure: SessionError) -> None:
        wait = self.life.count_failure(failure, self._now(), self._chance())
        self._phase("Stalled" if wait.stalled else "Backoff", failure.reason)

    def _try_again_after_all(self) -> None:
        """What the wanted version was put off for is gone."""
        if self.life.failure is not None and self.life.stays:
            self.life.back_off(self.life.failure, self._now(), self._chance())

    def _why(self) -> str:
        return self.life.failure.reason if self.life.failure else ""

    def _phase(self, phase: Phase, reason: str) -> None:
        if (phase, reason) != (self.life.phase, self.life.reason):
            self.life.phase, self.life.reason, self.life.since = phase, reason, datetime.now(UTC)
            self._world.changed(self.id)

    def _resync(self) -> float:
        return RESYNC * (0.9 + 0.2 * self._chance())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_opened_by_us(want: Server | None) -> TypeGuard[Server]:
    """Whether there should be a session that we open: not of a server that is gone, disabled, or dials in itself."""
    return want is not None and want.enabled and not isinstance(want.transport, Uplink)


def _dials_in(want: Server | None) -> TypeGuard[Server]:
    """Whether there should be a session that the server begins itself."""
    return want is not None and want.enabled and isinstance(want.transport, Uplink)


def _dialled_in(instance: Instance, want: Server) -> bool:
    """Whether this is a session of `want` that the server began."""
    return instance.server.spec == want.spec and isinstance(instance.server.transport, Uplink)
