"""Event streams to clients: a bounded backlog each, and one clock that looks after all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from reconciler.faces.gateway.exchange import STREAM_HEADERS, Exchange, Header
from reconciler.faces.gateway.limits import Limits

_ALIVE = b": alive\n\n"


class EventStream:
    """Messages on their way to one client. `run` sends them until `end`, until the client goes, or until it stalls.

    `holds` says whether whoever opened it may still hear; it is asked again and again.
    """

    def __init__(
        self,
        exchange: Exchange,
        limits: Limits,
        holds: Callable[[], bool] = lambda: True,
        headers: Iterable[Header] = (),
    ) -> None:
        self.holds = holds
        self.over = False
        self.parting: bytes | None = None
        self._exchange = exchange
        self._limits = limits
        self._headers = [*STREAM_HEADERS, *headers]
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._spoke = self._loop.time()

    def put(self, message: bytes, *, needed: bool = True) -> bool:
        """Send one message. False when it is not going to arrive; one that is needed ends a stream without room."""
        if self.over:
            return False
        event = _event(message)
        if self._size + len(event) > self._limits.backlog and self._waiting:
            if needed:
                self.end()
            return False
        self._add(event)
        return True

    def last(self, message: bytes) -> None:
        """Send one more message, whatever its size, and end."""
        if not self.over:
            self._add(_event(message))
        self.end()

    def end(self) -> None:
        """Send what waits, and no more."""
        self.over = True
        self._wake.set()

    def finish(self) -> None:
        """End it because the gateway does: with the parting message, where there is one."""
        if self.parting is not None:
            self.last(self.parting)
        self.end()

    def look(self) -> None:
        """Say that it is alive after a silence; end it when whoever opened it may hear no more."""
        if not self.over and not self.holds():
            self._waiting.clear()
            self.end()
        elif not self.over and self._loop.time() - self._spoke >= self._limits.quiet and not self._waiting:
            self._add(_ALIVE)

    async def run(self) -> None:
        """Send until the end. A client that reads nothing for too long loses its connection."""
        start = {"type": "http.response.start", "status": 200, "headers": self._headers}
        await self._exchange.send(start)
        try:
            while not self.over or self._waiting:
                if not self._waiting:
                    await self._wake.wait()
                    self._wake.clear()
                    continue
                message = self._waiting.popleft()
                self._size -= len(message)
                async with asyncio.timeout(self._limits.stalled):
                    await self._send(message, more=True)
            async with asyncio.timeout(self._limits.stalled):
                await self._send(b"", more=False)
        except TimeoutError:
            self._waiting.clear()
        finally:
            self.over = True

    async def _send(self, data: bytes, *, more: bool) -> None:
        await self._exchange.send({"type": "http.response.body", "body": data, "more_body": more})

    def _add(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        self._spoke = self._loop.time()
        self._wake.set()


def _event(message: bytes) -> bytes:
    return b"event: message\ndata: " + message + b"\n\n"


class Streams:
    """The open streams of the gateway. While there are any, they are looked at every `limits.check` seconds."""

    def __init__(self, stopping: asyncio.Event, limits: Limits) -> None:
        self._stopping = stopping
        self._limits = limits
        self._open: set[EventStream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def add(self, stream: EventStream) -> None:
        """Look after a stream."""
        self._open.add(stream)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limits.check, self._look)

    def remove(self, stream: EventStream) -> None:
        """The stream is no more."""
        self._open.discard(stream)
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def serve(self, exchange: Exchange, stream: EventStream) -> None:
        """Run a stream that is the whole answer to a request, until its end or the client's."""
        self.add(stream)
        running = asyncio.create_task(stream.run())
        gone = asyncio.create_task(exchange.gone())
        try:
            await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.remove(stream)
            stream.end()
            for task in (running, gone):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(running, gone, return_exceptions=True)

    def _look(self) -> None:
        self._timer = None
        for stream in tuple(self._open):
            if self._stopping.is_set():
                stream.finish()
            else:
                stream.look()
        if self._open:
            self._timer = asyncio.get_running_loop().call_later(self._limits.check, self._look)
