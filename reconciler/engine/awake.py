"""Notices that the machine slept, or that its clock was set: by clocks that go apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

AHEAD = 30.0
"""So many seconds between two clocks are no mere correction."""
LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """Readings at one moment, in seconds: of the clock on the wall, which people and NTP set; of one that nobody sets
    and that goes on while the machine sleeps, where there is one; and of the loop's, which stands still then."""

    wall: float
    boot: float | None
    loop: float


@dataclass(frozen=True, slots=True)
class Jump:
    """What happened between two readings, as a sentence. Where the machine `slept`, nothing of before can be trusted
    to be there; that is also so where only the wall clock went ahead, as after a virtual machine was halted."""

    slept: bool
    words: str


def read_clocks() -> Clocks:
    """All of them, now."""
    boot = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None
    return Clocks(time.time(), boot, asyncio.get_running_loop().time())


def jump(before: Clocks, now: Clocks) -> Jump | None:
    """What happened in between; None where all clocks went alike."""
    here = now.loop - before.loop
    ahead = now.wall - before.wall - here
    slept = now.boot - before.boot - here if now.boot is not None and before.boot is not None else 0.0
    if slept >= AHEAD:
        return Jump(True, f"the machine slept for {timedelta(seconds=round(slept))}")
    if ahead >= AHEAD:
        return Jump(
            True, f"the clock is {timedelta(seconds=round(ahead))} ahead: the machine slept, or its clock was set"
        )
    if ahead <= -AHEAD:
        return Jump(False, f"the clock was set back by {timedelta(seconds=round(-ahead))}")
    return None


async def watch_clocks(jumped: Callable[[Jump], None], read: Callable[[], Clocks] = read_clocks) -> None:
    """Tell of every jump, until cancelled."""
    before = read()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = read()
        if (found := jump(before, now)) is not None:
            jumped(found)
        before = now
