"""`/connect/{namespace}/{connection}/mcp`: the gateway's endpoint, also for clients that skip the handshake."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine.desk import light
from tests.faces.api.connect.space import Space, space
from tests.requirements import requirement
from tests.rig import evil_http

pytestmark = [requirement("API-2:mcp"), pytest.mark.anyio]

BOTH = "application/json, text/event-stream"
SKIPPED = {"accept": BOTH, "mcp_session_id": "smithery-stateless"}


def rpc(method: str, number: int | None = 1, **params: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if number is None else {**message, "id": number}


def initialize() -> dict[str, Any]:
    client = {"name": "t", "version": "1"}
    return rpc("initialize", protocolVersion="2025-11-25", capabilities={"elicitation": {}}, clientInfo=client)


async def post(desk: Space, message: Any, role: Any = "client", **headers: str) -> Any:
    return await desk.ask("POST", "/ev/mcp", message, role, **{"accept": BOTH, **headers})


async def test_a_client_that_skips_the_handshake_lists_and_calls_straight_away(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        for headers in (SKIPPED, {"accept": BOTH}):
            listed = await post(desk, rpc("tools/list"), **headers)
            assert (listed.status, listed.json["id"]) == (200, 1)
            assert "echo" in [tool["name"] for tool in listed.json["result"]["tools"]]
            called = await post(desk, rpc("tools/call", name="echo", arguments={"text": "hi"}), **headers)
            assert called.json["result"]["content"] == [{"type": "text", "text": "hi"}]
            assert (await post(desk, rpc("notifications/initialized", None), **headers)).status == 202
            assert (await post(desk, rpc("ping"), **headers)).json["result"] == {}
            assert "mcp-session-id" not in called.headers


async def test_both_layouts_have_it(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        for path in ("/desk/ev/mcp", "/connect/desk/ev/mcp"):
            answer = await desk.engine.ask("POST", path, "client", rpc("ping"), accept=BOTH)
            assert answer.json["result"] == {}


async def test_a_client_that_begins_a_session_has_one(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        begun = await post(desk, initialize())
        number = begun.headers["mcp-session-id"]
        assert begun.json["result"]["serverInfo"]["name"] == "ev"
        assert (await post(desk, rpc("notifications/initialized", None), mcp_session_id=number)).status == 202
        assert (await post(desk, rpc("ping"), mcp_session_id=number)).json["result"] == {}
        ended = await desk.ask("DELETE", "/ev/mcp", None, "client", mcp_session_id=number, connection="close")
        assert ended.status == 204
        assert (await post(desk, rpc("ping"), mcp_session_id=number)).status == 404


async def test_without_a_session_there_is_nothing_to_hear_and_nothing_to_end(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        for method in ("GET", "DELETE"):
            for headers in (SKIPPED, {"accept": BOTH}):
                refused = await desk.ask(method, "/ev/mcp", None, "client", **headers)
                assert (refused.status, refused.headers["allow"]) == (405, "POST")


async def test_clients_without_a_session_do_not_meet(tmp_path: Path) -> None:
    """Each numbers its requests from the same number on."""
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        answers: dict[str, Any] = {}

        async def call(text: str) -> None:
            message = rpc("tools/call", 1, name="echo", arguments={"text": text})
            answers[text] = (await post(desk, message, **SKIPPED)).json["result"]["content"][0]["text"]

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(call, f"t{number}")
        assert answers == {f"t{number}": f"t{number}" for number in range(20)}


async def test_a_client_of_the_stateless_era_is_served_as_such(tmp_path: Path) -> None:
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        message = rpc("tools/list", _meta=meta)
        listed = await post(desk, message, mcp_protocol_version=version, mcp_method="tools/list")
        assert listed.json["result"]["resultType"] == "complete"


async def test_who_may_only_look_lists_and_does_not_call(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        assert (await post(desk, rpc("tools/list"), "viewer")).json["result"]["tools"]
        refused = await post(desk, rpc("tools/call", name="echo", arguments={"text": "x"}), "viewer")
        assert "may look and not call" in str(refused.json)
        assert (await post(desk, rpc("ping"), None)).status == 401


async def test_what_is_not_there_is_404_in_the_shape_of_the_dialect(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        for path in ("/nobody/mcp", "/nobody/mcp/x"):
            unknown = await desk.ask("POST", path, rpc("ping"))
            assert (unknown.status, set(unknown.json)) == (404, {"error", "message"})


async def test_malformed_messages_are_4xx_and_change_nothing(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        bodies: list[Any] = [b"", b"{", b"null", b"[]", b"7", b'{"jsonrpc": "2.0"}', b"[" * 5000, [rpc("ping")], {}]
        for body in bodies:
            for headers in (SKIPPED, {"accept": BOTH}):
                assert 400 <= (await post(desk, body, **headers)).status < 500, body
        assert (await post(desk, rpc("ping"), content_type="text/plain")).status == 415


async def test_a_list_waits_for_a_session_that_is_on_its_way(tmp_path: Path) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()
    tools = {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}

    async def slow(request: evil_http.Request, connection: evil_http.Connection) -> None:
        asked.set()
        await go_on.wait()
        await connection.result(request, tools)

    methods: Any = {"tools/list": slow}
    async with evil_http.EvilHttp(evil_http.mcp(**methods)) as server, space(tmp_path) as desk:
        names: list[str] = []

        async def make() -> None:
            await desk.ask("PUT", "/ev", {"mcpUrl": server.url})

        async def look() -> None:
            found = (await post(desk, rpc("tools/list"), **SKIPPED)).json["result"]["tools"]
            names.extend(tool["name"] for tool in found)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(make)
                await asked.wait()
                group.start_soon(look)
                await anyio.lowlevel.checkpoint()
                assert names == []
                go_on.set()
        assert names == ["t"]
