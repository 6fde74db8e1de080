"""What is known of a server's sessions, and an ending in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.engine.backoff import CRASH_LOOP
from reconciler.engine.life import Life, end_of, word_of, words_of
from reconciler.sessions.hub import Slot
from reconciler.sessions.session import End, SessionError
from tests.requirements import requirement


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (None, "the session ended"),
        (End("it exited with status 1"), "it exited with status 1"),
        (End("it exited", stderr=("", "  ", "\n")), "it exited"),
        (End("it exited", stderr=("a", "", "b", "c", "d")), "it exited; its last words: d"),
        (End("It exited.", stderr=("a" * 500,)), f"It exited; its last words: {'a' * 304}"),
        (
            End("It sent a line of more than 9 bytes.", stderr=("BrokenPipeError",), ours=True),
            "It sent a line of more than 9 bytes",
        ),
    ],
)
def test_an_ending_is_a_sentence_with_the_last_words(end: End | None, words: str) -> None:
    assert words_of(end) == words


def test_a_session_that_failed_ends_with_what_its_failure_says() -> None:
    failure = SessionError("HTTP 429", terminal=True, retry_after=3.0)
    assert end_of(failure) == End("HTTP 429", terminal=True, retry_after=3.0)
    assert end_of(None) == End("the session ended")


@requirement("LIVE-2:reasons")
def test_a_crash_loop_says_how_often() -> None:
    life, slot = Life(phase="Backoff", reason="It exited with status 3", failures=CRASH_LOOP), Slot()
    assert word_of(life, slot, None) == ("error", "It exited with status 3")
    life.failures += 1
    assert word_of(life, slot, None) == ("error", "It exited with status 3 (6 times in a row)")


def test_failures_are_counted() -> None:
    life, failure = Life(), SessionError("no")
    assert life.count_failure(failure, 100.0, 0.5).seconds == 0.0
    assert life.count_failure(failure, 100.0, 0.5).seconds == 0.25
    assert (life.failures, life.next_at, life.failure) == (2, 100.25, failure)
    assert life.next_retry_at is not None


def test_failures_are_forgotten() -> None:
    life = Life(failures=3, next_at=5.0, next_retry_at=datetime.now(UTC), failed_spec="one", restarts=2)
    life.forget_failures()
    assert (life.failures, life.next_at, life.next_retry_at, life.failed_spec) == (0, 0.0, None, None)
    assert life.restarts == 2
