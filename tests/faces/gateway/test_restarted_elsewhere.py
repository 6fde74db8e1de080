"""A server over HTTP that is restarted while nobody calls it: clients hear of its new tools, calls work or say why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.faces.gateway.served import PATIENCE, Handshaken, Served, Stateless, Stream, served
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, Sse, answers, mcp, says, streams

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:restarted-elsewhere")]

CHANGES = {"tools": {"listChanged": True}}
TOOLS = "notifications/tools/list_changed"


class Elsewhere:
    """A server that offers `echo` and a tool named after its life, and knows no session of a life before. `way`:
    `handshake` with a standing stream, `without` one, `stateless`, or `sse`."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.life = 0
        self.live_again()

    def live_again(self) -> None:
        self.life += 1
        names = ["echo", f"life-{self.life}"]
        tools = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        called = {"content": [{"type": "text", "text": f"life {self.life}"}]}
        methods = {"tools/list": answers(tools), "tools/call": answers(called)}
        self._behave: Behaviour
        match self.way:
            case "sse":
                self._behave = Sse(f"/messages?sessionId={self.life}", **{"tools/list": tools, "tools/call": called})
            case "stateless":
                self._behave = mcp("stateless", CHANGES, **{"subscriptions/listen": streams(), **methods})
            case _:
                stream = streams() if self.way == "handshake" else says(405)
                self._behave = mcp("handshake", CHANGES, initialize=self._greet, GET=stream, **methods)

    @property
    def _session(self) -> str:
        return f"session-{self.life}"

    async def _greet(self, request: Request, connection: Connection) -> None:
        info = {"name": "elsewhere", "version": str(self.life)}
        result = {"protocolVersion": "2025-11-25", "capabilities": CHANGES, "serverInfo": info}
        await connection.result(request, result, {"mcp-session-id": self._session})

    async def __call__(self, request: Request, connection: Connection) -> None:
        if request.headers.get("mcp-session-id", self._session) != self._session:
            await connection.error(request, -32600, "Session not found", status=404)
        else:
            await self._behave(request, connection)


@asynccontextmanager
async def hearing(client: Handshaken | Stateless) -> AsyncIterator[Stream]:
    """What the client is told between its requests, from now on."""
    if isinstance(client, Handshaken):
        await client.open()
        async with client.stream("GET", accept="text/event-stream") as stream:
            yield stream
    else:
        request = client.request("subscriptions/listen", notifications={"toolsListChanged": True})
        async with client.stream("POST", request, **client.routing(request)) as stream:
            await stream.next()
            yield stream


async def names(client: Handshaken | Stateless) -> list[str]:
    return [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]]


@asynccontextmanager
async def elsewhere(folder: Path, way: str) -> AsyncIterator[tuple[Elsewhere, EvilHttp, Served]]:
    serving = Elsewhere(way)
    async with EvilHttp(serving) as server:
        written: dict[str, Any] = {"there": {"type": "sse" if way == "sse" else "http", "url": server.url}}
        async with served(folder, written, defaults={"requireApproval": False}) as gateway:
            yield serving, server, gateway


@pytest.mark.parametrize("era", ["handshake", "stateless"])
@pytest.mark.parametrize("way", ["handshake", "stateless", "sse"])
async def test_new_tools_after_a_restart_are_heard_of_although_nobody_calls(tmp_path: Path, way: str, era: str) -> None:
    async with elsewhere(tmp_path, way) as (serving, server, gateway):
        client = gateway.client(era)
        async with hearing(client) as heard:
            assert await names(client) == ["there__echo", "there__life-1"]
            await server.stop()
            serving.live_again()
            await server.start()
            with anyio.fail_after(PATIENCE):
                while await names(client) != ["there__echo", "there__life-2"]:
                    assert (await heard.next())["method"] == TOOLS


@pytest.mark.parametrize("way", ["handshake", "without", "stateless", "sse"])
async def test_the_next_call_after_a_restart_works_or_says_why(tmp_path: Path, way: str) -> None:
    async with elsewhere(tmp_path, way) as (serving, server, gateway):
        client = await gateway.opened()
        async with hearing(gateway.stateless()) as heard:
            assert (await client.call("there__echo")).result["content"][0]["text"] == "life 1"
            await server.stop()
            serving.live_again()
            await server.start()
            told = []
            for _ in range(20):
                answer = (await client.call("there__echo")).last
                if answer.get("result", {}).get("content") == [{"type": "text", "text": "life 2"}]:
                    break
                told.append(str(answer))
            assert all("127.0.0.1" in each for each in told), told
            assert len(told) < 5, told
            with anyio.fail_after(PATIENCE):
                while "there__life-2" not in await names(client):
                    assert (await heard.next())["method"] == TOOLS
