"""Servers that dial in: a face offers the socket, the engine takes it up, and the session on it is as any other.

A socket carries JSON-RPC messages, one in each text frame, and we are the client. For a moment one server may have
several: the newest is proven while the one before it serves, which then goes with the word that others wait for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol

from reconciler.model.server import Server
from reconciler.sessions import frames
from reconciler.sessions.handshake import greet
from reconciler.sessions.limits import LIMITS, Limits
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import DeadlineExceeded, End, Era, Notify, Open, RpcError, SessionError
from reconciler.sessions.streams import LINES_PER_TURN, PAUSE, Ration
from reconciler.sessions.subscriptions import follow_changes

REPLACED = (1001, "replaced")
"""What tells a server that it dialled in again elsewhere: it does not come back."""
UNWANTED = (1012, "the session was closed")
"""It may come again, and hears then whether it is wanted."""
NOT_SO = 1008
TAKE_SECONDS = 30.0
"""How long an offered socket waits to be taken up."""
LONG = 16 * 1024
"""A text that nobody asked for counts once more for each so many characters."""
LONGEST_PATIENCE = 3.0
MOST_REASON = 120
"""Bytes of a reason that a closing frame has room for."""


class AlreadyHere(Exception):
    """The server is connected, or about to be, by another socket."""


class Socket(Protocol):
    """A WebSocket as a face hands it over, opened."""

    async def receive(self) -> str:
        """The next text. Raises Closed."""
        ...

    async def send(self, text: str) -> None:
        """Waits for room. Raises Closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """The end, from our side; never fails."""
        ...


class Closed(Exception):
    """The other side is gone; the message is a sentence."""


