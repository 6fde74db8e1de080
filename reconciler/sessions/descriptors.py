"""The limit of open files: ours is raised as far as the system allows, and our servers get the one we were given.

A session takes four descriptors, and 1024 is what most systems give. A program that closes all it may have, or that
still calls select(2), fares badly with more than it was built for.
"""

from __future__ import annotations

import resource
from contextlib import suppress

MACOS_LIMIT = 10_240
"""What may be asked for where the system calls its hard limit infinite and refuses that (OPEN_MAX of macOS)."""

_given: list[int] = []


def raise_limit() -> None:
    """Raise our soft limit to the hard one (setrlimit(2), RLIMIT_NOFILE), for good. A refusal leaves it as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard or _given:
        return
    for wanted in (hard, MACOS_LIMIT):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            _given.append(soft)
            return


def limit_to_hand_on() -> int | None:
    """The soft limit that a server is to have; None when it is ours."""
    return _given[0] if _given else None
