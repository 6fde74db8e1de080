"""Standard input and output as lines on the event loop: pipes, sockets, terminals and files alike."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable

MAX_LINE = 4 * 1024 * 1024
_CHUNK = 64 * 1024
_MUCH = 8 * 1024 * 1024


async def lines(descriptor: int, limit: int = MAX_LINE) -> AsyncGenerator[bytes | None, None]:
    """Every line without its end, until the end of the input; None for one that is longer than `limit` bytes."""
    buffer, searched, too_long = bytearray(), 0, False
    while data := await _read(descriptor):
        buffer += data
        while (end := buffer.find(b"\n", searched)) >= 0:
            line = bytes(memoryview(buffer)[:end])
            del buffer[: end + 1]
            searched = 0
            yield None if too_long or end > limit else line
            too_long = False
        if too_long or len(buffer) > limit:
            too_long = True
            buffer.clear()
        searched = len(buffer)


async def _read(descriptor: int) -> bytes:
    """What is there, as soon as something is; nothing at the end of the input."""
    while True:
        await _readable(descriptor)
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:
            continue
        except OSError:  # a terminal that is gone
            return b""


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(descriptor, _settle, ready)
    except PermissionError:  # a file is always ready, and epoll(7) does not take it
        await asyncio.sleep(0)
        return
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Output:
    """Whole lines, in the order they were sent. `on_broken` is called once nobody reads them any more."""

    def __init__(self, descriptor: int, on_broken: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._queue = bytearray()
        self._room: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._broken = False
        if not os.isatty(descriptor):  # a terminal is shared with others, who do not expect it
            os.set_blocking(descriptor, False)

    async def send(self, line: bytes) -> None:
        """Send a line; waits while much of what was sent before is unread."""
        if self._broken:
            return
        waiting = bool(self._queue)
        self._queue += line
        self._queue += b"\n"
        if not waiting:
            self._flush()
        while len(self._queue) > _MUCH:
            self._room = self._room or self._loop.create_future()
            await asyncio.shield(self._room)

    async def flushed(self) -> None:
        """Return once everything that was sent is written, or nobody reads it any more."""
        while self._queue:
            self._room = self._room or self._loop.create_future()
            await asyncio.shield(self._room)

    def _flush(self) -> None:
        try:
            while self._queue:
                del self._queue[: os.write(self._descriptor, self._queue)]
        except BlockingIOError:
            self._loop.add_writer(self._descriptor, self._flush)
        except OSError:
            self._broken = True
            self._queue.clear()
            self._on_broken()
        if not self._queue:
            self._loop.remove_writer(self._descriptor)
        if self._room and len(self._queue) <= _MUCH:
            _settle(self._room)
            self._room = None
