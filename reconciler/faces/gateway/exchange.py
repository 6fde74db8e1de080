"""One HTTP request and its answer, on bare ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from reconciler.faces.http.problems import HttpProblem

AsgiScope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

JSON_HEADERS: tuple[Header, ...] = ((b"content-type", b"application/json"),)
STREAM_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)


class Gone(Exception):
    """The client went away before its request had come."""


@dataclass(frozen=True, slots=True)
class Accepts:
    """In which forms a client takes an answer."""

    json: bool
    events: bool


class Room:
    """Bytes of requests that are held at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Hold more. Raises HttpProblem 503."""
        if not self.has(size):
            message = "too much is being asked at a time"
            raise HttpProblem(503, "busy", message, headers={"retry-after": "1"})
        self.held += size

    def has(self, size: int) -> bool:
        """Whether so much more can be held."""
        return self.held + size <= self._most

    def give_back(self, size: int) -> None:
        """Hold less."""
        self.held -= size


class Exchange:
    """A request as it came. `headers` have lower-case names and the first value of each; `doubled` came repeatedly."""

    __slots__ = ("_held", "_room", "doubled", "headers", "method", "receive", "scope", "send")

    def __init__(self, scope: AsgiScope, receive: Receive, send: Send, room: Room) -> None:
        self._room = room
        self._held = 0
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = {}
        self.doubled: set[bytes] = set()
        for name, value in scope["headers"]:
            if name in self.headers:
                self.doubled.add(name)
            else:
                self.headers[name] = value

    def header(self, name: bytes) -> str | None:
        """The value of a header, without the space around it."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    @property
    def accepts(self) -> Accepts:
        return _accepts(self.headers.get(b"accept", b"*/*"))

    async def body(self, most: int) -> bytes:
        """The whole body, held until `close`. Raises HttpProblem 413, 415, 503, and Gone."""
        kind = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise HttpProblem(415, "not-json", "Content-Type must be application/json")
        length = self.headers.get(b"content-length", b"0")
        if len(length) > 15 or (length.isdigit() and int(length) > most):
            raise _too_large(most)
        begun = self.scope.get("begun")
        if begun is not None:  # it came before, and its client may be gone since
            taken: bytes = begun.take_body()
            self._held = len(taken)
            return taken
        message = await self.receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            whole: bytes = message.get("body", b"")
            self._hold(len(whole), most)
            return whole
        return await self._rest(message, most)

    async def _rest(self, message: MutableMapping[str, Any], most: int) -> bytes:
        read = bytearray()
        while True:
            if message["type"] != "http.request":
                raise Gone
            piece = message.get("body", b"")
            self._hold(len(piece), most)
            read += piece
            if not message.get("more_body"):
                return bytes(read)
            message = await self.receive()

    def close(self) -> None:
        """The request is over."""
        self._room.give_back(self._held)
        self._held = 0

    def _hold(self, size: int, most: int) -> None:
        if self._held + size > most:
            raise _too_large(most)
        self._room.take(size)
        self._held += size

    async def gone(self) -> None:
        """Return when the client has gone away. Only after the body was read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def answer(self, status: int, body: bytes = b"", headers: Iterable[Header] = JSON_HEADERS) -> None:
        """The whole answer at once."""
        sized = [*headers, (b"content-length", b"%d" % len(body))] if status != 204 else list(headers)
        await self.send({"type": "http.response.start", "status": status, "headers": sized})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(most: int) -> HttpProblem:
    return HttpProblem(413, "too-large", f"a request may have {most} bytes")


@lru_cache(64)
def _accepts(value: bytes) -> Accepts:
    """The forms an Accept header names; `q=0` and other refinements are not looked at."""
    kinds = {kind.partition(b";")[0].strip().lower() for kind in value.split(b",")}
    every = b"*/*" in kinds
    return Accepts(
        every or not kinds.isdisjoint({b"application/json", b"application/*"}),
        every or not kinds.isdisjoint({b"text/event-stream", b"text/*"}),
    )
