"""A raw HTTP/1.1 server on loopback that does exactly what a test tells it: good MCP, bad MCP, bad HTTP. No framework.

    async with EvilHttp(mcp(era="handshake", **{"tools/list": answers({"tools": []})})) as server: ... server.url ...

What it is told is a Behaviour: a coroutine of the request and its connection. `requests` remembers all that arrived.
"""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

INFO = {"name": "evil", "version": "1", "x-vendor": "kept"}
SESSION = "session-1"


@dataclass
class Request:
    """One HTTP request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The JSON-RPC message, or an empty one."""
        found = json.loads(self.body) if self.body else {}
        assert isinstance(found, dict)
        return found

    @property
    def rpc(self) -> str:
        """The JSON-RPC method, or the HTTP method where there is none."""
        return str(self.message.get("method", self.method))


class Connection:
    """The way back to one client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes, pause: float) -> None:
        """The same again and again, with a pause of so many seconds, until the client hangs up."""
        while True:
            await self.raw(data)
            await asyncio.sleep(pause)

    async def answer(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        """A whole answer with its length."""
        await self.head(status, {"content-type": kind, "content-length": str(len(body)), **(headers or {})})
        await self.raw(body)

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.raw(f"HTTP/1.1 {status} Because\r\n{lines}\r\n".encode())

    async def result(self, request: Request, result: Any, headers: Mapping[str, str] | None = None) -> None:
        message = {"jsonrpc": "2.0", "id": request.message["id"], "result": result}
        await self.answer(200, json.dumps(message).encode(), headers)

    async def error(self, request: Request, code: int, message: str, *, status: int = 200, **more: Any) -> None:
        error = {"code": code, "message": message, **more}
        await self.answer(
            status, json.dumps({"jsonrpc": "2.0", "id": request.message.get("id"), "error": error}).encode()
        )

    async def stream(self, headers: Mapping[str, str] | None = None) -> None:
        """Begin an event stream that lasts until the connection does."""
        await self.head(200, {"content-type": "text/event-stream", "connection": "close", **(headers or {})})

    async def event(self, message: Any, event: str = "message") -> None:
        data = message if isinstance(message, str) else json.dumps(message)
        await self.raw(f"event: {event}\ndata: {data}\n\n".encode())

    async def gone(self) -> None:
        """Wait until the client hangs up."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """Break the connection off (RST)."""
        connected = self.writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Request, Connection], Awaitable[None]]


@dataclass
class EvilHttp:
    """The server. `port` 0 takes a free one; the same one may be given again to come back after `stop`."""

    behaviour: Behaviour
    port: int = 0
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break every connection off and stop listening."""
        self._server.close()
        for writer in list(self.open):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}/mcp"

    def seen(self, rpc: str) -> list[Request]:
        """The requests of one JSON-RPC (else HTTP) method."""
        return [request for request in self.requests if request.rpc == rpc]

    async def until(self, rpc: str, count: int = 1) -> Request:
        """Wait until `count` requests of a method arrived; the last of them."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.seen(rpc)) >= count)
        return self.seen(rpc)[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while request := await _read(reader):
                async with self._arrived:
                    self.requests.append(request)
                    self._arrived.notify_all()
                await self.behaviour(request, Connection(reader, writer))
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    first = await reader.readline()
    if not first:
        return None
    method, _, rest = first.decode("latin-1").partition(" ")
    target, _, version = rest.partition(" ")
    if not version.startswith("HTTP/"):
        return None
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


# Behaviours


def answers(result: Any) -> Behaviour:
    """Answer with this result."""

    async def behave(request: Request, connection: Connection) -> None:
        await connection.result(request, result)

    return behave


def refuses(code: int, message: str, *, status: int = 200, **more: Any) -> Behaviour:
    """Answer with a JSON-RPC error."""

    async def behave(request: Request, connection: Connection) -> None:
        await connection.error(request, code, message, status=status, **more)

    return behave


def says(status: int, body: bytes = b"", kind: str = "text/plain", **headers: str) -> Behaviour:
    """Answer with this status; underscores in header names become hyphens."""

    async def behave(request: Request, connection: Connection) -> None:
        await connection.answer(status, body, {n.replace("_", "-"): v for n, v in headers.items()}, kind)

    return behave


async def never(request: Request, connection: Connection) -> None:
    """Answer nothing until the client hangs up."""
    await connection.gone()


async def resets(request: Request, connection: Connection) -> None:
    """Break the connection off instead of answering."""
    connection.reset()


def streams(*events: Any, lasting: bool = True) -> Behaviour:
    """An event stream with these events, which then stands or ends."""

    async def behave(request: Request, connection: Connection) -> None:
        await connection.stream()
        for event in events:
            await connection.event(event)
        if lasting:
            await connection.gone()
        else:
            connection.writer.close()

    return behave


def mcp(era: str = "handshake", capabilities: Mapping[str, Any] | None = None, **methods: Behaviour) -> Behaviour:
    """A small correct server of one era; `methods` replace or add what it does, by JSON-RPC or HTTP method."""
    offered = dict(capabilities if capabilities is not None else {"tools": {}})
    own = _handshake(offered) if era == "handshake" else _stateless(offered)
    every = {**own, "tools/list": answers({"tools": [], "ttlMs": 0, "cacheScope": "private", "resultType": "complete"})}
    every |= methods

    async def behave(request: Request, connection: Connection) -> None:
        found = every.get(request.rpc)
        if found is not None:
            await found(request, connection)
        elif "id" in request.message:
            await connection.error(request, -32601, f"no {request.rpc}")
        elif request.message:
            await connection.answer(202)
        else:
            await connection.answer(200 if request.method == "DELETE" else 405)

    return behave


def _handshake(capabilities: Mapping[str, Any]) -> dict[str, Behaviour]:
    async def initialize(request: Request, connection: Connection) -> None:
        result = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": INFO}
        await connection.result(request, result, {"mcp-session-id": SESSION})

    return {"initialize": initialize, "ping": answers({})}


def _stateless(capabilities: Mapping[str, Any]) -> dict[str, Behaviour]:
    result = {
        "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities,
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": INFO},
    }
    return {"server/discover": answers(result)}


class Sse:
    """The older transport: a standing stream that names where to post, and the answers on that stream.

    `methods` replace or add what is answered: a result, or None for nothing. `standing` is the live stream.
    """

    def __init__(self, endpoint: str = "/messages?sessionId=1", **methods: Any) -> None:
        self.endpoint = endpoint
        self.standing: Connection | None = None
        initialized = {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": INFO}
        self.methods = {"initialize": initialized, "ping": {}, "tools/list": {"tools": []}, **methods}

    async def __call__(self, request: Request, connection: Connection) -> None:
        if request.method == "GET":
            self.standing = connection
            await connection.stream()
            await connection.event(self.endpoint, "endpoint")
            await connection.gone()
            return
        await connection.answer(202)
        result = self.methods.get(request.rpc)
        if result is not None and self.standing is not None:
            await self.standing.event({"jsonrpc": "2.0", "id": request.message["id"], "result": result})
