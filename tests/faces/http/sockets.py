"""A WebSocket from the other side: through the `websockets` library, or frame by frame on a raw line."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from reconciler.faces.http.address import Address
from tests.faces.http.raw import Line, line

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@asynccontextmanager
async def socket(address: Address, path: str, *, scheme: str = "ws", **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket that was opened; it is not asked to be patient at its end."""
    url = f"{scheme}://{address.host}:{address.port}{path}"
    async with websockets.connect(url, max_size=None, proxy=None, close_timeout=1, **options) as opened:
        yield opened


async def refusal(address: Address, path: str, **options: Any) -> tuple[int, bytes]:
    """Status and body of the answer to a socket that is not opened."""
    try:
        async with socket(address, path, **options):
            return 101, b""
    except InvalidStatus as refused:
        return refused.response.status_code, bytes(refused.response.body)


async def ending(opened: ClientConnection) -> tuple[int, str]:
    """Wait for the end: code and reason of the other side, 1006 where it said nothing."""
    try:
        while True:
            await opened.recv()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


def upgrade(path: str, host: str = "localhost", **headers: str) -> bytes:
    """The head of a request for a socket."""
    fields = {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


@asynccontextmanager
async def raw_socket(address: Address, path: str, **headers: str) -> AsyncIterator[Line]:
    """A socket that was opened by hand and is read by nobody."""
    async with line(address) as one:
        await one.say(upgrade(path, **headers))
        status, _ = await one.hear_head()
        assert status == 101
        yield one


def frame(data: bytes = b"", opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """One frame as a client sends it."""
    return Frame(opcode, data, fin).serialize(mask=True)


def spoilt(text: bytes) -> bytes:
    """A frame that no mask hides, as only servers may send."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


NOISE = os.urandom(4096)
