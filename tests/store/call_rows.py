"""The row of a call, for every test that needs one."""

from __future__ import annotations

from typing import Any

from reconciler.canonical import canonical
from reconciler.store.approval_rows import CallRow, State

AT = "2026-11-21T04:00:00.000Z"
LATER = "2026-11-21T12:00:00.000Z"


def row(state: State = "waiting", **arguments: Any) -> CallRow:
    """A call that was made at AT and may be answered until LATER."""
    return CallRow(
        id="call-1",
        server="a",
        tool="echo",
        arguments=canonical(arguments),
        hash="sha256:1",
        principal="an agent",
        spec="sha256:2",
        definition="sha256:3",
        created=AT,
        expires=LATER,
        state=state,
        changed=AT,
    )
