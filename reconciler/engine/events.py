"""What happened, said once: to the records and to whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.store.records import Records

_BACKLOG = 1000
SERIES = timedelta(hours=1)
"""What happens again within this time is counted, whatever happened in between."""


def now_text() -> str:
    """The time for people and programs: UTC, ISO 8601, milliseconds."""
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Events:
    """The events of one project. A listener that does not keep up loses events, never the engine its time."""

    def __init__(self, records: Records, hide: Callable[[str], str], tell: Callable[[], None] = lambda: None) -> None:
        """`tell` is called with each."""
        self._tell = tell
        self._records = records
        self._hide = hide
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._followers: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self._writing: set[asyncio.Task[None]] = set()

    def say(self, kind: str, message: str, server: str | None = None) -> None:
        """Something happened: `kind` is one word, `message` a sentence without any secret that was handed out."""
        now = datetime.now(UTC)
        event = {"at": _text(now), "kind": kind, "server": server, "message": self._hide(message)}
        for queue in self._listeners:
            if queue.qsize() < _BACKLOG:
                queue.put_nowait(event)
        self._tell()
        task = asyncio.create_task(self._record(event, _text(now - SERIES)))
        self._writing.add(task)
        task.add_done_callback(self._written)

    async def _record(self, event: dict[str, Any], lately: str) -> None:
        """An event that cannot be recorded is told all the same, without an id."""
        id, count, since = None, 1, event["at"]
        try:
            what = (event["at"], event["kind"], event["server"], event["message"])
            id, count, since = await self._records.add_event(*what, lately)
        finally:
            recorded = {"id": id, **event, "count": count, "since": since}
            for queue in tuple(self._followers):
                if queue.qsize() >= _BACKLOG:
                    self._followers.discard(queue)
                    queue.put_nowait(None)
                else:
                    queue.put_nowait(recorded)

    def _written(self, task: asyncio.Task[None]) -> None:
        """What cannot be recorded must not stop anything."""
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
        """A queue of everything said from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    @asynccontextmanager
    async def follow(self) -> AsyncIterator[asyncio.Queue[dict[str, Any] | None]]:
        """A queue of everything recorded from now on, as the records have it, in order. None ends it for a follower
        that does not keep up: what it missed is in the records, from the last id it heard."""
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._followers.add(queue)
        try:
            yield queue
        finally:
            self._followers.discard(queue)

    async def flush(self) -> None:
        """Return when everything said so far is recorded."""
        await asyncio.gather(*self._writing, return_exceptions=True)
