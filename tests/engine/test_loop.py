"""A worker drives its server towards what is accepted, whatever happens meanwhile; time jumps, sessions are puppets."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.engine.backoff import CRASH_LOOP_CAP, REPROBE, STABLE
from reconciler.engine.life import word_of
from reconciler.engine.loop import Worker
from reconciler.engine.rivals import ONE_AT_A_TIME
from reconciler.model.server import Server, Uplink
from reconciler.sessions.session import DeadlineExceeded, End, SessionError
from tests.clock import JUMPING
from tests.engine.stage import ONE, Stage, later, serving, settled
from tests.requirements import requirement
from tests.sessions.puppets import server

pytestmark = pytest.mark.anyio

BROKEN = SessionError("It exited with status 3.", code="ended")
NOT_FOUND = SessionError('"x" was not found in PATH.', terminal=True, code="command-not-found")
TAKEN = SessionError("it exited with status 1: Address already in use", code="ended")
TWO, THREE = server(spec="two"), server(spec="three")
RECREATED = server(spec="two", strategy="recreate")


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


def now() -> float:
    return asyncio.get_running_loop().time()


# Making it so


async def test_an_accepted_server_gets_a_session(stage: Stage) -> None:
    worker = await serving(stage)
    assert stage.said == ["open one", "ready one"]
    assert (worker.life.phase, worker.life.reason, worker.life.ready_spec) == ("Ready", "", "one")
    assert stage.live().state == "ready"


async def test_nothing_happens_while_everything_is_as_accepted(stage: Stage) -> None:
    worker = await serving(stage)
    changes = stage.changes
    for _ in range(50):
        worker.wake()
        assert await settled(worker) is None
    await later(10_000)
    assert (stage.said, stage.changes) == (["open one", "ready one"], changes)


@requirement("APPLY-2:make-before-break")
async def test_the_new_session_is_ready_before_the_old_one_closes(stage: Stage) -> None:
    worker = await serving(stage)
    gate = stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    await later(5)
    assert (stage.live().server.spec, worker.life.phase) == ("one", "Connecting")
    gate.set()
    assert await settled(worker) is None
    assert stage.live().server.spec == "two"
    await later(1)
    assert stage.said == ["open one", "ready one", "open two", "ready two", "close one"]


@requirement("APPLY-2:make-before-break")
async def test_a_slow_call_in_flight_survives_the_switch_and_new_calls_go_to_the_new_one(stage: Stage) -> None:
    worker = await serving(stage)
    slow = asyncio.create_task(stage.call())
    await later(0)
    stage.accept(worker, TWO)
    assert await settled(worker) is None
    quick = asyncio.create_task(stage.call())
    stage.troupe.last.hold.set()
    assert await quick == "two"
    await later(5)
    assert not slow.done()
    stage.troupe.puppets[0].hold.set()
    assert await slow == "one"
    await later(1)
    assert stage.said[-1] == "close one"


async def test_a_change_of_policy_reaches_the_session_and_opens_none(stage: Stage) -> None:
    worker = await serving(stage)
    instance = stage.live()
    stage.accept(worker, server(spec="one", approval="never"))
    assert await settled(worker) is None
    assert stage.live() is instance
    assert instance.server.approval == "never"


async def test_recreate_stops_the_old_one_first_and_waits_until_it_is_gone(stage: Stage) -> None:
    worker = await serving(stage)
    slow = asyncio.create_task(stage.call())
    await later(0)
    stage.accept(worker, server(spec="two", strategy="recreate"))
    await later(3)
    assert (worker.life.phase, stage.hub.slot("a").live) == ("Draining", None)
    stage.troupe.puppets[0].hold.set()
    assert await slow == "one"
    assert await settled(worker) is None
    assert stage.said == ["open one", "ready one", "close one", "open two", "ready two"]


async def test_the_last_of_many_changes_is_what_serves(stage: Stage) -> None:
    worker = await serving(stage)
    for number in range(20):
        stage.accept(worker, server(spec=f"spec {number}"))
        await checkpoint()
    assert await settled(worker) is None
    assert stage.live().server.spec == "spec 19"
    await later(1)
    assert stage.troupe.inside == 1


async def test_a_change_that_is_taken_back_in_time_leaves_the_old_session_alone(stage: Stage) -> None:
    worker = await serving(stage)
    instance = stage.live()
    stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    await later(1)
    stage.accept(worker, ONE)
    assert await settled(worker) is None
    await later(1)
    assert stage.live() is instance
    assert stage.said == ["open one", "ready one", "open two", "close two"]


async def test_a_session_that_was_proven_for_what_is_wanted_no_more_never_serves(stage: Stage) -> None:
    worker = await serving(stage)
    gate = stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    await later(1)
    gate.set()
    opening = stage.hub.slot("a").opening
    assert opening is not None
    while opening.state != "ready":
        await checkpoint()
    stage.accepted["a"] = THREE
    assert await settled(worker) is None
    assert "ready two" not in stage.said
    assert stage.live().server.spec == "three"


# Failing


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_new_version_that_fails_leaves_the_old_one_serving(stage: Stage) -> None:
    worker = await serving(stage)
    instance = stage.live()
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, TWO)
    assert await settled(worker) is BROKEN
    assert stage.live() is instance
    assert (worker.life.failed_spec, worker.life.ready_spec) == ("two", "one")
    await later(1000)
    assert stage.live() is instance
    assert "close one" not in stage.said


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_new_version_that_works_at_last_takes_over(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, TWO)
    assert await settled(worker) is BROKEN
    stage.troupe.plays["two"] = None
    await later(100)
    assert stage.live().server.spec == "two"
    assert (worker.life.phase, worker.life.failed_spec, worker.life.failure) == ("Ready", None, None)
    assert await settled(worker) is None


@requirement("LIVE-2:backoff")
async def test_a_server_that_fails_is_tried_again_at_once_and_then_with_growing_pauses(stage: Stage) -> None:
    stage.troupe.plays["one"] = BROKEN
    worker = stage.worker()
    stage.accept(worker, ONE)
    await later(2000)
    assert stage.troupe.waits("one")[:12] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]
    assert set(stage.troupe.waits("one")[12:]) == {CRASH_LOOP_CAP}
    assert (worker.life.phase, worker.life.reason) == ("Backoff", "It exited with status 3")
    assert worker.life.next_retry_at is not None


@requirement("LIVE-2:backoff")
async def test_what_will_not_change_by_itself_is_looked_at_again_every_five_minutes(stage: Stage) -> None:
    stage.troupe.plays["one"] = NOT_FOUND
    worker = stage.worker()
    stage.accept(worker, ONE)
    assert await settled(worker) is NOT_FOUND
    assert worker.life.phase == "Stalled"
    await later(1000)
    assert stage.troupe.waits("one") == [REPROBE, REPROBE, REPROBE]


@requirement("LIVE-2:reasons")
async def test_a_start_that_takes_long_says_so_with_what_was_printed_meanwhile(stage: Stage) -> None:
    stage.troupe.plays["one"] = BROKEN
    worker = stage.worker()
    stage.accept(worker, ONE)
    assert await settled(worker) is BROKEN
    gate = stage.troupe.plays["one"] = asyncio.Event()
    worker.restart()
    await later(2.9)
    assert (worker.life.phase, worker.life.reason) == ("Connecting", "It exited with status 3")
    await later(0.2)
    assert (worker.life.phase, worker.life.reason) == ("Connecting", "it has been starting for more than 3 s of 30 s")
    stage.words = "its last words: waiting for the database"
    await later(7)
    assert (
        worker.life.reason
        == "it has been starting for more than 10 s of 30 s; its last words: waiting for the database"
    )
    changes = stage.changes
    await later(9)
    assert stage.changes == changes
    gate.set()
    assert await settled(worker) is None
    assert (worker.life.phase, worker.life.reason) == ("Ready", "")


@requirement("LIVE-2:reasons")
async def test_while_an_old_version_comes_back_the_reason_is_that_of_the_new_one(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays |= {"two": NOT_FOUND, "one": asyncio.Event()}
    stage.accept(worker, RECREATED)
    assert await settled(worker) is NOT_FOUND
    await later(25)
    assert (worker.life.phase, worker.life.reason) == ("Stalled", NOT_FOUND.reason)


@requirement("LIVE-2:reasons")
async def test_each_failed_try_and_each_death_is_told_once(stage: Stage) -> None:
    stage.troupe.plays["one"] = BROKEN
    worker = stage.worker()
    stage.accept(worker, ONE)
    assert await settled(worker) is BROKEN
    assert (stage.failures, stage.ends) == ([BROKEN.reason], [])
    stage.troupe.plays["one"] = None
    worker.restart()
    assert await settled(worker) is None
    stage.troupe.last.die()
    await later(1)
    assert (len(stage.failures), len(stage.ends), stage.live().state) == (1, 1, "ready")


async def test_a_stalled_server_is_tried_at_once_when_it_changes_or_a_person_asks(stage: Stage) -> None:
    stage.troupe.plays |= {"one": NOT_FOUND, "two": NOT_FOUND}
    worker = stage.worker()
    stage.accept(worker, ONE)
    assert await settled(worker) is NOT_FOUND
    began = now()
    worker.retry_now()
    assert await settled(worker) is NOT_FOUND
    stage.accept(worker, TWO)
    assert await settled(worker) is NOT_FOUND
    assert (now(), [len(times) for times in stage.troupe.times.values()]) == (began, [2, 1])


@requirement("LIVE-2:backoff")
async def test_a_server_that_names_a_time_is_not_asked_before_it(stage: Stage) -> None:
    stage.troupe.plays["one"] = SessionError("HTTP 503", retry_after=120.0)
    worker = stage.worker()
    stage.accept(worker, ONE)
    await later(1000)
    assert stage.troupe.waits("one")[:4] == [120.0, 120.5, 121.0, 122.0]


@requirement("LIVE-2:backoff")
async def test_a_session_that_dies_is_replaced_at_once(stage: Stage) -> None:
    worker = await serving(stage)
    died = now()
    stage.troupe.last.die()
    await later(0.001)
    assert stage.live().state == "ready"
    assert stage.said == ["open one", "ready one", "close one", "down one", "open one", "ready one"]
    assert stage.troupe.times["one"][1] == died
    assert (worker.life.restarts, worker.life.phase) == (1, "Ready")


async def test_the_reason_of_a_death_holds_the_last_words(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["one"] = asyncio.Event()
    stage.troupe.last.die()
    await later(1)
    assert worker.life.reason == "it exited with status 1; its last words: last words"
    assert worker.life.phase == "Connecting"
    assert stage.ends == [End("it exited with status 1", 1, ("one", "two", "last words"))]


@requirement("LIVE-2:backoff")
async def test_a_server_that_dies_whenever_it_is_ready_is_started_ever_more_rarely(stage: Stage) -> None:
    stage.troupe.short_lived.add("one")
    worker = stage.worker()
    stage.accept(worker, ONE)
    await later(3600)
    waits = stage.troupe.waits("one")
    assert waits[:5] == [0.0, 0.5, 1.0, 2.0, 4.0]
    assert len(waits) < 25
    assert waits[-1] == CRASH_LOOP_CAP
    assert worker.life.restarts == len(waits) + 1


@requirement("LIVE-2:backoff")
async def test_a_stable_minute_forgets_the_failures(stage: Stage) -> None:
    worker = await serving(stage)
    for _ in range(8):
        await later(STABLE + 1)
        stage.troupe.last.die()
        await later(0.001)
        assert worker.life.failures == 1
    assert stage.troupe.waits("one") == [pytest.approx(STABLE + 1, abs=0.01)] * 8


async def test_a_death_that_will_not_mend_by_itself_stalls(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.last.die(End("HTTP 401", terminal=True))
    await later(REPROBE - 1)
    assert (worker.life.phase, len(stage.troupe.times["one"])) == ("Stalled", 1)
    await later(2)
    assert stage.live().state == "ready"


async def test_a_session_that_answers_no_ping_is_replaced(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.last.answers["ping"] = DeadlineExceeded("No answer to ping within 15 s.")
    await later(100)
    assert stage.ends == [End("no answer to 3 pings")]
    assert (worker.life.restarts, stage.live().state) == (1, "ready")


# Falling back


@requirement("APPLY-2:failed-change-keeps-old")
async def test_while_the_new_version_fails_a_dead_one_comes_back_as_it_was_ready_last(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, TWO)
    assert await settled(worker) is BROKEN
    await later(10)
    died = now()
    stage.troupe.last.die()
    await later(0.001)
    assert stage.live().server.spec == "one"
    assert stage.troupe.times["one"][1] == died
    assert (worker.life.ready_spec, worker.life.failed_spec, worker.life.failure) == ("one", "two", BROKEN)
    assert await settled(worker) is BROKEN
    stage.troupe.plays["two"] = None
    await later(100)
    assert stage.live().server.spec == "two"
    assert stage.troupe.inside == 1


async def test_a_death_of_the_old_version_counts_nothing_against_the_new_one(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, TWO)
    assert await settled(worker) is BROKEN
    await later(10)
    before = (worker.life.failures, worker.life.next_at)
    stage.troupe.last.die()
    await later(0.001)
    assert (worker.life.failures, worker.life.next_at) == before
    assert worker.life.restarts == 1


async def test_an_old_version_that_dies_while_the_new_one_is_proven_is_waited_for_by_nobody(stage: Stage) -> None:
    worker = await serving(stage)
    gate = stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    await later(1)
    stage.troupe.last.die()
    await later(1)
    assert (stage.hub.slot("a").live, worker.life.phase) == (None, "Connecting")
    assert worker.life.reason.startswith("it exited with status 1")
    gate.set()
    assert await settled(worker) is None
    assert stage.said == ["open one", "ready one", "open two", "close one", "down one", "ready two"]


@requirement("LIVE-2:backoff")
async def test_when_the_old_version_fails_too_both_are_tried_ever_more_rarely(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays |= {"one": BROKEN, "two": NOT_FOUND}
    stage.accept(worker, TWO)
    assert await settled(worker) is NOT_FOUND
    stage.troupe.last.die()
    await later(3600)
    assert len(stage.troupe.times["one"]) <= 15
    assert len(stage.troupe.times["two"]) <= 14
    assert (worker.life.phase, worker.life.failure) == ("Stalled", NOT_FOUND)


@requirement("LIVE-2:backoff")
async def test_an_old_version_that_dies_whenever_it_is_ready_is_not_started_all_the_time(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, TWO)
    assert await settled(worker) is BROKEN
    stage.troupe.short_lived.add("one")
    stage.troupe.last.die()
    await later(3600)
    assert len(stage.troupe.times["one"]) <= len(stage.troupe.times["two"]) + 2 <= 25


async def test_an_old_version_that_served_long_comes_back_each_time_it_dies(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = NOT_FOUND
    stage.accept(worker, TWO)
    assert await settled(worker) is NOT_FOUND
    for _ in range(5):
        await later(STABLE + 5)
        stage.troupe.last.die()
        await later(0.001)
        assert stage.live().server.spec == "one"


@requirement("APPLY-2:failed-change-keeps-old")
async def test_recreate_brings_the_old_one_back_when_the_new_one_fails(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = NOT_FOUND
    stage.accept(worker, server(spec="two", strategy="recreate"))
    assert await settled(worker) is NOT_FOUND
    await later(1)
    assert stage.live().server.spec == "one"
    assert stage.said == ["open one", "ready one", "close one", "open two", "close two", "open one", "ready one"]


@requirement("APPLY-2:recreate")
async def test_another_strategy_is_another_try_of_a_version_that_failed(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = TAKEN
    stage.accept(worker, TWO)
    assert str(await settled(worker)) == f"{TAKEN}; {ONE_AT_A_TIME}"
    stage.troupe.plays["two"] = None
    before = now()
    stage.accept(worker, RECREATED)
    assert await settled(worker) is None
    assert (now(), stage.live().server.spec, worker.life.failures) == (before, "two", 0)
    assert stage.said[-4:] == ["close two", "close one", "open two", "ready two"]


@requirement("APPLY-2:recreate")
async def test_a_try_beside_the_old_version_says_nothing_about_one_after_it(stage: Stage) -> None:
    worker = await serving(stage)
    gate = stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    await later(1)
    stage.accept(worker, RECREATED)
    await later(1)
    assert stage.said[-3:] == ["close two", "close one", "open two"]
    gate.set()
    assert await settled(worker) is None
    assert (stage.live().server.spec, stage.troupe.inside) == ("two", 1)


@requirement("APPLY-2:recreate")
@pytest.mark.parametrize("words", ["listen EADDRINUSE: :::3000", "database is locked", "the lock is held by pid 7"])
async def test_one_that_cannot_run_beside_the_old_one_hears_of_the_way_out(stage: Stage, words: str) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = SessionError(f"it exited with status 1: {words}", code="ended", retry_after=7.0)
    stage.accept(worker, TWO)
    failure = await settled(worker)
    assert failure is not None
    assert (str(failure), failure.retry_after) == (f"it exited with status 1: {words}; {ONE_AT_A_TIME}", 7.0)


@pytest.mark.parametrize("words", ["it is blocked", "the clock is wrong", "it exited with status 3"])
async def test_other_troubles_are_not_said_to_be_of_that_kind(stage: Stage, words: str) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = SessionError(words, code="ended")
    stage.accept(worker, TWO)
    assert str(await settled(worker)) == words


@pytest.mark.parametrize("recreated", [True, False])
async def test_nobody_is_told_to_recreate_where_that_is_done_or_nothing_serves(stage: Stage, recreated: bool) -> None:
    worker = await serving(stage) if recreated else stage.worker()
    stage.troupe.plays["two"] = TAKEN
    stage.accept(worker, RECREATED if recreated else TWO)
    assert await settled(worker) is TAKEN


@requirement("APPLY-2:recreate")
async def test_what_serves_is_not_stopped_again_and_again_for_a_version_that_fails(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(10_000)
    assert (stage.live().server.spec, len(stage.troupe.times["two"])) == ("one", 1)
    assert (worker.life.phase, worker.life.next_retry_at) == ("Stalled", None)
    assert word_of(worker.life, stage.hub.slot("a"), None) == (
        "connected",
        f"the new version failed, the old one serves: {BROKEN.reason}; "
        "a change or `reconciler restart a` has it tried again",
    )
    worker.wake()
    assert await settled(worker) is BROKEN


@requirement("APPLY-2:recreate")
async def test_a_person_or_a_change_has_it_tried_once_more(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays |= {"two": BROKEN, "three": BROKEN}
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(100)
    worker.restart()
    assert await settled(worker) is BROKEN
    await later(100)
    assert (stage.live().server.spec, len(stage.troupe.times["two"])) == ("one", 2)
    stage.accept(worker, server(spec="three", strategy="recreate"))
    assert await settled(worker) is BROKEN
    await later(100)
    stage.troupe.plays["two"] = None
    stage.accept(worker, RECREATED)
    assert await settled(worker) is None
    assert stage.live().server.spec == "two"


@requirement("APPLY-2:recreate")
async def test_when_the_old_one_served_long_and_dies_it_comes_back_at_once(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(STABLE + 1)
    stage.troupe.last.die()
    await later(0.001)
    assert (stage.live().server.spec, len(stage.troupe.times["two"])) == ("one", 1)
    assert (worker.life.phase, worker.life.next_retry_at) == ("Stalled", None)


@requirement("APPLY-2:recreate")
async def test_when_the_old_one_does_not_last_the_new_one_is_tried_again(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(1)
    stage.troupe.plays["two"] = None
    stage.troupe.last.die()
    await later(300)
    assert stage.live().server.spec == "two"


@requirement("APPLY-2:recreate", "LIVE-2:backoff")
async def test_when_neither_version_starts_both_are_tried_with_growing_pauses(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays |= {"one": BROKEN, "two": BROKEN}
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(3600)
    assert 10 < len(stage.troupe.times["two"]) < 25
    stage.troupe.plays["two"] = None
    await later(CRASH_LOOP_CAP + 1)
    assert stage.live().server.spec == "two"


@requirement("APPLY-2:recreate", "LIVE-2:backoff")
async def test_an_old_one_that_dies_at_once_and_a_new_one_that_fails_cost_little(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = BROKEN
    stage.troupe.short_lived.add("one")
    stage.accept(worker, RECREATED)
    assert await settled(worker) is BROKEN
    await later(3600)
    assert len(stage.troupe.times["one"]) <= len(stage.troupe.times["two"]) + 1 <= 25


async def test_a_change_during_the_way_back_is_what_is_tried(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays |= {"two": NOT_FOUND, "one": asyncio.Event()}
    stage.accept(worker, TWO)
    assert await settled(worker) is NOT_FOUND
    stage.troupe.last.die()
    await later(1)
    assert stage.hub.slot("a").opening is not None
    stage.accept(worker, THREE)
    assert await settled(worker) is None
    assert stage.live().server.spec == "three"
    await later(1)
    assert stage.troupe.inside == 1


async def test_taking_the_change_back_while_the_old_version_returns_needs_no_further_session(stage: Stage) -> None:
    worker = await serving(stage)
    stage.troupe.plays["two"] = NOT_FOUND
    stage.accept(worker, TWO)
    assert await settled(worker) is NOT_FOUND
    stage.troupe.last.die()
    await later(1)
    instance = stage.live()
    stage.accept(worker, ONE)
    assert await settled(worker) is None
    assert stage.live() is instance
    assert (worker.life.phase, worker.life.failed_spec) == ("Ready", None)


# Closing


@requirement("LIVE-2:no-orphans")
@pytest.mark.parametrize("wanted", [server(enabled=False), server(transport=Uplink()), None])
async def test_what_should_have_no_session_of_ours_has_none(stage: Stage, wanted: Server | None) -> None:
    worker = await serving(stage)
    stage.accept(worker, wanted)
    assert await settled(worker) is None
    assert stage.troupe.inside == 0
    phase = "Closed" if wanted is None else "Pending" if wanted.enabled else "Disabled"
    assert (worker.life.phase, worker.life.ready_spec) == (phase, None)


@requirement("LIVE-2:no-orphans")
async def test_an_opening_is_given_up_with_its_server(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays["one"] = asyncio.Event()
    stage.accept(worker, ONE)
    await later(1)
    stage.accept(worker, server(enabled=False))
    assert await settled(worker) is None
    assert stage.said == ["open one", "close one"]


async def test_a_server_is_settled_only_when_its_last_call_has_ended(stage: Stage) -> None:
    worker = await serving(stage)
    slow = asyncio.create_task(stage.call())
    await later(0)
    stage.accept(worker, server(enabled=False))
    waiting = asyncio.create_task(worker.settled())
    await later(3)
    assert (waiting.done(), worker.life.phase) == (False, "Draining")
    stage.troupe.last.hold.set()
    assert await slow == "one"
    with anyio.fail_after(60):
        assert await waiting is None


async def test_what_is_enabled_again_connects_while_the_old_session_still_finishes(stage: Stage) -> None:
    worker = await serving(stage)
    slow = asyncio.create_task(stage.call())
    await later(0)
    stage.accept(worker, server(enabled=False))
    await later(1)
    began = now()
    stage.accept(worker, ONE)
    assert await settled(worker) is None
    assert (now(), stage.live().state, slow.done()) == (began, "ready", False)
    stage.troupe.puppets[0].hold.set()
    assert await slow == "one"


async def test_a_disabled_server_stays_closed(stage: Stage) -> None:
    worker = stage.worker()
    stage.accept(worker, server(enabled=False))
    assert await settled(worker) is None
    await later(10_000)
    assert stage.said == []
    assert worker.life.phase == "Disabled"


@requirement("LIVE-2:no-orphans")
async def test_the_worker_of_a_deleted_server_leaves_and_its_successor_begins_anew(stage: Stage) -> None:
    worker = await serving(stage)
    stage.accept(worker, None)
    assert await settled(worker) is None
    await later(0)
    assert worker.done
    assert await settled(worker) is None
    worker = await serving(stage, TWO)
    assert stage.live().server.spec == "two"
    assert not worker.done


async def test_a_server_that_comes_back_before_its_worker_left_keeps_it(stage: Stage) -> None:
    worker = await serving(stage)
    slow = asyncio.create_task(stage.call())
    await later(0)
    stage.accept(worker, None)
    await later(1)
    stage.accept(worker, TWO)
    assert await settled(worker) is None
    assert not worker.done
    stage.troupe.puppets[0].hold.set()
    await slow


# Restarting


@requirement("APPLY-2:make-before-break")
async def test_a_restart_replaces_the_session_the_new_one_first(stage: Stage) -> None:
    worker = await serving(stage)
    old = stage.live()
    worker.restart()
    assert await settled(worker) is None
    assert stage.live() is not old
    await later(1)
    assert stage.said == ["open one", "ready one", "open one", "ready one", "close one"]


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_restart_that_fails_says_so_and_leaves_the_old_session(stage: Stage) -> None:
    worker = await serving(stage)
    old = stage.live()
    stage.troupe.plays["one"] = BROKEN
    worker.restart()
    assert await settled(worker) is BROKEN
    assert stage.live() is old
    assert await settled(worker) is None
    assert (worker.life.phase, worker.life.failed_spec) == ("Ready", None)
    await later(1000)
    assert len(stage.troupe.times["one"]) == 2


async def test_a_restart_while_it_connects_is_what_is_under_way(stage: Stage) -> None:
    worker = stage.worker()
    gate = stage.troupe.plays["one"] = asyncio.Event()
    stage.accept(worker, ONE)
    await later(1)
    worker.restart()
    gate.set()
    assert await settled(worker) is None
    assert len(stage.troupe.times["one"]) == 1


async def test_a_restart_brings_a_stalled_server_back(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays["one"] = NOT_FOUND
    stage.accept(worker, ONE)
    assert await settled(worker) is NOT_FOUND
    stage.troupe.plays["one"] = None
    worker.restart()
    assert await settled(worker) is None


# Waiting for it


@requirement("APPLY-2:no-call-dropped")
async def test_who_needs_a_session_waits_for_the_first_retry_and_no_further(stage: Stage) -> None:
    stage.troupe.plays["one"] = BROKEN
    worker = stage.worker()
    stage.accept(worker, ONE)
    with anyio.fail_after(0.1):
        await worker.served()
    assert (len(stage.troupe.times["one"]), worker.life.failures) == (2, 2)
    gate = stage.troupe.plays["one"] = asyncio.Event()
    await later(1)
    waiting = asyncio.create_task(worker.served())
    await later(5)
    assert not waiting.done()
    gate.set()
    with anyio.fail_after(0.1):
        await waiting
    assert stage.live().state == "ready"


@requirement("APPLY-2:no-call-dropped", "APPLY-2:recreate")
async def test_who_needs_a_session_waits_for_the_old_version_that_comes_back(stage: Stage) -> None:
    worker = await serving(stage)
    gate = stage.troupe.plays["one"] = asyncio.Event()
    stage.troupe.plays["two"] = BROKEN
    stage.accept(worker, RECREATED)
    waiting = asyncio.create_task(worker.served())
    assert await settled(worker) is BROKEN
    await later(1)
    assert not waiting.done()
    gate.set()
    with anyio.fail_after(0.1):
        await waiting
    assert await stage_call(stage) == "one"


@requirement("APPLY-2:no-call-dropped")
@pytest.mark.parametrize("wanted", [server(enabled=False), server(transport=Uplink()), None])
async def test_who_needs_a_session_where_none_will_come_does_not_wait(stage: Stage, wanted: Server | None) -> None:
    worker = await serving(stage)
    stage.accept(worker, wanted)
    assert await settled(worker) is None
    with anyio.fail_after(0.1):
        await worker.served()
    assert stage.hub.slot("a").live is None
    await worker.stop()
    with anyio.fail_after(0.1):
        await worker.served()


async def stage_call(stage: Stage) -> str:
    stage.troupe.last.hold.set()
    return await stage.call()


async def test_everybody_who_waits_hears_the_same(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays["one"] = BROKEN
    stage.accept(worker, ONE)
    with anyio.fail_after(60):
        assert await asyncio.gather(*(worker.settled() for _ in range(20))) == [BROKEN] * 20


async def test_a_failure_is_heard_also_when_the_next_try_succeeds_at_once(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays["one"] = BROKEN
    stage.accept(worker, ONE)
    waiting = asyncio.create_task(worker.settled())
    while worker.life.failures == 0:
        await checkpoint()
    stage.troupe.plays["one"] = None
    with anyio.fail_after(60):
        assert await waiting is BROKEN
    await later(1)
    assert await settled(worker) is None


async def test_a_failure_of_before_is_not_told_of_a_change_of_now(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays |= {"one": NOT_FOUND, "two": NOT_FOUND}
    for wanted in (ONE, TWO, ONE):
        stage.accept(worker, wanted)
        assert await settled(worker) is NOT_FOUND
    gate = stage.troupe.plays["two"] = asyncio.Event()
    stage.accept(worker, TWO)
    waiting = asyncio.create_task(worker.settled())
    await later(5)
    assert not waiting.done()
    gate.set()
    with anyio.fail_after(60):
        assert await waiting is None


async def test_a_change_that_nobody_has_looked_at_is_not_settled(stage: Stage) -> None:
    worker = await serving(stage)
    stage.accept(worker, server(enabled=False))
    waiting = asyncio.create_task(worker.settled())
    stage.accept(worker, TWO)
    with anyio.fail_after(60):
        assert await waiting is None
    assert stage.live().server.spec == "two"


async def test_who_stops_waiting_disturbs_nobody(stage: Stage) -> None:
    worker = stage.worker()
    gate = stage.troupe.plays["one"] = asyncio.Event()
    stage.accept(worker, ONE)
    impatient, patient = (asyncio.create_task(worker.settled()) for _ in range(2))
    await later(1)
    impatient.cancel()
    await later(0)
    gate.set()
    with anyio.fail_after(60):
        assert await patient is None


async def test_who_waits_for_a_worker_that_is_stopped_is_told(stage: Stage) -> None:
    worker = stage.worker()
    stage.troupe.plays["one"] = asyncio.Event()
    stage.accept(worker, ONE)
    waiting = asyncio.create_task(worker.settled())
    await later(1)
    await worker.stop()
    with anyio.fail_after(60):
        failure = await waiting
    assert failure is not None and failure.code == "stopped"


# Defects


async def test_a_defect_is_told_to_who_waits_and_the_worker_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = stage.worker()

    def defect(_: str) -> Server | None:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(stage, "wanted", defect)
        worker.wake()
        waiting = asyncio.create_task(_ask_without_looking(worker))
        with anyio.fail_after(60):
            failure = await waiting
    assert failure is not None
    assert (failure.code, str(failure)) == ("internal", "ZeroDivisionError: a defect")
    assert worker.life.phase == "Backoff"
    stage.accept(worker, ONE)
    assert await settled(worker) is None


async def _ask_without_looking(worker: Worker) -> SessionError | None:
    worker.wake()
    return await worker.settled()


async def test_a_worker_that_is_woken_in_the_moment_of_its_stop_stops(stage: Stage) -> None:
    worker = await serving(stage)
    await later(0)
    worker.wake()
    with anyio.fail_after(60):
        await worker.stop()
    assert worker.done
