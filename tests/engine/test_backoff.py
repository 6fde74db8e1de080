"""How long to wait before the next try, as laws."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.engine.backoff import CRASH_LOOP, CRASH_LOOP_CAP, LONGEST_RETRY_AFTER, REPROBE, Wait, next_try
from tests.requirements import requirement

pytestmark = requirement("LIVE-2:backoff")

failures = st.integers(1, 10_000)
chances = st.floats(0, 1, exclude_max=True)


def test_the_first_retry_comes_at_once() -> None:
    assert next_try(1, 0.999) == Wait(0.0)


@pytest.mark.parametrize(
    ("failure", "at_most"),
    [(2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0), (6, 8.0), (9, 64.0), (11, 256.0), (12, 300.0), (10_000, 300.0)],
)
def test_the_wait_doubles_from_half_a_second(failure: int, at_most: float) -> None:
    assert next_try(failure, 1.0).seconds == at_most
    assert next_try(failure, 0.25).seconds == at_most / 4


def test_outside_of_a_crash_loop_no_wait_is_longer_than_four_seconds() -> None:
    assert max(next_try(failure, 1.0).seconds for failure in range(1, CRASH_LOOP + 1)) == 4.0


@given(failures, chances)
def test_every_wait_is_within_its_bounds_and_keeps_trying(failure: int, chance: float) -> None:
    wait = next_try(failure, chance)
    assert 0 <= wait.seconds <= CRASH_LOOP_CAP
    assert not wait.stalled


@given(failures, chances, chances)
def test_chance_spreads_the_waits_evenly(failure: int, one: float, other: float) -> None:
    first, second = (next_try(failure, chance).seconds for chance in (one, other))
    assert first * other == pytest.approx(second * one)


@given(failures, failures, chances)
def test_more_failures_never_wait_less(one: int, other: int, chance: float) -> None:
    few, many = sorted((one, other))
    assert next_try(few, chance).seconds <= next_try(many, chance).seconds


@given(failures, chances, st.floats(0, LONGEST_RETRY_AFTER))
def test_a_server_that_names_a_time_is_not_asked_before_it(failure: int, chance: float, asked: float) -> None:
    wait = next_try(failure, chance, retry_after=asked)
    assert wait.seconds == asked + next_try(failure, chance).seconds


@pytest.mark.parametrize(("asked", "seconds"), [(-5.0, 0.0), (1e9, LONGEST_RETRY_AFTER), (float("inf"), 3600.0)])
def test_a_time_that_nobody_can_mean_is_bounded(asked: float, seconds: float) -> None:
    assert next_try(1, 0.5, retry_after=asked) == Wait(seconds)


def test_a_server_that_always_says_now_is_not_asked_all_the_time() -> None:
    assert next_try(8, 1.0, retry_after=0.0).seconds == 32.0


@given(failures, chances)
def test_a_terminal_cause_is_looked_at_again_after_five_minutes(failure: int, chance: float) -> None:
    assert next_try(failure, chance, terminal=True) == Wait(REPROBE, stalled=True)


def test_a_terminal_cause_with_a_later_time_waits_for_that() -> None:
    assert next_try(1, 0.5, terminal=True, retry_after=900.0) == Wait(900.0, stalled=True)


def test_a_server_that_dies_at_once_is_started_few_times_in_a_minute() -> None:
    def starts(seed: int) -> int:
        chance, clock, count = random.Random(seed), 0.0, 0
        while clock < 60:
            count += 1
            clock += next_try(count, chance.random()).seconds
        return count

    counts = sorted(starts(seed) for seed in range(500))
    assert counts[250] <= 10
    assert counts[-1] <= 20
