"""A server of the status document that no engine runs any more: what was so of its session is so no longer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GONE = {"pid": None, "instance": None, "nextRetryAt": None, "toolCount": None, "health": "Missing"}
_STAYS = ("Approved", "Synced", "Paused")
_OF_WORKERS = ("Ready", "Reconciling", "Stalled")


def at_rest(row: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """One member of `servers` without an engine, and why it is down; a server that is off stays as it is."""
    if not row["enabled"]:
        return dict(row)
    conditions = [_over(each) for each in row.get("conditions", ()) if each["type"] in _STAYS + _OF_WORKERS]
    return {**row, **_GONE, "status": "disconnected", "conditions": conditions, "reason": reason}


def _over(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Since when it is false is known where it was so before."""
    if condition["type"] in _STAYS:
        return dict(condition)
    since = condition["lastTransitionTime"] if condition["status"] == "False" else None
    return {**condition, "status": "False", "reason": "NoEngine", "message": "", "lastTransitionTime": since}
