"""Times as people say them: how long ago something was."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.plan.render.words import ago


def ago_of(at: str) -> str:
    """`2 m ago` for an ISO time."""
    return ago(datetime.fromisoformat(at), datetime.now(UTC))
