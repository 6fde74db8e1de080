"""Servers that dial in: a socket as a face hands it over, and whoever speaks at its other end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio

from reconciler.sessions.uplink import Closed, Link
from tests.rig.starting import argv

Reply: TypeAlias = Callable[[str, Mapping[str, Any]], Any]
"""Method and params of a request -> its result, or what to await for it; an Exception is answered as an error, None
not at all."""
GREETING = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "far", "version": "1"},
}
ECHO = {"name": "echo", "inputSchema": {"type": "object"}}
PATIENCE = 10.0


class Wire:
    """A Socket without a network. `say` and `hear` are the server's, `hang_up` its end; `farewell` is ours."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[str | Closed] = asyncio.Queue()
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.farewell: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.reads = asyncio.Event()
        self.reads.set()
        """Whether the server reads what is sent to it."""

    # What the engine does

    async def receive(self) -> str:
        said = await self.said.get()
        if isinstance(said, Closed):
            raise said
        return said

    async def send(self, text: str) -> None:
        await self.reads.wait()
        self.heard.put_nowait(text)

    async def close(self, code: int, reason: str) -> None:
        if not self.farewell.done():
            self.farewell.set_result((code, reason))

    # What the server does

    def say(self, message: Any) -> None:
        """Send a message, or a text as it is."""
        self.said.put_nowait(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.heard.get())
        return message

    def hang_up(self, how: str = "It closed the socket.") -> None:
        self.said.put_nowait(Closed(how))

    async def ended(self) -> tuple[int, str]:
        """Wait for our farewell."""
        with anyio.fail_after(PATIENCE):
            return await asyncio.shield(self.farewell)


def answers(method: str, params: Mapping[str, Any]) -> Any:
    """A server of the handshake era with one tool, which says again what it is given."""
    match method:
        case "initialize":
            return GREETING
        case "tools/list":
            return {"tools": [ECHO]}
        case "tools/call":
            return {"content": [{"type": "text", "text": params.get("arguments", {}).get("text", "")}]}
        case "ping":
            return {}
    return ValueError(f"Method not found: {method}")


def silent(method: str, params: Mapping[str, Any]) -> Any:
    """Nothing is ever answered."""
    return None


async def serve(wire: Wire, reply: Reply = answers) -> None:
    """Answer every request at the other end, for ever."""
    while True:
        message = await wire.hear()
        if "method" not in message or "id" not in message:
            continue
        result = reply(message["method"], message.get("params") or {})
        if isinstance(result, Awaitable):
            result = await result
        if isinstance(result, Exception):
            error = {"code": -32601, "message": str(result)}
            wire.say({"jsonrpc": "2.0", "id": message["id"], "error": error})
        elif result is not None:
            wire.say({"jsonrpc": "2.0", "id": message["id"], "result": result})


@asynccontextmanager
async def served(wire: Wire, reply: Reply = answers) -> AsyncIterator[None]:
    """`serve`, for a while."""
    serving = asyncio.create_task(serve(wire, reply))
    try:
        yield
    finally:
        serving.cancel()


@asynccontextmanager
async def process(wire: Wire, script: str = "light", *arguments: str) -> AsyncIterator[None]:
    """A server of the rig at the other end, line by line."""
    pipe = asyncio.subprocess.PIPE
    command = argv(script, *arguments)
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=8 * 1024 * 1024)
    stdin, stdout = child.stdin, child.stdout
    assert stdin is not None
    assert stdout is not None

    async def inwards() -> None:
        while True:
            stdin.write((await wire.heard.get()).encode() + b"\n")

    async def outwards() -> None:
        while line := await stdout.readline():
            wire.say(line.decode("utf-8", "replace"))
        wire.hang_up("The connection broke off.")

    relays = [asyncio.create_task(relay) for relay in (inwards(), outwards())]
    try:
        yield
    finally:
        stdin.close()
        await child.wait()
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


@asynccontextmanager
async def carried(wire: Wire) -> AsyncIterator[Link]:
    """What a face does with a socket."""
    link = Link()
    carrying = asyncio.create_task(link.carry(wire))
    try:
        yield link
    finally:
        if not link.over:
            carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
