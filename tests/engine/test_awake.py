"""A sleep of the machine is noticed by its clocks; then every session is asked and no pause counts. Time jumps here."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.engine.awake import AHEAD, LOOK_SECONDS, Clocks, Jump, jump, read_clocks, watch_clocks
from reconciler.engine.backoff import REPROBE
from reconciler.sessions.pulse import PING_SECONDS
from reconciler.sessions.session import DeadlineExceeded, SessionError
from tests.clock import JUMPING
from tests.engine.stage import Stage, later, serving
from tests.requirements import requirement
from tests.sessions.puppets import server

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:wake")]

HOUR = 3600.0
YEARS = 10 * 365 * 24 * HOUR
NIGHT = Jump(True, "the machine slept for 8:00:00")
BROKEN = SessionError("it exited with status 3", code="ended")
NOT_FOUND = SessionError("not found", terminal=True)


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


# What clocks tell


@pytest.mark.parametrize(
    ("wall", "boot", "words"),
    [
        (8 * HOUR, 8 * HOUR, "the machine slept for 8:00:00"),
        (8 * HOUR, 0.0, "the clock is 8:00:00 ahead: the machine slept, or its clock was set"),
        (8 * HOUR, None, "the clock is 8:00:00 ahead: the machine slept, or its clock was set"),
        (YEARS, 0.0, "the clock is 3650 days, 0:00:00 ahead: the machine slept, or its clock was set"),
        (0.0, AHEAD, "the machine slept for 0:00:30"),
        (-HOUR, HOUR, "the machine slept for 1:00:00"),
        (-HOUR, 0.0, "the clock was set back by 1:00:00"),
        (-HOUR, None, "the clock was set back by 1:00:00"),
    ],
)
def test_what_went_on_alone_tells_what_happened(wall: float, boot: float | None, words: str) -> None:
    begun = 50.0 if boot is not None else None
    before = Clocks(1e9, begun, 7.0)
    now = Clocks(1e9 + 2.0 + wall, None if boot is None else 52.0 + boot, 9.0)
    assert jump(before, now) == Jump("slept" in words, words)


@pytest.mark.parametrize("off", [0.0, AHEAD - 1, 1 - AHEAD, 0.5])
@pytest.mark.parametrize("passed", [2.0, 600.0])
def test_a_correction_of_the_clock_or_a_busy_machine_is_nothing(off: float, passed: float) -> None:
    assert jump(Clocks(1e9, 50.0, 7.0), Clocks(1e9 + passed + off, 50.0 + passed, 7.0 + passed)) is None


async def test_the_clocks_of_this_machine_go_alike() -> None:
    read = read_clocks()
    assert abs(read.wall - time.time()) < 60
    assert (read.boot is not None) == hasattr(time, "CLOCK_BOOTTIME")
    assert read.loop == asyncio.get_running_loop().time()


async def test_each_jump_is_told_once() -> None:
    told: list[str] = []
    offset = 0.0

    def read() -> Clocks:
        loop = asyncio.get_running_loop().time()
        return Clocks(loop + offset, loop, loop)

    watching = asyncio.create_task(watch_clocks(lambda found: told.append(found.words), read))
    await later(LOOK_SECONDS * 3)
    for offset in (-HOUR, -HOUR, YEARS, YEARS, YEARS + 1):  # noqa: B007 it is read by the clock
        await later(LOOK_SECONDS)
    watching.cancel()
    assert told == [
        "the clock was set back by 1:00:00",
        "the clock is 3650 days, 1:00:00 ahead: the machine slept, or its clock was set",
    ]


# What is done then


async def test_what_is_still_there_after_a_sleep_is_asked_once_and_goes_on(stage: Stage) -> None:
    worker = await serving(stage)
    live = stage.live()
    worker.jumped(slept=True)
    await later(0.001)
    assert (stage.troupe.last.asked.count("ping"), stage.live()) == (1, live)
    assert stage.said == ["open one", "ready one"]
    assert worker.life.phase == "Ready"


async def test_what_went_away_during_the_sleep_is_replaced_after_one_silence(stage: Stage) -> None:
    worker = await serving(stage)
    await later(PING_SECONDS / 2)
    stage.troupe.last.answers["ping"] = DeadlineExceeded("no answer to ping within 15 s")
    worker.jumped(slept=True)
    await later(0.001)
    assert stage.said == ["open one", "ready one", "close one", "down one", "open one", "ready one"]
    assert [end.reason for end in stage.ends] == ["no answer to a ping"]


@pytest.mark.parametrize("failure", [BROKEN, NOT_FOUND])
async def test_no_pause_of_before_the_sleep_counts(stage: Stage, failure: SessionError) -> None:
    stage.troupe.plays["one"] = failure
    worker = stage.worker()
    stage.accept(worker, server())
    await later(HOUR)
    stage.troupe.plays["one"] = None
    woke = asyncio.get_running_loop().time()
    worker.jumped(slept=True)
    assert await worker.settled() is None
    assert (stage.troupe.times["one"][-1], worker.life.failures) == (woke, 0)


async def test_what_still_fails_after_the_sleep_begins_its_pauses_anew(stage: Stage) -> None:
    stage.troupe.plays["one"] = BROKEN
    worker = stage.worker()
    stage.accept(worker, server())
    await later(HOUR)
    before = len(stage.troupe.times["one"])
    worker.jumped(slept=True)
    await later(60)
    assert stage.troupe.waits("one")[before:] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


async def test_what_stays_for_a_version_that_failed_is_not_stopped_after_a_sleep(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, server(spec="two", strategy="recreate"))
    assert await worker.settled() is BROKEN
    await later(1)
    worker.jumped(slept=True)
    await later(HOUR)
    assert (stage.live().server.spec, len(stage.troupe.times["two"])) == ("one", 1)


@requirement("LIVE-2:backoff")
async def test_a_clock_that_is_set_changes_when_nothing_is_tried(stage: Stage) -> None:
    stage.troupe.plays["one"] = NOT_FOUND
    worker = stage.worker()
    stage.accept(worker, server())
    assert await worker.settled() is NOT_FOUND
    await later(100)
    worker.life.next_retry_at = datetime(2036, 1, 1, tzinfo=UTC)  # as it was said when the clock was ten years ahead
    worker.jumped(slept=False)
    seconds = (worker.life.next_retry_at - datetime.now(UTC)).total_seconds()
    assert seconds == pytest.approx(REPROBE - 100, abs=5)
    await later(REPROBE - 101)
    assert len(stage.troupe.times["one"]) == 1
    await later(2)
    assert len(stage.troupe.times["one"]) == 2


async def test_a_clock_that_is_set_over_and_over_costs_no_more_than_pings(stage: Stage) -> None:
    worker = await serving(stage)
    for _ in range(100):
        worker.jumped(slept=True)
        worker.jumped(slept=False)
    await later(1)
    assert stage.said == ["open one", "ready one"]
    assert stage.troupe.last.asked.count("ping") <= 2