class Link:
    """One socket on which a server dialled in, as the Channel of a session.

    `taken` once somebody is to make a session of it, `over` once it is closed or about to be.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.taken = False
        self.over = False
        self._limit = limits.queue
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._news = asyncio.Event()
        self._room: asyncio.Future[None] | None = None
        self._ration = Ration(limits.unasked_per_second, limits.unasked_per_second)
        self._loop = asyncio.get_running_loop()
        self._take: asyncio.Future[Callable[[bytes], bool]] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._farewell = UNWANTED

    # Channel

    @property
    def full(self) -> bool:
        return self._queued >= self._limit

    def send(self, line: bytes) -> None:
        if not self.over:
            self._queue.append(line)
            self._queued += len(line)
            self._news.set()

    def room(self) -> asyncio.Future[None]:
        if self._room is None or self._room.done():
            self._room = self._loop.create_future()
        return self._room

    # The session's side

    @property
    def flooding(self) -> bool:
        """As LineReader.flooding."""
        return self._ration.was_short(self._loop.time())

    @property
    def attached(self) -> bool:
        """Whether it has a session."""
        return self._take.done()

    def attach(self, take: Callable[[bytes], bool], on_end: Callable[[str], None]) -> None:
        """Give each text to `take`, which says whether it was asked for; `on_end` gets the reason, once."""
        self._take.set_result(take)
        self._ended.add_done_callback(lambda ended: on_end(ended.result()))

    def close(self, code: int, reason: str) -> None:
        """End it with a farewell; the first call holds. What is queued is dropped."""
        if not self.over:
            self._farewell = (code, reason.encode()[:MOST_REASON].decode("utf-8", "ignore"))
            self._end("The session was closed.")

    # The face's side

    async def carry(self, socket: Socket) -> None:
        """Move texts both ways until the end, from whichever side; then the socket is closed."""
        work = [asyncio.ensure_future(carrying) for carrying in (self._receive(socket), self._send(socket))]
        try:
            either: set[asyncio.Future[Any]] = {*work, self._ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    self._end(str(task.exception()))
            await socket.close(*self._farewell)
        finally:
            self._end("The connection was cut off.")
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _receive(self, socket: Socket) -> None:
        """The first text is read when there is somebody to take it."""
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                take = await asyncio.shield(self._take)
        except TimeoutError:
            raise Closed("Nobody took the socket up.") from None
        turn = 0
        while True:
            text = await socket.receive()
            turn += 1
            if not take(text.encode()):
                await self._paid(1 + len(text) // LONG)
            if turn % LINES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _paid(self, units: int) -> None:
        if not self._ration.take(units, self._loop.time()):
            await asyncio.sleep(PAUSE)
            await self._paid(units)

    async def _send(self, socket: Socket) -> None:
        while True:
            while not self._queue:
                self._news.clear()
                await self._news.wait()
            line = self._queue.popleft()
            await socket.send(line[:-1].decode())
            self._queued -= len(line)
            if self._room is not None and not self.full and not self._room.done():
                self._room.set_result(None)

    def _end(self, reason: str) -> None:
        if not self.over:
            self.over = True
            self._queue.clear()
            self._queued = 0
            self._ended.set_result(reason)


class UplinkSession(PipeSession):
    """A PipeSession whose lines come in frames."""

    def __init__(self, link: Link, on_notification: Notify) -> None:
        super().__init__(link, on_notification)
        self._link = link

    @property
    def flooding(self) -> bool:
        """See Link.flooding."""
        return self._link.flooding

    def feed(self, line: bytes) -> bool:
        """A frame may be several lines of JSON, which others would take for several messages."""
        if b"\n" in line:
            with suppress(ValueError):  # a bad one is known as such below
                line = frames.encode(frames.decode(line, self._limits.depth))[:-1]
        return super().feed(line)


class Uplinks:
    """The sockets of a project's servers, by id, the newest last. `wake` has a server looked at."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._links: dict[str, tuple[Link, ...]] = {}
        self._shy: set[str] = set()
        """Servers whose last socket ended at the question for their era, before they said a word."""

    def offer(self, server_id: str, link: Link, *, force: bool) -> None:
        """A server dialled in. Raises AlreadyHere when it has another socket, unless `force`: then that one goes as
        soon as this one is proven, or at once where nobody took it up.
        """
        others = self._open_links(server_id)
        if others and not force:
            raise AlreadyHere
        for other in others:
            if not other.taken:
                other.close(*REPLACED)
        self._links[server_id] = (*others, link)
        self._wake(server_id)

    def take(self, server_id: str) -> Open | None:
        """The way to the server by the newest socket, if nobody took that one up; to be used once."""
        newest = self._open_links(server_id)[-1:]
        if not newest or newest[0].taken:
            return None
        newest[0].taken = True
        return partial(self._open, newest[0])

    def turn_away(self, server_id: str) -> None:
        """The server is not wanted now: sockets that are no session yet are closed."""
        for link in self._open_links(server_id):
            if not link.attached:
                link.close(*UNWANTED)

    def _open_links(self, server_id: str) -> tuple[Link, ...]:
        found = tuple(link for link in self._links.get(server_id, ()) if not link.over)
        if found:
            self._links[server_id] = found
        else:
            self._links.pop(server_id, None)
        return found

    @asynccontextmanager
    async def _open(
        self, link: Link, server: Server, instance_id: str, on_notification: Notify
    ) -> AsyncIterator[UplinkSession]:
        session = UplinkSession(link, on_notification)
        link.attach(session.feed, lambda reason: session.finish(End(reason)))
        farewell = UNWANTED
        try:
            await self._greet(session, server)
            following = asyncio.ensure_future(follow_changes(session, on_notification))
            try:
                yield session
            finally:
                following.cancel()
        except (SessionError, RpcError) as error:
            farewell = (NOT_SO, str(error))
            raise
        finally:
            if session.end is not None:
                farewell = (NOT_SO, session.end.reason)
            session.finish(End("The session was closed."), "closed")
            newer = self._open_links(server.id)[-1:] not in ((), (link,))
            link.close(*(REPLACED if newer else farewell))

    async def _greet(self, session: UplinkSession, server: Server) -> None:
        """Every time anew: behind the same id may be another server."""
        seconds = server.timeouts.start
        era: Era | None = "handshake" if server.id in self._shy else None
        self._shy.discard(server.id)
        try:
            async with asyncio.timeout(seconds):
                await greet(session, era=era, patience=min(LONGEST_PATIENCE, seconds / 3))
        except TimeoutError:
            raise DeadlineExceeded(f"It did not complete the handshake within {seconds:g} s.") from None
        except SessionError:
            if session.end is not None and era is None and not session.spoke:
                self._shy.add(server.id)
            raise
