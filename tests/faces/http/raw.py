"""Raw sockets against a listener of ours: what is sent is sent to the byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio

from reconciler.faces.http import listener as listening
from reconciler.faces.http.address import Address, bind
from reconciler.faces.http.guard import Guard
from reconciler.faces.http.limits import Limits
from reconciler.faces.http.listener import Listener, Tls

PATIENCE = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back. `closed`: the connection ended after it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        with suppress(ConnectionError):  # it hung up while we spoke
            await self.writer.drain()

    @property
    def is_over(self) -> bool:
        """Whether the other side hung up, as far as it was noticed."""
        return self._reader.at_eof() or self._reader.exception() is not None or self.writer.is_closing()

    async def hear(self) -> Answer:
        """The next answer, whole."""
        with anyio.fail_after(PATIENCE):
            status, headers = await self.hear_head()
            if "content-length" in headers:
                return Answer(status, headers, await self._reader.readexactly(int(headers["content-length"])))
            if headers.get("transfer-encoding") == "chunked":
                return Answer(status, headers, await self.hear_chunks())
            return Answer(status, headers, await self._reader.read())

    async def hear_chunks(self) -> bytes:
        """The rest of an answer whose end is said."""
        body = b""
        with anyio.fail_after(PATIENCE):
            while size := int(await self._reader.readline(), 16):
                body += await self._reader.readexactly(size)
                await self._reader.readline()
            await self._reader.readline()
        return body

    async def hear_head(self) -> tuple[int, dict[str, str]]:
        """The head of the next answer."""
        with anyio.fail_after(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in head[1:] if line)
        return int(head[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def hear_line(self) -> bytes:
        with anyio.fail_after(PATIENCE):
            return await self._reader.readline()

    async def hear_some(self) -> bytes:
        """Whatever comes next."""
        with anyio.fail_after(PATIENCE):
            return await self._reader.read(64 * 1024)

    async def end(self) -> bytes:
        """Wait until the other side hangs up; what it still said."""
        with anyio.fail_after(PATIENCE):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def line(address: Address) -> AsyncIterator[Line]:
    """One connection to the listener."""
    made = Line(*await asyncio.open_connection(address.host, address.port))
    try:
        yield made
    finally:
        made.close()


async def ask(address: Address, request: bytes) -> Answer:
    """One request on a connection of its own."""
    async with line(address) as one:
        await one.say(request)
        return await one.hear()


@asynccontextmanager
async def listened(
    app: Any, limits: Limits | None = None, *, parser: type[Guard] | None = None, tls: Tls | None = None
) -> AsyncIterator[Address]:
    """A listener of ours on loopback in front of `app`, ended on the way out."""
    bound, address = bind(Address("127.0.0.1", 0))
    before = listening.parser
    if parser is not None:
        listening.parser = lambda: parser
    try:
        made = Listener(app, bound, limits=limits, tls=tls)
    finally:
        listening.parser = before
    serving = asyncio.create_task(made.serve())
    try:
        yield address
    finally:
        made.end()
        with anyio.fail_after(PATIENCE):
            await serving
