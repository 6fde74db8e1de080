"""An event as a line: when, whose, what, and how often since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reconciler.faces.cli.event_text import event_line
from reconciler.faces.cli.paint import Painter
from tests.requirements import requirement

EVENT = {"id": 7, "kind": "down", "server": "github", "message": "it exited\nwith status 1", "count": 1}


@requirement("OPS-1:event-series")
def test_a_series_says_how_often_and_since_when() -> None:
    long_ago = datetime.now(UTC) - timedelta(days=3)
    at, since = (moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") for moment in (long_ago, long_ago - timedelta(1)))
    event = {**EVENT, "at": long_ago.isoformat(), "since": (long_ago - timedelta(1)).isoformat()}
    paint = Painter()
    assert event_line(event, paint) == f"{at}  github  it exited with status 1"
    assert (
        event_line({**event, "count": 13}, paint) == f"{at}  github  it exited with status 1  (13 times since {since})"
    )
