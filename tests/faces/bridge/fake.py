"""A gateway that answers as a test wants it, on a unix socket, and a client that speaks through a bridge to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from reconciler.faces.bridge.bridge import Bridge
from reconciler.faces.bridge.link import Address, Link

VERSION = "2025-11-25"
STATELESS = "2026-07-28"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
PATH = "/p/desk/mcp"


@dataclass(slots=True, eq=False)
class Asked:
    """One HTTP request, and the ways to answer it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    over: asyncio.Event
    """Set when the other side closed the connection."""

    @property
    def message(self) -> dict[str, Any]:
        value = json.loads(self.body or b"{}")
        assert isinstance(value, dict)
        return value

    def answer(self, value: Any = None, status: int = 200, **headers: str) -> None:
        """A whole answer: JSON, bytes as they are, or nothing."""
        body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        named = {"content-type": "application/json", "content-length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status} Fine", *(f"{name.replace('_', '-')}: {text}" for name, text in named.items())]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    def result(self, result: Any, **headers: str) -> None:
        self.answer({"jsonrpc": "2.0", "id": self.message["id"], "result": result}, **headers)

    def error(self, status: int, code: Any, message: str = "no") -> None:
        self.answer({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}, status)

    def stream(self) -> None:
        """Begin an event stream, in chunks."""
        self.writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    def event(self, value: Any) -> None:
        text = value if isinstance(value, str) else f"event: message\ndata: {json.dumps(value)}\n\n"
        data = text.encode()
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self.writer.write(b"0\r\n\r\n")

    def drop(self) -> None:
        self.writer.transport.abort()


Handler = Callable[[Asked], Awaitable[None] | None]


@dataclass(slots=True, eq=False)
class Fake:
    """The engine's socket. `handlers` answer by JSON-RPC method, "GET" and "DELETE" by that; sessions are its own."""

    socket: Path
    handlers: dict[str, Handler] = field(default_factory=dict)
    heard: list[Asked] = field(default_factory=list)
    sessions: set[str] = field(default_factory=set)
    token: str | None = None
    _starts: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Listen; sessions of before are not known any more."""
        self._starts += 1
        self.sessions.clear()
        self._server = await asyncio.start_unix_server(self._serve, self.socket, limit=2**20)

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        self.socket.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def said(self, method: str) -> list[Asked]:
        """What was heard of one JSON-RPC method, or of "GET" and "DELETE"."""
        return [asked for asked in self.heard if _word(asked) == method]

    async def hears(self, method: str, times: int = 1) -> Asked:
        """Wait until something was heard that often; answers the last."""
        while len(found := self.said(method)) < times:
            self._news.clear()
            await self._news.wait()
        return found[times - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        over = asyncio.Event()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                asked = Asked(method, path, headers, body, writer, over)
                self.heard.append(asked)
                self._news.set()
                await self._answer(asked)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            over.set()
            self._open.discard(writer)
            writer.close()

    async def _answer(self, asked: Asked) -> None:
        assert self.token is None or asked.headers["authorization"] == f"Bearer {self.token}"
        word = _word(asked)
        session = asked.headers.get("mcp-session-id")
        if session is not None and session not in self.sessions:
            asked.error(404, -32600, "Session not found")
        elif word in self.handlers:
            waiting = self.handlers[word](asked)
            if waiting is not None:
                await waiting
        elif word == "initialize":
            self._greet(asked)
        elif asked.method == "POST" and "id" not in asked.message:
            asked.answer(None, 202)
        else:
            asked.error(404 if asked.method == "POST" else 405, -32601, f"no {word}")

    def _greet(self, asked: Asked) -> None:
        session = f"session-{self._starts}-{len(self.said('initialize'))}"
        self.sessions.add(session)
        capabilities = {"tools": {"listChanged": True}, "prompts": {}}
        asked.result({"protocolVersion": VERSION, "capabilities": capabilities}, mcp_session_id=session)


def _word(asked: Asked) -> str:
    return str(asked.message.get("method", "answer")) if asked.method == "POST" else asked.method


@dataclass(slots=True, eq=False)
class Client:
    """Writes lines into a bridge and reads the ones that come back."""

    bridge: Bridge
    lines: asyncio.Queue[bytes]

    async def write(self, value: Any) -> None:
        await self.bridge.take(value if isinstance(value, bytes) else json.dumps(value).encode())

    async def ask(self, number: Any, method: str, params: Any = None) -> None:
        params = {} if params is None else {"params": params}
        await self.write({"jsonrpc": "2.0", "id": number, "method": method, **params})

    async def tell(self, method: str, **params: Any) -> None:
        await self.write({"jsonrpc": "2.0", "method": method, "params": params})

    async def read(self) -> dict[str, Any]:
        line = await self.lines.get()
        assert b"\n" not in line
        value = json.loads(line)
        assert isinstance(value, dict)
        return value

    async def greet(self) -> None:
        """The handshake of 2025-11-25."""
        await self.ask(0, "initialize", {"protocolVersion": VERSION, "capabilities": {}})
        assert (await self.read())["result"]["protocolVersion"] == VERSION
        await self.tell("notifications/initialized")


@asynccontextmanager
async def bridged(
    folder: Path, *, token: str | None = None, patience: float = 20.0
) -> AsyncIterator[tuple[Fake, Client]]:
    """A gateway that listens and a client in front of it, for 20 seconds at most."""
    fake = Fake(folder / "s", token=token)
    await fake.start()
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    address = Address(fake.socket, PATH, token)
    bridge = Bridge(Link(lambda: address, patience), lines.put)
    try:
        with anyio.fail_after(20):
            yield fake, Client(bridge, lines)
    finally:
        await bridge.close()
        if fake.socket.exists():
            await fake.stop()
