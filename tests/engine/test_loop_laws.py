"""What holds for a worker whatever is done to its server, in whatever order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import anyio
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.engine.loop import Worker
from reconciler.model.server import Server
from reconciler.sessions.session import SessionError
from tests.clock import JumpingLoop, pass_by
from tests.engine.stage import Stage, staged
from tests.requirements import requirement
from tests.sessions.puppets import server

SPECS = ("one", "two", "three")
BROKEN = SessionError("It exited with status 3.", code="ended")
NOT_FOUND = SessionError("not found", terminal=True)

Deed: TypeAlias = tuple[str, str]
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("accept"), st.sampled_from(SPECS)),
        st.tuples(st.sampled_from(["break", "lose", "slow", "mend"]), st.sampled_from(SPECS)),
        st.tuples(st.sampled_from(["disable", "delete", "die", "restart", "retry", "call", "recreate"]), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from(["0", "0.1", "1", "30", "400"])),
    ),
    max_size=25,
)


class Driver:
    """Does deeds to one server. `calls` are the calls that were begun."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.worker = stage.worker()
        self.calls: list[asyncio.Task[str]] = []

    async def do(self, deed: Deed) -> None:
        kind, word = deed
        await getattr(self, f"do_{kind}")(word)
        self.check()

    async def do_accept(self, spec: str) -> None:
        self._accept(server(spec=spec))

    async def do_disable(self, _: str) -> None:
        if "a" in self.stage.accepted:
            self._accept(replace(self.stage.accepted["a"], enabled=False))

    async def do_recreate(self, _: str) -> None:
        if "a" in self.stage.accepted:
            self._accept(replace(self.stage.accepted["a"], strategy="recreate"))

    async def do_delete(self, _: str) -> None:
        self.stage.accept(self.worker, None)

    async def do_break(self, spec: str) -> None:
        self._play(spec, BROKEN)

    async def do_lose(self, spec: str) -> None:
        self._play(spec, NOT_FOUND)

    async def do_slow(self, spec: str) -> None:
        self._play(spec, asyncio.Event())

    async def do_mend(self, spec: str) -> None:
        self._play(spec, None)

    def _play(self, spec: str, play: Exception | asyncio.Event | None) -> None:
        before = self.stage.troupe.plays.get(spec)
        if isinstance(before, asyncio.Event):
            before.set()
        self.stage.troupe.plays[spec] = play

    async def do_die(self, _: str) -> None:
        if self.stage.troupe.puppets:
            self.stage.troupe.last.die()

    async def do_restart(self, _: str) -> None:
        self.worker.restart()

    async def do_retry(self, _: str) -> None:
        self.worker.retry_now()

    async def do_call(self, _: str) -> None:
        live = self.stage.hub.slot("a").live
        if live is not None and live.state == "ready":
            self.calls.append(asyncio.create_task(self.stage.call()))

    async def do_wait(self, seconds: str) -> None:
        await pass_by(float(seconds))

    def _accept(self, wanted: Server) -> None:
        if self.worker.done:
            self.worker = self.stage.worker()
        self.stage.accept(self.worker, wanted)

    def check(self) -> None:
        """Every session that is open is known to the hub, and at most one is being proven."""
        slot = self.stage.hub.slot("a")
        known = len(slot.draining) + (slot.live is not None) + (slot.opening is not None)
        assert self.stage.troupe.inside <= known

    async def mend_everything(self) -> None:
        for spec in SPECS:
            await self.do_mend(spec)
        self.worker.retry_now()


def play(many: list[Deed], then: Callable[[Driver], Awaitable[None]]) -> None:
    async def run() -> None:
        async with staged(0.5) as stage:
            driver = Driver(stage)
            for deed in many:
                await driver.do(deed)
            with anyio.fail_after(1_000_000):
                await then(driver)
            for call in driver.calls:
                call.cancel()
            await asyncio.gather(*driver.calls, return_exceptions=True)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(run())


@requirement("APPLY-2:make-before-break", "LIVE-2:no-orphans")
@given(deeds)
@example([("accept", "one"), ("wait", "0"), ("slow", "two"), ("accept", "two"), ("wait", "1"), ("mend", "two")])
def test_once_everything_works_the_server_is_as_accepted_and_nothing_else_is_open(many: list[Deed]) -> None:
    async def then(driver: Driver) -> None:
        await driver.mend_everything()
        await _until_settled_well(driver.worker)
        await pass_by(30)
        wanted, slot = driver.stage.accepted.get("a"), driver.stage.hub.slot("a")
        if wanted is None or not wanted.enabled:
            assert (slot.live, driver.stage.troupe.inside) == (None, 0)
        else:
            assert slot.live is not None
            assert (slot.live.state, slot.live.server.spec, driver.stage.troupe.inside) == ("ready", wanted.spec, 1)
            assert driver.worker.life.phase == "Ready"
        assert driver.worker.done == (wanted is None)

    play(many, then)


async def _until_settled_well(worker: Worker) -> None:
    while await worker.settled() is not None:
        await pass_by(400)


@given(deeds)
def test_who_is_told_that_it_is_settled_finds_it_so(many: list[Deed]) -> None:
    async def then(driver: Driver) -> None:
        failure = await driver.worker.settled()
        wanted, slot = driver.stage.accepted.get("a"), driver.stage.hub.slot("a")
        if wanted is None or not wanted.enabled:
            assert (failure, slot.live, slot.opening, slot.draining) == (None, None, None, set())
        elif failure is None:
            assert slot.live is not None and slot.live.server.spec == wanted.spec
        else:
            assert failure.code != "internal"
            assert driver.worker.life.failures or driver.worker._serves(wanted)

    plays_that_end = [deed for deed in many if deed[0] != "slow"]
    play(plays_that_end, then)


@requirement("APPLY-2:failed-change-keeps-old")
@given(deeds)
def test_what_served_serves_on_until_something_else_does(many: list[Deed]) -> None:
    """As long as nothing dies, is closed or is to be stopped first: some session serves at every moment."""
    harmless = [deed for deed in many if deed[0] not in ("die", "disable", "delete", "recreate")]

    async def then(driver: Driver) -> None:
        for deed in harmless:
            await driver.do(deed)
            live = driver.stage.hub.slot("a").live
            assert live is not None and live.state == "ready"

    async def begin(driver: Driver) -> None:
        driver.stage.accept(driver.worker, server(spec="first"))
        assert await driver.worker.settled() is None
        await then(driver)

    play([], begin)


@requirement("LIVE-2:backoff")
@given(deeds)
def test_nothing_is_opened_all_the_time(many: list[Deed]) -> None:
    async def then(driver: Driver) -> None:
        await driver.do_wait("400")
        for spec in SPECS:
            driver.stage.troupe.plays[spec] = driver.stage.troupe.plays.get(spec) or BROKEN
        await driver.do_die("")
        before = len(driver.stage.said)
        await pass_by(3600)
        opened = sum(word.startswith("open") for word in driver.stage.said[before:])
        assert opened <= 2 * 60  # one a minute, and with each of a new version one of what served before

    play(many, then)
