"""A new version that cannot run beside the old one: known by its last words, and told the way out. Pure."""

from __future__ import annotations

import re

from reconciler.sessions.session import SessionError

ONE_AT_A_TIME = "if the two cannot run side by side, `strategy: recreate` stops the old one first"

_TAKEN = re.compile(
    r"EADDRINUSE|\balready (?:in use|running|locked|open|bound)\b|\bin use by another\b"
    r"|\b(?:acquire|get|obtain|take|hold|holds|has) (?:an? |the )?(?:\w+ )?lock\b|\bis locked\b"
    r"|\block ?file (?:exists|is held|is there)\b|\block is held\b|\bpid ?file\b",
    re.IGNORECASE,
)
"""What programs say of a port, a lock or a file that another process has."""


def with_way_out(failure: SessionError) -> SessionError:
    """The failure of a new version while the old one serves, with the way out where its words are of that kind."""
    if not _TAKEN.search(str(failure)):
        return failure
    words = f"{failure.reason}; {ONE_AT_A_TIME}"
    return SessionError(words, terminal=failure.terminal, retry_after=failure.retry_after, code=failure.code)
