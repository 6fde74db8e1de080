"""A gateway that is listened to: a real engine, a real listener on loopback, and a plain HTTP client in front of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from reconciler.engine.host import Host
from reconciler.faces.cli.front import Front
from reconciler.faces.cli.listeners import all_faces
from reconciler.faces.gateway.endpoint import Gateway
from reconciler.faces.gateway.limits import LIMITS, Limits
from reconciler.faces.http.access import Door, Failures
from reconciler.faces.http.address import Address, bind
from reconciler.faces.http.listener import Listener
from reconciler.store.tokens import LOCAL_ROLES, Role, create_token, local_token
from tests.engine.desk import Desk, desk

RIG = Path(__file__).parents[2] / "rig"
STATELESS = "2026-07-28"
HANDSHAKE = "2025-11-25"
META = "io.modelcontextprotocol/"
BOTH = "application/json, text/event-stream"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
PATIENCE = 20.0


def program(name: str, *options: str, **fields: Any) -> dict[str, Any]:
    """A written server: a program of the rig."""
    return {"command": sys.executable, "args": ["-E", "-S", "-u", str(RIG / f"{name}.py"), *options], **fields}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `messages` are the events of a stream, or the one JSON body."""

    status: int
    headers: Mapping[str, str]
    messages: list[Any]

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def last(self) -> Any:
        return self.messages[-1]

    @property
    def result(self) -> Any:
        return self.last["result"]

    @property
    def error(self) -> Any:
        return self.last["error"]


