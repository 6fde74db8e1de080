"""Adds one header line to every request on its way to a server; every other byte passes as it came, both ways.

For programs that cannot send an Authorization header: Host, Origin, streaming and keep-alive stay theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

PIECE = 64 * 1024


@asynccontextmanager
async def doorman(port: int, line: str) -> AsyncIterator[int]:
    """The port on 127.0.0.1 whose requests reach `port` with `line` (without its end) among their headers."""
    added = line.encode("latin-1") + b"\r\n\r\n"

    async def pass_through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_close, writer)
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            stack.push_async_callback(_close, inner_writer)
            ways = [_requests(reader, inner_writer, added), _copy(inner_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    passing: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(pass_through(reader, writer))
        passing.add(task)
        task.add_done_callback(passing.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        await server.wait_closed()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, added: bytes) -> None:
    """One request after the other, until the client ends or does not speak HTTP."""
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(head[:-2] + added)
            await _body(head, reader, writer)


async def _body(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if fields.get(b"transfer-encoding", b"").strip() == b"chunked":
        size = 1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            writer.write(line)
            await _exactly(size + 2, reader, writer)
        return
    await _exactly(int(fields.get(b"content-length", b"0")), reader, writer)


async def _exactly(size: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while size > 0:
        piece = await reader.readexactly(min(size, PIECE))
        size -= len(piece)
        writer.write(piece)
        await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
