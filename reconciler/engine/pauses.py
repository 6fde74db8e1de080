"""Which servers of a project are paused, and the end of such a pause. Kept in the records, never in the file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Container
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from reconciler.model.pause import Pause
from reconciler.store.pause_rows import PauseRows
from reconciler.store.records import Records

LOOK_SECONDS = 60.0
"""How often the clock on the wall is looked at: it may have gone on while this machine slept."""

_NEVER_EARLY = 0.001
"""Clocks are rounded: what is left of a pause after its time is never waited for in ever smaller pieces."""


def _now() -> datetime:
    return datetime.now(UTC)


class Pauses:
    """The pauses of one project, in memory as on the disk.

    One with an end is over by whichever clock says so first: that on the wall, which goes on while the engine is not
    there, or the engine's own, which nobody can set back.
    """

    def __init__(
        self,
        records: Records,
        say: Callable[[str, str, str], None],
        changed: Callable[[str], None],
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`say` takes a kind, a sentence and a server; `changed` is called with each server of which it is another."""
        self._rows = PauseRows(records)
        self._say = say
        self._changed = changed
        self._now = now
        self._pauses: dict[str, Pause] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}

    def of(self, server: str) -> Pause | None:
        """The pause of a server; None where it may run."""
        return self._pauses.get(server)

    def why(self, server: str) -> str | None:
        """Why nothing reaches a server, with the way out, for whoever asks something of it; None where it may run."""
        pause = self.of(server)
        return f'"{server}" is {pause}; `reconciler resume {server}` ends that' if pause else None

    async def start(self, servers: Container[str]) -> None:
        """Read them. What is over, or of a server that is gone, is forgotten. Raises sqlite3.Error."""
        for server, pause in (await self._rows.all()).items():
            self._begin(server, pause)
            if server not in servers:
                await self.forget(server)

    async def add(self, server: str, who: str, length: timedelta | None) -> Pause:
        """Keep a server from running, for so long or until somebody ends it; on the disk when this returns.

        A pause of before is replaced. Raises sqlite3.Error; then all is as it was. It goes on where the caller is
        cancelled.
        """
        return await asyncio.shield(asyncio.create_task(self._add(server, who, length)))

    async def end(self, server: str, who: str) -> bool:
        """The server may run again; False where it was not paused. Raises sqlite3.Error; then it stays paused."""
        return await asyncio.shield(asyncio.create_task(self._end(server, who)))

    async def _add(self, server: str, who: str, length: timedelta | None) -> Pause:
        since = self._now()
        pause = Pause(who, since, since + length if length is not None else None)
        await self._rows.set(server, pause)
        self._begin(server, pause)
        self._say("paused", pause.begun, server)
        self._changed(server)
        return pause

    async def _end(self, server: str, who: str) -> bool:
        pause = self.of(server)
        if pause is None:
            return False
        await self._rows.remove(server, pause)
        if self.of(server) is pause:
            self._over(server, f"resumed by {who}; it was {pause}")
        return True

    async def forget(self, server: str) -> None:
        """The server is gone, and so is its pause."""
        self._stop_waiting(server)
        pause = self._pauses.pop(server, None)
        if pause is not None:
            with suppress(sqlite3.Error):  # the next start forgets it
                await self._rows.remove(server, pause)

    async def close(self) -> None:
        """End nothing any more."""
        ends = list(self._ends.values())
        for server in tuple(self._ends):
            self._stop_waiting(server)
        await asyncio.gather(*ends, return_exceptions=True)

    def _begin(self, server: str, pause: Pause) -> None:
        self._stop_waiting(server)
        self._pauses[server] = pause
        if pause.until is not None:
            seconds = min(pause.until - self._now(), pause.until - pause.since).total_seconds()
            at = asyncio.get_running_loop().time() + seconds
            task = asyncio.create_task(self._wait(server, pause, pause.until, at), name=f"pause of {server}")
            self._ends[server] = task

    async def _wait(self, server: str, pause: Pause, until: datetime, at: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            left = min(at - loop.time(), (until - self._now()).total_seconds())
            if left <= 0:
                break
            await asyncio.sleep(min(left + _NEVER_EARLY, LOOK_SECONDS))
        del self._ends[server]  # from here on nobody breaks this off
        self._over(server, f"the pause is over; it was {pause}")
        with suppress(sqlite3.Error):  # its time is over all the same, also for the next start
            await self._rows.remove(server, pause)

    def _over(self, server: str, said: str) -> None:
        self._stop_waiting(server)
        self._pauses.pop(server, None)
        self._say("resumed", said, server)
        self._changed(server)

    def _stop_waiting(self, server: str) -> None:
        task = self._ends.pop(server, None)
        if task is not None:
            task.cancel()
