"""The kinds of hostile clients of `crowd`: each goes on until its connection ends, or for one round."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.faces.http.raw import Line
from tests.rig.starting import argv

BLOB = 3_000_000
"""Bytes of an answer that no socket takes at once."""
PIPELINED = 2000
STATELESS = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Target:
    """An engine that listens, and what lets in to it: tokens of two roles, and the page's cookie."""

    port: int
    client: str
    operator: str
    cookie: str

    def get(self, path: str, *headers: str) -> bytes:
        """A request without a body."""
        lines = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers))
        return f"{lines}\r\n".encode()

    def call(self, tool: str, *, server: str = "light", **arguments: str) -> bytes:
        """A tool call that needs no session."""
        name = f"{server}__{tool}"
        meta = {f"io.modelcontextprotocol/{key}": value for key, value in _ENVELOPE.items()}
        params = {"name": name, "arguments": arguments, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        routing = f"MCP-Protocol-Version: {STATELESS}\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n"
        return self.post(message, self.client, routing)

    def post(self, message: Any, token: str, more: str = "") -> bytes:
        """A message to the gateway."""
        body = json.dumps(message).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{more}"
            "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


_COMMAND, *_ARGUMENTS = argv("light")
_LIGHT: dict[str, Any] = {"command": _COMMAND, "args": _ARGUMENTS, "requireApproval": False}
SERVERS = {"light": _LIGHT, "other": _LIGHT}
"""The crowd calls the first one, whoever is measured the other: they wait for the engine, and not for its servers."""
_ENVELOPE = {"protocolVersion": STATELESS, "clientInfo": {"name": "crowd", "version": "0"}, "clientCapabilities": {}}
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "crowd", "version": "0"}},
}

Hostile: TypeAlias = Callable[[Target], Awaitable[None]]


@asynccontextmanager
async def connected(target: Target, *, room: int = 0, reset: bool = False) -> AsyncIterator[Line]:
    """A connection that takes `room` bytes unread, and at whose end nothing is waited for (`reset`)."""
    made = socket.socket()
    if room:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", target.port))
        reader, writer = await asyncio.open_connection(sock=made, limit=room or 2**16)
    except OSError:
        made.close()
        raise
    try:
        yield Line(reader, writer)
    finally:
        if reset:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def drip(target: Target, begun: bytes) -> None:
    """A byte now and then, until it is hung up on."""
    async with connected(target) as one:
        await one.say(begun)
        while not one.is_over:
            await asyncio.sleep(0.1)
            await one.say(b"a")


async def slow_head(target: Target) -> None:
    await drip(target, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")


async def slow_body(target: Target) -> None:
    await drip(target, target.call("echo", text="x" * 100_000)[:2000])


async def aborts_an_answer(target: Target) -> None:
    async with connected(target, reset=True) as one:
        await one.say(target.call("blob", size=str(BLOB)))
        await one.hear_some()


async def aborts_at_once(target: Target) -> None:
    for request in (target.call("sleep", ms="50"), target.get("/ui/", f"Cookie: {target.cookie}")):
        async with connected(target, reset=True) as one:
            await one.say(request)


async def floods_in_a_pipe(target: Target) -> None:
    """Without a token, as anybody can."""
    async with connected(target, reset=True) as one:
        await one.say(target.get("/healthz") * PIPELINED)
        for _ in range(PIPELINED // 10):
            await one.hear()


async def reads_nothing(target: Target) -> None:
    """Of large answers, until it is hung up on; that is seen by who writes."""
    async with connected(target, room=4096) as one:
        one.writer.transport.pause_reading()
        await one.say(target.call("blob", size=str(BLOB)) * 4)
        while not one.is_over:
            await asyncio.sleep(1)
            await one.say(b"\r\n")


async def subscribes_and_reads_nothing(target: Target) -> None:
    bearer, events = f"Authorization: Bearer {target.operator}", "Accept: text/event-stream"
    async with AsyncExitStack() as stack:
        for _ in range(10):
            for request in (
                target.get("/api/v1/events/stream", bearer, events),
                target.get("/ui/", f"Cookie: {target.cookie}", events),
            ):
                one = await stack.enter_async_context(connected(target, room=4096))
                one.writer.transport.pause_reading()
                await one.say(request)
        await asyncio.sleep(2)


async def talks_nonsense(target: Target) -> None:
    async with connected(target) as one:
        await one.say(random.randbytes(4096))
        await one.end()


async def says_hello_in_tls(target: Target) -> None:
    async with connected(target) as one:
        await one.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(500))
        await one.end()


async def upgrades(target: Target) -> None:
    """Sockets where there are none, and frames behind them."""
    upgrade = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
    key, bearer = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Authorization: Bearer {target.operator}"
    for path in ("/mcp", "/desk/nobody"):
        async with connected(target) as one:
            await one.say(target.get(path, *upgrade, key, bearer) + random.randbytes(4096))
            await one.end()


async def guesses_tokens(target: Target) -> None:
    async with connected(target) as one:
        for _ in range(50):
            await one.say(target.post(_INITIALIZE, "guess") + target.get("/api/v1/status") + target.get("/ui/"))
            for _ in range(3):
                await one.hear()


async def begins_sessions(target: Target) -> None:
    async with connected(target) as one:
        for _ in range(20):
            await one.say(target.post(_INITIALIZE, target.client))
            await one.hear()


SLOW: Sequence[Hostile] = (slow_head, slow_body, reads_nothing, subscribes_and_reads_nothing)
QUICK: Sequence[Hostile] = (
    *(aborts_an_answer, aborts_at_once, floods_in_a_pipe, talks_nonsense, says_hello_in_tls),
    *(upgrades, guesses_tokens, begins_sessions),
)
