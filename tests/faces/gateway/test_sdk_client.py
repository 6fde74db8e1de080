"""The Python SDK's client, in either era, in front of servers of both: lists, calls, questions, progress, changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.faces.gateway.served import Served, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:one-url", "GATE-1:questions")]

Mode = Literal["legacy", "2026-07-28", "auto"]
MODES: list[Mode] = ["legacy", "2026-07-28", "auto"]
SPOKEN = {"legacy": "2025-11-25", "2026-07-28": "2026-07-28", "auto": "2026-07-28"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


@asynccontextmanager
async def connected(gateway: Served, mode: Mode, path: str = "/mcp", **options: Any) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {gateway.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(gateway.url + path, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=10, **options) as client:
            yield client


async def ada(_: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={"name": f"Ada: {params.message}"})


@pytest.mark.parametrize("mode", MODES)
async def test_it_lists_calls_and_is_asked(gateway: Served, mode: Mode) -> None:
    async with connected(gateway, mode, elicitation_callback=ada) as client:
        assert client.protocol_version == SPOKEN[mode]
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"old__ask", "new__ask"} <= set(names)
        for server in ("old", "new"):
            result = await client.call_tool(f"{server}__ask", {"text": "who?", "times": 2})
            (content,) = result.content
            assert isinstance(content, types.TextContent)
            said = [each["content"]["name"] for each in json.loads(content.text)]
            assert said == ["Ada: who?"] * 2
            prompt = await client.get_prompt(f"{server}__asks")
            assert "Ada" in str(prompt.messages[0].content)
            read = await client.read_resource(f"reconciler:{server}/note://one")
            assert read.contents[0].uri == f"reconciler:{server}/note://one"


@pytest.mark.parametrize("mode", MODES)
async def test_it_hears_progress_and_errors(gateway: Served, mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with connected(gateway, mode, "/mcp/s/new") as client:
        result = await client.call_tool("steps", {"count": 3}, progress_callback=hear)
        assert isinstance(result.content[0], types.TextContent) and result.content[0].text == "stepped"
        assert heard == [0, 1, 2]
        with pytest.raises(MCPError) as refused:
            await client.call_tool("nothing", {})
        assert refused.value.error.code == -32602


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_with_a_session_it_hears_of_updates_and_changes(gateway: Served) -> None:
    send, receive = anyio.create_memory_object_stream[Any](10)

    async def hear(message: Any) -> None:
        await send.send(message)

    async with connected(gateway, "legacy", "/mcp/s/old", message_handler=hear) as client, send, receive:
        await client.subscribe_resource("note://one")
        while True:
            await client.call_tool("touch", {})
            with anyio.move_on_after(0.5):
                message = await receive.receive()
                assert isinstance(message, types.ResourceUpdatedNotification)
                assert message.params.uri == "note://one"
                return


async def test_without_a_session_it_listens(gateway: Served) -> None:
    async with (
        connected(gateway, "2026-07-28", "/mcp/s/old") as client,
        client.listen(resource_subscriptions=["note://one"]) as events,
        anyio.create_task_group() as tasks,
    ):
        heard = anyio.Event()

        async def touch() -> None:
            while not heard.is_set():
                await client.call_tool("touch", {})
                with anyio.move_on_after(0.5):
                    await heard.wait()

        tasks.start_soon(touch)
        async for event in events:
            assert getattr(event, "uri", None) == "note://one"
            heard.set()
            break
