"""Non-blocking pipe ends on the event loop: lines in, lines out. One loop turn never serves one server for long."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable
from typing import IO, Protocol

from reconciler.sessions.framer import Framer, LineTooLong
from reconciler.sessions.limits import Limits

CHUNK = 64 * 1024
LINES_PER_TURN = 64
PAUSE = 0.05
"""Seconds that a server waits for us when it talks too much unasked."""
REMEMBERED = 10.0
"""Seconds for which it is said afterwards that a ration did not do."""


class Channel(Protocol):
    """Where the lines of a session go."""

    @property
    def full(self) -> bool:
        """True while more waits to be read than the limit allows."""
        ...

    def send(self, line: bytes) -> None:
        """Queue a whole line; never blocks, never raises."""
        ...

    def room(self) -> asyncio.Future[None]:
        """Done when it is worth looking at `full` again."""
        ...


class LineReader:
    """Feeds each line of a pipe to `take`, until its end.

    `take` says whether the line was asked for; unasked ones are rationed. `on_end` is called once, with LineTooLong
    when that was the reason; only then is the pipe closed, of which a writer may die. Owns the pipe.
    """

    def __init__(
        self,
        pipe: IO[bytes],
        take: Callable[[bytes], bool],
        on_end: Callable[[LineTooLong | None], None],
        limits: Limits,
    ) -> None:
        self._pipe = pipe
        self._descriptor = pipe.fileno()
        self._take = take
        self._on_end = on_end
        self._framer = Framer(limits.line)
        self._ration = Ration(limits.unasked_per_second, limits.unasked_per_second)
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.Handle | None = None
        self._at_end = False
        self._no_more = False
        os.set_blocking(self._descriptor, False)
        self._loop.add_reader(self._descriptor, self._readable)

    @property
    def flooding(self) -> bool:
        """Whether what nobody asked for was too much of late: then it is read slowly."""
        return self._ration.was_short(self._loop.time())

    def read_out(self) -> None:
        """Whoever wrote is dead: an empty pipe is the end from now on, whoever else holds it open."""
        self._no_more = True
        self._readable()

    def close(self) -> None:
        """Stop reading; safe to call again."""
        if self._pipe.closed:
            return
        self._loop.remove_reader(self._descriptor)
        if self._pause:
            self._pause.cancel()
        self._pipe.close()
        self._framer.clear()

    def _readable(self) -> None:
        if self._pipe.closed or self._pause:
            return
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            if not self._no_more:
                return
            data = b""
        except OSError:
            data = b""
        if data:
            self._framer.feed(data)
        else:
            self._at_end = True
        self._deliver()

    def _deliver(self) -> None:
        paused, self._pause = self._pause is not None, None
        for _ in range(LINES_PER_TURN):
            try:
                line = self._framer.next_line()
            except LineTooLong as error:
                return self._end(error)
            if line is None:
                return self._end(None) if self._at_end else self._go_on(paused)
            if not self._take(line) and not self._ration.take(1, self._loop.time()):
                return self._wait(PAUSE)
            if self._pipe.closed:
                return None
        return self._wait(0)

    def _go_on(self, paused: bool) -> None:
        if paused:
            self._loop.add_reader(self._descriptor, self._readable)
        if self._no_more:
            self._loop.call_soon(self._readable)

    def _wait(self, seconds: float) -> None:
        if not self._pipe.closed:
            self._loop.remove_reader(self._descriptor)
            self._pause = self._loop.call_later(seconds, self._deliver)

    def _end(self, error: LineTooLong | None) -> None:
        self._on_end(error)
        self.close()


class LineWriter:
    """The Channel of a pipe: what does not fit now is queued and follows when the reader makes room.

    `on_broken` is called once when nobody reads any more. Owns the pipe.
    """

    def __init__(self, pipe: IO[bytes], on_broken: Callable[[], None], limits: Limits) -> None:
        self._pipe = pipe
        self._descriptor = pipe.fileno()
        self._on_broken = on_broken
        self._limit = limits.queue
        self._queue = bytearray()
        self._loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None
        os.set_blocking(self._descriptor, False)

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._limit

    def send(self, line: bytes) -> None:
        if self._pipe.closed:
            return
        waiting = bool(self._queue)
        self._queue += line
        if not waiting:
            self._flush()
            if self._queue:
                self._loop.add_writer(self._descriptor, self._flush)

    def room(self) -> asyncio.Future[None]:
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        return self._room

    def close(self) -> None:
        """Drop what is queued and give the reader its end of input; safe to call again."""
        if self._pipe.closed:
            return
        self._loop.remove_writer(self._descriptor)
        self._pipe.close()
        self._queue.clear()

    def _flush(self) -> None:
        try:
            written = os.write(self._descriptor, self._queue)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            self._on_broken()
            return
        del self._queue[:written]
        if not self._queue:
            self._loop.remove_writer(self._descriptor)
        if self._room and not self.full and not self._room.done():
            self._room.set_result(None)


class Ration:
    """A token bucket: `rate` units per second in the long run, `burst` at once. Time is passed in, in seconds."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._seen = 0.0
        self._refused = -math.inf

    def take(self, units: float, now: float) -> bool:
        """Whether the units were there; a refused request takes nothing."""
        self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < units:
            self._refused = now
            return False
        self._left -= units
        return True

    def was_short(self, now: float) -> bool:
        """Whether a request was refused within the last REMEMBERED seconds."""
        return now - self._refused < REMEMBERED
