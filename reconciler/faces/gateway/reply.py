"""The answer to a POST: plain JSON when the result is the first thing to come, else an event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler.faces.gateway.exchange import Exchange, Header
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.streams import EventStream, Streams
from reconciler.faces.http.problems import HttpProblem


class Reply:
    """What one client hears about one request. Raises HttpProblem 406 for a client that takes neither form."""

    def __init__(
        self, exchange: Exchange, streams: Streams, limits: Limits, holds: Callable[[], bool] = lambda: True
    ) -> None:
        self._exchange = exchange
        self._accepts = exchange.accepts
        self._streams = streams
        self._limits = limits
        self._holds = holds
        self._stream: EventStream | None = None
        self._writer: asyncio.Task[None] | None = None
        self._alive: asyncio.TimerHandle | None = None
        self._done = False
        if not (self._accepts.json or self._accepts.events):
            raise HttpProblem(406, "not-acceptable", "Accept must name application/json and text/event-stream")

    @property
    def can_stream(self) -> bool:
        """Whether anything can be said before the result."""
        return self._accepts.events and not self._done

    @property
    def can_be_plain(self) -> bool:
        """Whether a result may be the whole answer."""
        return self._accepts.json

    def say(self, message: bytes, *, needed: bool = False) -> bool:
        """Send a message before the result. False when it is not going to arrive."""
        return self.can_stream and self._opened().put(message, needed=needed)

    def stay_alive(self) -> None:
        """From now on, do not be silent for long."""
        if self._accepts.events and self._stream is None:
            self._alive = asyncio.get_running_loop().call_later(self._limits.quiet, self._opened)

    async def end(self, message: bytes, status: int = 200, headers: tuple[Header, ...] = ()) -> None:
        """Send the result. `status` and `headers` are for the plain form; a stream has begun with 200."""
        self._close()
        if self._stream is None and self._accepts.json:
            await self._exchange.answer(status, message, ((b"content-type", b"application/json"), *headers))
            return
        self._opened(headers).last(message)
        await self._written()

    async def abandon(self) -> None:
        """Nobody is there any more."""
        self._close()
        if self._stream is not None and self._writer is not None:
            self._writer.cancel()
            await self._written()

    def _close(self) -> None:
        self._done = True
        if self._alive is not None:
            self._alive.cancel()
            self._alive = None

    def _opened(self, headers: tuple[Header, ...] = ()) -> EventStream:
        if self._stream is None:
            self._stream = EventStream(self._exchange, self._limits, self._holds, headers)
            self._streams.add(self._stream)
            self._writer = asyncio.create_task(self._stream.run())
        return self._stream

    async def _written(self) -> None:
        assert self._writer is not None
        assert self._stream is not None
        try:
            await asyncio.wait({self._writer})
        finally:
            self._streams.remove(self._stream)
            self._writer.cancel()
