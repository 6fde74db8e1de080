"""What is so of a server once no engine runs it."""

from __future__ import annotations

from typing import Any

from reconciler.engine.at_rest import at_rest
from tests.requirements import requirement

T0, T1 = "2026-11-21T12:00:00.000Z", "2026-11-21T13:00:00.000Z"


def condition(type: str, status: str, reason: str, since: str = T0) -> dict[str, Any]:
    seen = {"observedGeneration": 3, "lastTransitionTime": since}
    return {"type": type, "status": status, "reason": reason, "message": "", **seen}


def row(*conditions: dict[str, Any], **facts: Any) -> dict[str, Any]:
    live = {"status": "connected", "health": "Healthy", "pid": 7, "instance": "ins-1", "nextRetryAt": None}
    return {"id": "a", "enabled": True, **live, "toolCount": 2, "reason": None, "conditions": [*conditions], **facts}


@requirement("LIVE-1:conditions")
def test_without_an_engine_nothing_is_ready_and_what_a_session_showed_is_gone() -> None:
    stays = [condition("Approved", "True", "Accepted"), condition("Synced", "True", "Applied")]
    showed = [condition("OutputClean", "False", "LinesSkipped"), condition("ToolsPinned", "True", "AsPinned")]
    down = at_rest(
        row(*stays, condition("Ready", "True", "Serving"), condition("Stalled", "False", "Ready", T1), *showed),
        "no engine runs",
    )
    ready, stalled = condition("Ready", "False", "NoEngine"), condition("Stalled", "False", "NoEngine", T1)
    assert down["conditions"] == [*stays, {**ready, "lastTransitionTime": None}, stalled]
    assert (down["status"], down["health"], down["reason"]) == ("disconnected", "Missing", "no engine runs")
    assert [down[each] for each in ("pid", "instance", "toolCount")] == [None] * 3


@requirement("LIVE-1:conditions")
def test_one_that_is_off_stays_as_it_is() -> None:
    off = row(condition("Ready", "False", "Disabled"), enabled=False, reason="disabled in the file")
    assert at_rest(off, "no engine runs") == off
