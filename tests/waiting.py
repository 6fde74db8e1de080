"""Waits for what nothing tells of, as when a process comes or goes: it is looked for again and again, up to a deadline.

Whatever is told of, by an event, a line or an answer, is waited for there.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

PAUSE = 0.01


def becomes_true(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (done := holds()) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    return done


async def come_true(holds: Callable[[], bool], seconds: float) -> None:
    """Return once it is true. Raises TimeoutError after so many seconds."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 nothing tells
            await anyio.sleep(PAUSE)
