"""Which lists of a server may have changed, and when each may be read again: a storm costs one reading now and then."""

from __future__ import annotations

import asyncio
import math
import random

from reconciler.sessions.listing import KINDS

RELIST_SECONDS = 600.0
"""All lists are read again after this time where a server can tell of changes: it may do so wrongly."""

UNTOLD_SECONDS = 60.0
"""The same, +-10 %, where it cannot: servers over HTTP need not offer a stream, and streams break."""

REFRESH_SECONDS = 2.0
"""Each list is read again at most once in this time, however often a server says that it changed."""

REPEAT_SECONDS = 10.0
"""A list that could not be read is asked for again after this time."""


STORM, REMEMBERED = 20, 60.0
"""More changes told within REFRESH_SECONDS are a storm, and so long afterwards it is still spoken of."""


class Stale:
    """Lists by kind: tools, prompts, resources (with their templates). Used from one event loop."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._next = dict.fromkeys(KINDS, -math.inf)
        self._all_read, self._heard, self._untold = -math.inf, False, UNTOLD_SECONDS
        self._marked = asyncio.Event()
        self._hurried = False
        self._told, self._told_since = 0, -math.inf
        self._storm, self._storm_until = 0, -math.inf

    def mark(self, kind: str) -> None:
        """The server said that this list changed."""
        self._kinds.add(kind)
        self._marked.set()
        now = asyncio.get_running_loop().time()
        if now - self._told_since >= REFRESH_SECONDS:
            self._told, self._told_since = 0, now
        self._told += 1
        if self._told > STORM:
            self._storm, self._storm_until = self._told, now + REMEMBERED

    @property
    def storm(self) -> int:
        """How many changes were told within REFRESH_SECONDS when it was too many, of late; else 0."""
        return self._storm if asyncio.get_running_loop().time() < self._storm_until else 0

    def hurry(self) -> None:
        """Whoever waits for what is due goes on at once."""
        self._hurried = True
        self._marked.set()

    async def due(self, until: float) -> frozenset[str]:
        """The lists to read now, as soon as there are any; empty at `until`, in loop time. They count as read."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            due = frozenset(kind for kind in self._kinds if self._next[kind] <= now)
            if due or self._hurried or now >= until:
                self._hurried = False
                self.read(due)
                return due
            self._marked.clear()
            wake = min([until, *(self._next[kind] for kind in self._kinds)])
            try:
                async with asyncio.timeout_at(wake):  # wait_for loses a cancellation that comes with the event
                    await self._marked.wait()
            except TimeoutError:
                pass

    def all_read(self, *, hears: bool) -> None:
        """All lists are read from now on; `hears` is whether a change that comes from now on could be told."""
        self._all_read, self._heard = asyncio.get_running_loop().time(), hears
        self._untold = UNTOLD_SECONDS * random.uniform(0.9, 1.1)

    def all_due(self, *, hears: bool) -> float:
        """When to read them all again, in loop time, whatever was told. `hears` is whether a change can be told now:
        a stream that was there before too has been there all the time, or its return has marked the lists."""
        return self._all_read + (RELIST_SECONDS if hears and self._heard else self._untold)

    def read(self, kinds: frozenset[str]) -> None:
        """These lists are read now."""
        self._kinds -= kinds
        self._next.update(dict.fromkeys(kinds, asyncio.get_running_loop().time() + REFRESH_SECONDS))

    def not_read(self, kinds: frozenset[str]) -> None:
        """These lists could not be read: they are due once more, and not at once."""
        self._kinds |= kinds
        self._next.update(dict.fromkeys(kinds, asyncio.get_running_loop().time() + REPEAT_SECONDS))
