"""HTTP to the engine over its local socket: many exchanges at once, and a patient wait while the engine is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.store.peer import is_our_engine

PATIENCE = 30.0
"""Seconds that a request waits for an engine that is away."""
_FRESH = 1.0  # an idle connection is used again within this time: the engine closes it later than that
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
_STREAM_LIMIT = 256 * 1024
_MALFORMED = "an answer that is no HTTP"


class Away(Exception):
    """Nobody listens, and nobody came in time. Nothing was sent."""


class Gone(Exception):
    """The exchange broke off after something was sent: what became of it is not known."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the engine listens, the path of the endpoint there, and the token to show, if there is one."""

    socket: Path
    path: str
    token: str | None = None


@dataclass(slots=True, eq=False)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used: float = 0.0

    @property
    def usable(self) -> bool:
        return not self.reader.at_eof() and time.monotonic() - self.used < _FRESH

    def close(self) -> None:
        self.writer.transport.abort()


@contextmanager
def _breaking_off() -> Generator[None, None, None]:
    """Whatever ends a connection in the middle, as Gone."""
    try:
        yield
    except (OSError, EOFError) as error:
        raise Gone(str(error) or "the connection broke off") from error
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise Gone(_MALFORMED) from error


@dataclass(slots=True, eq=False)
class Response:
    """The head of an answer; its body is read once, whole or as it comes. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    complete: bool
    _reader: asyncio.StreamReader

    @property
    def kind(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another exchange."""
        return self.complete and self.headers.get("connection", "").lower() != "close"

    async def read(self) -> bytes:
        """The whole body. Raises Gone."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Gone."""
        if self.complete:
            return
        with _breaking_off():
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await self._reader.readuntil(b"\n")).partition(b";")[0], 16):
                    yield await self._reader.readexactly(size)
                    await self._reader.readexactly(2)
                while (await self._reader.readuntil(b"\n")).strip():
                    pass
            else:
                yield await self._reader.readexactly(int(self.headers.get("content-length", "0")))
        self.complete = True

    async def events(self) -> AsyncIterator[bytes]:
        """The data of each event of an event stream that has any (WHATWG HTML, Server-sent events). Raises Gone."""
        rest, data = b"", []
        async for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                name, _, value = line.removesuffix(b"\r").partition(b":")
                if name == b"data":
                    data.append(value.removeprefix(b" "))
                elif line in (b"", b"\r"):
                    if event := b"\n".join(data):  # an event without data only names itself, to be resumed from
                        yield event
                    data = []


@dataclass(slots=True, eq=False)
class Link:
    """The engine, wherever it listens now: `find` says where, None while no engine is known."""

    find: Callable[[], Address | None]
    patience: float = PATIENCE
    _address: Address | None = None
    _idle: list[_Connection] = field(default_factory=list)
    _lost_at: float | None = None

    @asynccontextmanager
    async def exchange(self, method: str, headers: Mapping[str, str], body: bytes = b"") -> AsyncIterator[Response]:
        """Send a request and answer the head of what comes back. Raises Away while nothing is sent, later Gone."""
        connection = await self._connection()
        response: Response | None = None
        try:
            response = await self._ask(connection, method, headers, body)
            yield response
        finally:
            if response is not None and response.reusable:
                connection.used = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close what is idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _ask(self, connection: _Connection, method: str, headers: Mapping[str, str], body: bytes) -> Response:
        assert self._address is not None
        sent = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
        if self._address.token is not None:
            sent["Authorization"] = f"Bearer {self._address.token}"
        lines = [f"{method} {self._address.path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        with _breaking_off():
            connection.writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            try:
                await connection.writer.drain()
            except ConnectionError:
                pass  # it may have answered before it had read everything
            head = (await connection.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ", 2)[1])
        fields = (line.partition(":") for line in head[1:] if line)
        named = {name.lower(): value.strip() for name, _, value in fields}
        empty = status == 204 or ("transfer-encoding" not in named and named.get("content-length", "0") == "0")
        return Response(status, named, empty, connection.reader)

    async def _connection(self) -> _Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._connect()
            except OSError as error:
                self._lost_at = self._lost_at or time.monotonic()
                if time.monotonic() - self._lost_at > self.patience:
                    raise Away(str(error)) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _connect(self) -> _Connection:
        """Raises OSError. Where the engine listens is looked up anew for each connection: it may be another one."""
        self._address = self.find() or self._address
        if self._address is None:
            raise FileNotFoundError("no engine is known")
        reader, writer = await asyncio.open_unix_connection(self._address.socket, limit=_STREAM_LIMIT)
        if not is_our_engine(writer.get_extra_info("socket")):
            writer.transport.abort()
            raise PermissionError("the process behind the socket belongs to somebody else")
        self._lost_at = None
        return _Connection(reader, writer)
