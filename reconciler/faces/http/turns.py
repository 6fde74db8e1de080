"""What a connection sends, in turns: nobody is served more often for sending much at once, and nothing piles up.

uvicorn by itself makes a request of everything that came in one piece, thousands in one turn of the loop, and goes on
reading before they are answered.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from reconciler.faces.http.unread import Unread

PIECE = 1024
"""Bytes that are parsed at a time where requests may begin: a few dozen of them at most."""
TURN = 0.001
"""Seconds after which a connection has had its turn."""
BEHIND = 64 * 1024
"""Bytes that wait before nothing more is read."""


class Parsing(Protocol):
    """What is in front of a parser, as its turns want it."""

    loop: asyncio.AbstractEventLoop
    transport: Any

    def parse(self, data: bytes) -> None:
        """Give the parser a piece."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a whole request was not answered yet, or nothing more is wanted."""
        ...

    @property
    def piece(self) -> int:
        """How many bytes more can be parsed at a time."""
        ...


class Turns(FlowControl):
    """What of a connection is parsed when. uvicorn says here when it has enough to read, or to write."""

    def __init__(self, of: Parsing, unread: Unread) -> None:
        super().__init__(of.transport)
        self._of = of
        self._unread = unread
        self._behind = bytearray()
        self._next: asyncio.Handle | None = None

    @property
    def none_waits(self) -> bool:
        """Whether all that came was parsed."""
        return not self._behind

    def add(self, data: bytes) -> None:
        """More came."""
        if self._behind or len(data) > PIECE or self._is_held():
            self._behind += data
            if self._next is None:
                self._take()
        else:
            self._of.parse(data)

    def go_on(self) -> None:
        """What waits has its next turn."""
        if self._behind and self._next is None:
            self._next = self._of.loop.call_soon(self._take)

    def end(self) -> None:
        """What waits is not parsed any more."""
        self._behind.clear()

    def close(self) -> None:
        """The connection is gone: nothing waits, and nothing is held that holds this."""
        self.end()
        if self._next is not None:
            self._next.cancel()
        del self._of

    def pause_reading(self) -> None:
        """uvicorn has enough for now; the socket is read until enough waits."""
        self.read_paused = True

    def resume_reading(self) -> None:
        self.read_paused = False
        self.go_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread.end()

    def _take(self) -> None:
        self._next = None
        until = time.perf_counter() + TURN
        while self._behind and not self._is_held():
            if time.perf_counter() > until:
                self.go_on()
                break
            piece = bytes(self._behind[: self._of.piece])
            del self._behind[: len(piece)]
            self._of.parse(piece)
        self._read_or_not()

    def _is_held(self) -> bool:
        return self.read_paused or self._of.waits

    def _read_or_not(self) -> None:
        transport: Any = self._of.transport
        if transport.is_closing():
            return
        if len(self._behind) > BEHIND:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()
