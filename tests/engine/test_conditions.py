"""Since when a condition is so, and what is so of the files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.engine.conditions import SOURCE, Fact, Transitions, source_facts
from reconciler.problems import Place, Problem
from tests.requirements import requirement

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
READY, DOWN = Fact("Ready", True, "Serving", ""), Fact("Ready", False, "Backoff", "it exited")
APPROVED, WAITS = Fact("Approved", True, "Accepted", ""), Fact("Approved", False, "WaitsForYes", "")
CLEAN = Fact("OutputClean", False, "LinesSkipped", "3 lines")


def times(
    at: Transitions, *facts: Fact, changed: datetime = T0, now: datetime, about: str = "a", generation: int = 1
) -> dict[str, str]:
    shown = at.shown(about, facts, generation=generation, changed=changed, now=now)
    return {each["type"]: each["lastTransitionTime"][11:19] for each in shown}


@requirement("LIVE-1:conditions")
def test_each_keeps_its_time_until_it_is_another() -> None:
    at = Transitions()
    assert times(at, READY, APPROVED, now=T0 + 5 * SECOND) == {"Ready": "12:00:00", "Approved": "12:00:00"}
    again = Fact("Ready", True, "Serving", "the new version failed")
    assert times(at, again, APPROVED, now=T0 + 9 * SECOND) == {"Ready": "12:00:00", "Approved": "12:00:00"}
    down = T0 + 20 * SECOND
    expected = {"Ready": "12:00:20", "Approved": "12:00:00"}
    assert times(at, DOWN, APPROVED, changed=down, now=T0 + 30 * SECOND) == expected
    expected = {"Ready": "12:00:20", "Approved": "12:00:40"}
    assert times(at, DOWN, WAITS, changed=down, now=T0 + 40 * SECOND) == expected


@requirement("LIVE-1:conditions")
def test_one_that_comes_is_so_from_then_on_and_one_that_went_begins_anew() -> None:
    at = Transitions()
    times(at, READY, now=T0)
    assert times(at, READY, CLEAN, now=T0 + 7 * SECOND) == {"Ready": "12:00:00", "OutputClean": "12:00:07"}
    times(at, READY, now=T0 + 8 * SECOND)
    assert times(at, READY, CLEAN, now=T0 + 9 * SECOND) == {"Ready": "12:00:00", "OutputClean": "12:00:09"}
    at.forget("a")
    assert times(at, READY, changed=T0 + 9 * SECOND, now=T0 + 9 * SECOND) == {"Ready": "12:00:09"}


@requirement("LIVE-1:conditions")
def test_after_a_restart_what_is_still_so_has_been_so_all_the_time() -> None:
    before, after = Transitions(), Transitions()
    shown = before.shown("a", [READY, APPROVED], generation=3, changed=T0, now=T0)
    unknown = {"type": "Odd", "status": "True", "lastTransitionTime": None}
    report = {"servers": [{"id": "a", "conditions": [*shown, unknown]}, {"id": "b"}], "source": {}}
    after.remember(report)
    began = T0 + 60 * SECOND
    found = times(after, DOWN, APPROVED, changed=began, now=began + SECOND)
    assert found == {"Ready": "12:01:00", "Approved": "12:00:00"}
    after.remember(None)
    after.remember({})


@requirement("LIVE-1:conditions")
def test_a_condition_says_which_generation_was_seen() -> None:
    [shown] = Transitions().shown("a", [DOWN], generation=41, changed=T0, now=T0)
    assert shown == {
        "type": "Ready",
        "status": "False",
        "reason": "Backoff",
        "message": "it exited",
        "observedGeneration": 41,
        "lastTransitionTime": "2026-11-21T12:00:00.000Z",
    }


def wrong(detail: str, place: Place | None = None) -> Problem:
    return Problem("error", "x", "X", detail, place)


@requirement("LIVE-1:source-conditions")
def test_what_is_wrong_with_the_files_is_said_with_its_place() -> None:
    at, warning = Place("reconciler.yaml", 8, 16), Problem("warning", "w", "W", "not nice")
    cases: list[tuple[tuple[Any, ...], Fact, Fact]] = [
        (([warning], None, 3), Fact("SourceValid", True, "Valid", ""), Fact("ServingLastGood", False, "Valid", "")),
        (
            ([warning, wrong("no such field", at), wrong("more")], "the file has errors", 3),
            Fact("SourceValid", False, "HasErrors", "reconciler.yaml:8:16: no such field (and 1 more)"),
            Fact(
                "ServingLastGood",
                True,
                "HasErrors",
                "serial 3 goes on: reconciler.yaml:8:16: no such field (and 1 more)",
            ),
        ),
        (
            ([], "reconciler.yaml:3:1: it has conflict markers", 3),
            Fact("SourceValid", False, "NotBelieved", "reconciler.yaml:3:1: it has conflict markers"),
            Fact(
                "ServingLastGood",
                True,
                "NotBelieved",
                "serial 3 goes on: reconciler.yaml:3:1: it has conflict markers",
            ),
        ),
        (
            ([wrong("unreadable")], None, 0),
            Fact("SourceValid", False, "HasErrors", "unreadable"),
            Fact("ServingLastGood", False, "NothingApplied", ""),
        ),
    ]
    for given, valid, last_good in cases:
        assert list(source_facts(*given)) == [valid, last_good]
    assert SOURCE == ""
