"""How many servers are started at a time: a start counts until it is over, is only waiting, or took too long.

What bounds the starts is the work that they make, so a process that has come to rest (it is mute, or waits for the
network) makes room for another. How many come to rest at once is bounded too: they may all go on at the same moment.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque

from reconciler.sessions.processes import LINUX, children_of, stat_of

LOOK = 0.03
REST = 2
"""Looks, `LOOK` seconds apart, that find a process just as the look before: asleep, with no processor time used."""
RESTING = 7
"""For each start that counts, how many may have come to rest and not be over."""


def processes_at_a_time() -> int:
    """Two for each processor that is ours, and four at least: starting is reading files as much as computing."""
    ours = len(os.sched_getaffinity(0)) if LINUX else os.cpu_count() or 1
    return max(4, 2 * ours)


class Start:
    """One of them. `started` names its process, `end` says that it is over; both may be called again."""

    def __init__(self, starts: Starts) -> None:
        self._starts = starts
        self.timer: asyncio.TimerHandle | None = None
        self._pid: int | None = None
        self._seen: object = None
        self._alike = 0

    def started(self, pid: int) -> None:
        """The process is there: from now on it is looked at."""
        self._pid, self._seen, self._alike = pid, None, 0

    def end(self) -> None:
        """The start is over, however it ended."""
        self._starts.leave(self)

    def is_at_rest(self) -> bool:
        """Look at it once more. Always False where there is no process, or no /proc."""
        if self._pid is None:
            return False
        seen = _work_of(self._pid)
        self._alike = self._alike + 1 if seen is not None and seen == self._seen else 0
        self._seen = seen
        return self._alike >= REST


class Starts:
    """`count` starts at a time, each for at most `seconds`."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._seconds = seconds
        self._working: set[Start] = set()
        self._resting: set[Start] = set()
        self._queue: deque[asyncio.Future[Start]] = deque()
        self._looking: asyncio.TimerHandle | None = None

    async def begin(self) -> Start:
        """Wait for one's turn, first come, first served."""
        waiting: asyncio.Future[Start] = asyncio.get_running_loop().create_future()
        self._queue.append(waiting)
        self._admit()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                waiting.result().end()
            raise

    def leave(self, start: Start) -> None:
        """See Start.end."""
        if start.timer is not None:
            start.timer.cancel()
        self._working.discard(start)
        self._resting.discard(start)
        self._admit()

    def _admit(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue and len(self._working) < self._count:
            waiting = self._queue.popleft()
            if not waiting.done():
                start = Start(self)
                self._working.add(start)
                start.timer = loop.call_later(self._seconds, start.end)
                waiting.set_result(start)
        if self._queue and self._looking is None:
            self._looking = loop.call_later(LOOK, self._look)

    def _look(self) -> None:
        """While somebody waits: who is at rest makes room."""
        self._looking = None
        for start in tuple(self._working):
            if start.is_at_rest() and len(self._resting) < RESTING * self._count:
                self._working.discard(start)
                self._resting.add(start)
        self._admit()


def _work_of(pid: int) -> object:
    """What changes while a process, or one below it, works: None when one of them runs, or waits for a disk."""
    found: list[tuple[int, int]] = []
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        stat = stat_of(one)
        if stat is None or stat.state in "RD":
            return None
        found.append((one, stat.ticks))
        waiting += children_of(one)
    return found
