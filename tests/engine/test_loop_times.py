"""When a worker does what: looks again, tries again, waits for as long as a server asked. Time jumps here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from reconciler.engine.backoff import CRASH_LOOP_CAP, LONGEST_RETRY_AFTER, REPROBE, STABLE
from reconciler.engine.loop import RESYNC, Worker
from reconciler.model.server import Server
from reconciler.sessions.session import End, SessionError
from reconciler.sessions.stale import RELIST_SECONDS
from tests.clock import JUMPING
from tests.engine.stage import Stage, later, serving
from tests.requirements import requirement
from tests.sessions.puppets import server

pytestmark = pytest.mark.anyio
HOUR = 3600.0
UNAUTHORIZED = SessionError("there answered HTTP 401.", terminal=True, code="http-401")


class Watched(Stage):
    """A stage that writes down when its worker looked, and whose chance is that of a seed."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[float] = []
        self._dice = random.Random(7)

    def wanted(self, server_id: str) -> Server | None:
        now = asyncio.get_running_loop().time()
        if not self.looks or self.looks[-1] != now:
            self.looks.append(now)
        return super().wanted(server_id)

    def worker(self, server_id: str = "a") -> Worker:
        worker = Worker(server_id, self, self._dice.random)
        self._workers.append(worker)
        return worker


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    made = Watched()
    yield made
    await made.close()


@requirement("LIVE-2:resync")
async def test_a_server_at_rest_is_looked_at_every_minute_and_never_in_step(watched: Watched) -> None:
    await serving(watched)
    await later(RELIST_SECONDS - 1)  # what is listed anew then is looked at too
    pauses = [later - earlier for earlier, later in pairwise(watched.looks[1:])]
    assert len(pauses) == 9
    assert all(0.9 * RESYNC <= pause <= 1.1 * RESYNC for pause in pauses)
    assert len({round(pause) for pause in pauses}) >= 5
    assert watched.said == ["open one", "ready one"]


@requirement("LIVE-2:resync")
@pytest.mark.parametrize("enabled", [True, False])
async def test_what_nobody_told_of_is_put_right_at_the_next_look(stage: Stage, enabled: bool) -> None:
    await serving(stage)
    if enabled:
        stage.hub.retire("a")  # the session goes, and nobody wakes the worker
    else:
        stage.accepted["a"] = server(enabled=False)
    await later(1.1 * RESYNC + 1)
    assert (stage.hub.slot("a").live is not None) is enabled
    assert stage.said.count("open one") == 1 + enabled


@requirement("LIVE-2:backoff")
async def test_a_server_that_asks_for_time_gets_it_each_time(stage: Stage) -> None:
    stage.troupe.plays["one"] = SessionError("there answered HTTP 429.", retry_after=90.0, code="http-429")
    stage.accept(stage.worker(), server())
    await later(HOUR / 4)
    assert stage.troupe.waits("one")[:5] == [90.0, 90.5, 91.0, 92.0, 94.0]


@requirement("LIVE-2:backoff")
@pytest.mark.parametrize("terminal", [False, True])
async def test_no_server_can_ask_for_more_than_an_hour(stage: Stage, terminal: bool) -> None:
    stage.troupe.plays["one"] = SessionError("there answered HTTP 503.", retry_after=1e9, terminal=terminal)
    stage.accept(stage.worker(), server())
    await later(LONGEST_RETRY_AFTER - 1)
    assert len(stage.troupe.times["one"]) == 1
    await later(2)
    assert stage.troupe.waits("one") == [LONGEST_RETRY_AFTER]


@requirement("LIVE-2:backoff")
async def test_a_session_that_ends_with_a_time_to_wait_comes_back_after_it(stage: Stage) -> None:
    worker = await serving(stage)
    died = asyncio.get_running_loop().time()
    stage.troupe.last.die(End("there answered HTTP 503", retry_after=20.0))
    await later(21)
    assert (stage.live().state, stage.troupe.times["one"][1] - died) == ("ready", 20.0)
    assert worker.life.next_retry_at is None


@requirement("LIVE-2:backoff")
async def test_what_needs_a_person_is_tried_every_five_minutes_and_as_soon_as_one_did_something(stage: Stage) -> None:
    stage.troupe.plays["one"] = UNAUTHORIZED
    worker = stage.worker()
    stage.accept(worker, server())
    await later(HOUR)
    assert set(stage.troupe.waits("one")) == {REPROBE}
    assert (worker.life.phase, worker.life.reason) == ("Stalled", "there answered HTTP 401")
    stage.troupe.plays["one"] = None
    asked = asyncio.get_running_loop().time()
    worker.restart()
    assert await worker.settled() is None
    assert stage.troupe.times["one"][-1] == asked


@requirement("LIVE-2:backoff")
async def test_one_that_flaps_is_started_ever_more_rarely_until_it_was_stable_for_a_minute(stage: Stage) -> None:
    worker = await serving(stage)

    async def live_for(seconds: float) -> float:
        """And die; the seconds until it is back."""
        while stage.hub.slot("a").live is None:
            await later(1)
        await later(seconds)
        died, opened = asyncio.get_running_loop().time(), len(stage.troupe.times["one"])
        stage.troupe.last.die()
        while len(stage.troupe.times["one"]) == opened:
            await later(0.5)
        return stage.troupe.times["one"][-1] - died

    pauses = [await live_for(STABLE / 2) for _ in range(14)]
    assert pauses[:6] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]
    assert pauses[-1] == CRASH_LOOP_CAP
    assert await live_for(STABLE + 1) == 0.0
    assert (await live_for(STABLE / 2), worker.life.failures) == (0.5, 2)
