"""A pause as a value: in words, as it is kept, and how long it may last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.model.pause import LONGEST, Pause, lasting, pause_of
from tests.requirements import requirement

pytestmark = requirement("LIVE-2:pause")

SINCE = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
EIGHT_HOURS = timedelta(hours=8)


def test_it_says_who_since_when_and_until_when() -> None:
    pause = Pause("jo@desk", SINCE, SINCE + EIGHT_HOURS)
    assert str(pause) == "paused by jo@desk since 2026-11-21T12:00:00Z until 2026-11-21T20:00:00Z"
    assert pause.begun == "paused by jo@desk until 2026-11-21T20:00:00Z"
    assert str(Pause("jo", SINCE)) == "paused by jo since 2026-11-21T12:00:00Z"
    assert Pause("jo", SINCE).begun == "paused by jo"


@pytest.mark.parametrize("until", [None, SINCE + EIGHT_HOURS])
def test_what_is_kept_of_it_is_the_same_pause_again(until: datetime | None) -> None:
    pause = Pause("jo@desk", SINCE, until)
    kept = pause.to_json()
    assert kept["since"] == "2026-11-21T12:00:00.250Z"
    assert kept["until"] == ("2026-11-21T20:00:00.250Z" if until else None)
    assert pause_of(kept["who"] or "", kept["since"] or "", kept["until"]) == pause


@pytest.mark.parametrize(
    ("written", "length"),
    [("8h", EIGHT_HOURS), ("1.5m", timedelta(seconds=90)), ("20ms", timedelta(milliseconds=20)), ("8784h", LONGEST)],
)
def test_it_lasts_as_durations_are_written(written: str, length: timedelta) -> None:
    assert lasting(written) == length


@pytest.mark.parametrize(
    ("written", "why"),
    [
        *((text, "must be a number with ms, s, m or h") for text in ("8", "", "h", "-1h", "8 h", "8d", "8h\n", "١h")),
        *((text, "more than nothing, and at most 366 days") for text in ("0s", "0.000ms", "8785h", "999999999h")),
    ],
)
def test_what_is_no_such_duration_is_said_to_be_none(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        lasting(written)
