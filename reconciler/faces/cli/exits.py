"""The one table of exit codes, and the exception that ends a command with one of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """How a command ended; the same numbers for all commands."""

    DONE = 0
    SYSTEM = 1
    """Our or the system's error."""
    CHANGES = 2
    """Changes are present: asked for with `--exit-code` or `--check`."""
    INVALID = 3
    """The configuration is invalid, or there is none."""
    STALE = 4
    """The plan is stale, or something else is in the way."""
    PARTIAL = 5
    """Applied in part."""
    WAITING = 6
    """Blocked, or waiting for a yes."""
    BUSY = 7
    """Another process holds the state."""
    UNHEALTHY = 8
    """In sync but not healthy."""
    USAGE = 64
    INTERRUPTED = 130


class Stop(Exception):
    """A command ends here. `code` is a word for programs, `hint` the way out, `more` joins the JSON answer."""

    def __init__(
        self, exit_code: Exit, code: str, message: str, hint: str | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.hint = hint
        self.more = dict(more or {})

    def to_json(self) -> dict[str, Any]:
        """`{"error": {"code", "message", "hint"}}` and whatever else is known."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}, **self.more}


def stale(reasons: list[str]) -> Stop:
    """A plan that does not hold any more; each reason is a sentence."""
    hint = "make a new plan: `reconciler plan`"
    return Stop(Exit.STALE, "stale", f"the plan is stale: {'; '.join(reasons)}", hint, {"reasons": reasons})
