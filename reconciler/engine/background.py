"""Work of a project that nobody waits for: it goes on in the background, and is waited for at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from reconciler.store.refused import why_not_written


class Background:
    """The tasks of one project. `say` takes a kind and a sentence: that the disk refuses something is an event."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, work: Awaitable[None]) -> None:
        """Begin it now."""
        task = asyncio.create_task(self._kept(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, seconds: float) -> None:
        """Wait until all of it is done; what is not within so many seconds is broken off."""
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=seconds)
            for task in late:
                task.cancel()

    async def _kept(self, work: Awaitable[None]) -> None:
        try:
            await work
        except OSError as error:
            self._say("state", why_not_written(error))
