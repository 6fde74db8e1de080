"""observed.json: the last report of an engine, for `status` when none runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.store.files import write_whole
from reconciler.store.state_dir import StateDir


def read_observed(state: StateDir) -> dict[str, Any] | None:
    """The last status document; None when there is none or it cannot be read."""
    try:
        report = json.loads(state.observed.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def write_observed(state: StateDir, report: Mapping[str, Any]) -> None:
    """Replace the report. ASCII only: what servers say of themselves may hold halves of characters."""
    write_whole(state.observed, json.dumps(report), mode=0o600)
