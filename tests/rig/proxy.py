"""A TCP proxy on loopback that harms what passes through it. Runs in the loop of whoever tests.

    async with Proxy(server.port) as proxy: ... proxy.url ...; proxy.fault = Blackhole()

What it does at the moment holds for every connection, also for those that stand already.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self, TypeAlias, assert_never

PIECE = 65536


@dataclass(frozen=True, slots=True)
class Clean:
    """Everything passes."""


@dataclass(frozen=True, slots=True)
class Blackhole:
    """Connections stand and are accepted, and nothing passes, not even their end."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Bytes pass in pieces of `size`, with a pause of so many seconds before each."""

    size: int = 1
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Cut:
    """So many bytes of what the server sends pass on each connection, then it ends: in order (FIN), or by a reset."""

    after: int = 0
    reset: bool = False


Fault: TypeAlias = Clean | Blackhole | Slices | Cut


@dataclass
class Proxy:
    """`to` is a port of 127.0.0.1."""

    to: int
    fault: Fault = field(default_factory=Clean)
    port: int = 0
    accepted: int = 0

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there: asyncio.StreamWriter | None = None
        try:
            theirs, there = await asyncio.open_connection("127.0.0.1", self.to)
            await asyncio.gather(self._pump(reader, there, None), self._pump(theirs, writer, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, there):
                if end is not None:
                    end.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: asyncio.StreamWriter | None
    ) -> None:
        """Carry one direction to its end; `answers` is where those of the server go."""
        passed = 0
        while data := await source.read(PIECE):
            match self.fault:
                case Clean():
                    sink.write(data)
                case Blackhole():
                    await asyncio.Event().wait()
                case Slices(size, pause):
                    await _slowly(sink, data, size, pause)
                case Cut(after, reset) if answers is not None:
                    sink.write(data[: max(after - passed, 0)])
                    if passed + len(data) >= after:
                        await _end(answers, reset)
                        return
                case Cut():
                    sink.write(data)
                case never:
                    assert_never(never)
            passed += len(data)
            await sink.drain()
        if isinstance(self.fault, Blackhole):
            await asyncio.Event().wait()
        with suppress(OSError):
            sink.write_eof()


async def _slowly(sink: asyncio.StreamWriter, data: bytes, size: int, pause: float) -> None:
    for start in range(0, len(data), size):
        await asyncio.sleep(pause)
        sink.write(data[start : start + size])
        await sink.drain()


async def _end(sink: asyncio.StreamWriter, reset: bool) -> None:
    """The end of a connection on the side of the client. Raises ConnectionError, which ends the other side too."""
    await sink.drain()
    if reset:
        connected = sink.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sink.transport.abort()
    else:
        sink.write_eof()
        sink.close()
    raise ConnectionResetError