class Stream:
    """An answer that is being read."""

    def __init__(self, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._lines = response.aiter_lines()

    async def next(self) -> Any:
        """The next event's message. Raises StopAsyncIteration at the end."""
        async for line in self._lines:
            if line.startswith("data: "):
                return json.loads(line[6:])
        raise StopAsyncIteration

    async def rest(self) -> list[Any]:
        found = []
        with suppress(StopAsyncIteration):
            while True:
                found.append(await self.next())
        return found


class Client:
    """One client of one endpoint, in either era. `token` is shown with every request."""

    def __init__(self, http: httpx2.AsyncClient, path: str, token: str | None) -> None:
        self.http = http
        self.path = path
        self.headers = {"accept": BOTH, "content-type": "application/json"}
        if token:
            self.headers["authorization"] = f"Bearer {token}"
        self.numbers = iter(range(1, 1_000_000))

    async def post(self, body: Any, **headers: str | None) -> Answer:
        """One POST. A `body` of bytes goes as it is."""
        response = await self.http.post(self.path, content=_bytes(body), headers=self._with(headers))
        return _answer(response)

    @asynccontextmanager
    async def stream(self, method: str, body: Any = None, **headers: str | None) -> AsyncIterator[Stream]:
        content = None if body is None else _bytes(body)
        async with self.http.stream(method, self.path, content=content, headers=self._with(headers)) as response:
            yield Stream(response)

    def _with(self, headers: Mapping[str, str | None]) -> dict[str, str]:
        merged = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return {name: value for name, value in merged.items() if value is not None}


class Handshaken(Client):
    """A client of the handshake era; `open` it first."""

    async def open(self, *, version: str = HANDSHAKE, capabilities: Mapping[str, Any] | None = None) -> Any:
        """The result of `initialize`."""
        params = {
            "protocolVersion": version,
            "capabilities": dict(capabilities or {}),
            "clientInfo": {"name": "test", "version": "1"},
        }
        answer = await self.ask("initialize", **params)
        self.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
        self.headers["mcp-protocol-version"] = answer.result["protocolVersion"]
        assert (await self.tell("notifications/initialized")).status == 202
        return answer.result

    def request(self, method: str, /, **params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": params}

    async def ask(self, method: str, /, **params: Any) -> Answer:
        return await self.post(self.request(method, **params))

    async def tell(self, method: str, /, **params: Any) -> Answer:
        return await self.post({"jsonrpc": "2.0", "method": method, "params": params})

    async def call(self, name: str, /, **arguments: Any) -> Answer:
        return await self.ask("tools/call", name=name, arguments=arguments)


class Stateless(Client):
    """A client of the stateless era. `capabilities` and `meta` go with every request."""

    def __init__(self, http: httpx2.AsyncClient, path: str, token: str | None) -> None:
        super().__init__(http, path, token)
        self.capabilities: dict[str, Any] = {}
        self.meta: dict[str, Any] = {}

    def request(self, method: str, /, **params: Any) -> dict[str, Any]:
        meta = {
            META + "protocolVersion": STATELESS,
            META + "clientInfo": {"name": "test", "version": "1"},
            META + "clientCapabilities": self.capabilities,
            **self.meta,
        }
        return {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": {"_meta": meta, **params}}

    def routing(self, request: Mapping[str, Any]) -> dict[str, str]:
        """The headers that repeat a request's body."""
        method = request["method"]
        headers = {"mcp_protocol_version": STATELESS, "mcp_method": method}
        named = request["params"].get(NAMED.get(method, ""))
        return headers if named is None else {**headers, "mcp_name": named}

    async def ask(self, method: str, /, **params: Any) -> Answer:
        request = self.request(method, **params)
        return await self.post(request, **self.routing(request))

    async def call(self, name: str, /, **arguments: Any) -> Answer:
        return await self.ask("tools/call", name=name, arguments=arguments)


class Served:
    """A listening gateway."""

    def __init__(self, desk: Desk, gateway: Gateway, http: httpx2.AsyncClient, url: str) -> None:
        self.desk = desk
        self.gateway = gateway
        self.http = http
        self.url = url
        self.tokens: dict[str, str] = {role: local_token(desk.project.state, role) or "" for role in LOCAL_ROLES}
        self.token = self.tokens["client"]

    def create_token(self, role: Role, name: str | None = None) -> tuple[str, str]:
        """One more token: its name and its text."""
        made, text = create_token(self.desk.project.state, role, name)
        self.desk.project.tokens.look()
        return made.name, text

    def handshaken(self, path: str = "/mcp", token: str | None = None) -> Handshaken:
        return Handshaken(self.http, path, token or self.token)

    def stateless(self, path: str = "/mcp", token: str | None = None) -> Stateless:
        return Stateless(self.http, path, token or self.token)

    def client(self, era: str, path: str = "/mcp") -> Handshaken | Stateless:
        return self.handshaken(path) if era == "handshake" else self.stateless(path)

    async def raw(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The whole answer to a request that is sent as it is."""
        async with self.dialled() as (reader, writer):
            writer.write(head(method, path, {**headers, "content-length": str(len(body)), "connection": "close"}))
            writer.write(body)
            return await reader.read()

    @asynccontextmanager
    async def dialled(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection."""
        port = int(self.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def opened(self, path: str = "/mcp", **options: Any) -> Handshaken:
        client = self.handshaken(path)
        await client.open(**options)
        return client


@asynccontextmanager
async def served(
    folder: Path, servers: dict[str, Any], *, limits: Limits = LIMITS, **settings: Any
) -> AsyncIterator[Served]:
    """An engine with these servers applied, its gateway listening, and a client that gives up after PATIENCE."""
    async with desk(folder, servers, **settings) as at:
        await at.apply()
        gateway = Gateway(at.host, limits)
        with anyio.fail_after(PATIENCE):
            async with (
                listening(at.host, gateway) as url,
                httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http,
            ):
                yield Served(at, gateway, http, url)


@asynccontextmanager
async def listening(host: Host, gateway: Gateway) -> AsyncIterator[str]:
    """The URL of a listener with a gateway behind it."""
    bound, address = bind(Address("127.0.0.1", 0))
    listener = Listener(Front(host, Door(failures=Failures()), all_faces(host, gateway)), bound)
    running = asyncio.create_task(listener.serve())
    try:
        yield address.url()
    finally:
        listener.end()
        await running


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request, byte for byte."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _answer(response: httpx2.Response) -> Answer:
    text = response.text
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        messages = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    else:
        messages = [json.loads(text)] if text else []
    return Answer(response.status_code, response.headers, messages)
