"""observed.json: the last report of an engine, for `status` when none runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.store.files import write_whole
from reconciler.store.state_dir import StateDir


def read_observed(state: StateDir) -> dict[str, Any] | None:
    """The last status document; None when there is none, or what is there is no such document."""
    try:
        report = json.loads(state.observed.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if _is_report(report) else None


def _is_report(report: object) -> bool:
    """Whether it has the shape that readers go by: an engine starts, and status answers, beside a damaged one too."""
    match report:
        case {"project": str(), "serial": int(), "pending": list(), "source": {"problems": list()}, "servers": rows}:
            return isinstance(rows, list) and all(map(_is_row, rows))
    return False


def _is_row(row: object) -> bool:
    match row:
        case {"id": str(), "enabled": bool(), "status": str(), "health": str(), "sync": str(), "conditions": facts}:
            return isinstance(facts, list) and all(map(_is_condition, facts))
    return False


def _is_condition(fact: object) -> bool:
    match fact:
        case {"type": str(), "status": str(), "lastTransitionTime": str() | None}:
            return True
    return False


def write_observed(state: StateDir, report: Mapping[str, Any]) -> None:
    """Replace the report. ASCII only: what servers say of themselves may hold halves of characters."""
    write_whole(state.observed, json.dumps(report), mode=0o600)
