"""Servers dial in at the connect dialect's addresses, over real listeners, and are called like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from reconciler.faces.api.connect.uplink import SocketRoute, routes
from reconciler.store.tokens import create_token, revoke_token
from tests.engine.desk import light
from tests.faces.api.connect.laptops import awaited, bearer, connected, laptop
from tests.faces.api.connect.space import Space, space
from tests.faces.http.raw import line
from tests.faces.http.sockets import NOISE, frame, raw_socket, refusal, upgrade
from tests.requirements import requirement
from tests.sessions.dialling import answers, silent

pytestmark = [requirement("API-2:uplink"), pytest.mark.anyio]
UPLINK: dict[str, Any] = {"type": "uplink"}
LAYOUTS = ("/connect/desk/far", "/desk/far")
BOTH = "application/json, text/event-stream"
PATIENT = {"type": "uplink", "timeouts": {"start": "300ms"}}


@asynccontextmanager
async def waiting(folder: Path, fields: dict[str, Any] = UPLINK, **others: Any) -> AsyncIterator[Space]:
    """An engine that waits for the server `far`."""
    async with space(folder, {"far": fields, **others}) as desk:
        yield desk


async def call(desk: Space, text: str, role: Any = "operator") -> Any:
    answer = await desk.ask("POST", "/far/.tools/echo", {"text": text}, role)
    return answer.json["content"][0]["text"] if answer.status == 200 else answer.json


# Good ones


@pytest.mark.parametrize("path", LAYOUTS)
async def test_a_server_that_dials_in_is_reached_every_way(tmp_path: Path, path: str) -> None:
    async with waiting(tmp_path) as desk, laptop(desk.engine, path):
        await connected(desk.engine)
        got = (await desk.ask("GET", "/far")).json
        assert (got["status"], got["transport"], got["mcpUrl"]) == ({"state": "connected"}, "uplink", None)
        assert got["serverInfo"] == {"name": "light", "version": "1"}
        listed = (await desk.ask("GET", "/far/.tools")).json
        assert "echo" in [tool["name"] for tool in listed["tools"]]
        assert await call(desk, "by .tools") == "by .tools"
        for at in ("/connect/desk/far/mcp", "/mcp", "/mcp/s/far"):
            assert await echo(desk, at) == at


async def echo(desk: Space, at: str) -> str:
    """What the tool answers to a client of the handshake era at an endpoint of the gateway."""

    async def ask(method: str, params: Any, **headers: str) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await desk.engine.ask("POST", at, "client", message, accept=BOTH, **headers)

    client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    session = {"mcp_session_id": (await ask("initialize", client)).headers["mcp-session-id"]}
    tools = (await ask("tools/list", {}, **session)).json["result"]["tools"]
    name = next(tool["name"] for tool in tools if tool["name"].endswith("echo"))
    called = await ask("tools/call", {"name": name, "arguments": {"text": at}}, **session)
    text: str = called.json["result"]["content"][0]["text"]
    return text


async def test_a_connection_is_made_by_a_set_and_awaited(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        made = await desk.ask("PUT", "/new", {"transport": "uplink", "name": "New"}, "editor")
        assert (made.status, made.json["status"], made.json["mcpUrl"]) == (200, {"state": "disconnected"}, None)
        assert desk.servers["new"]["type"] == "uplink"
        async with laptop(desk.engine, "/desk/new"):
            await connected(desk.engine, "new")
            assert (await desk.ask("DELETE", "/new", role="editor")).json == {"success": True}
        assert (await refusal(desk.engine.address, "/desk/new", additional_headers=bearer(desk.engine)))[0] == 404


async def test_the_newer_one_takes_the_place_of_the_older_one_if_it_insists(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk, laptop(desk.engine) as first:
        await connected(desk.engine)
        status, body = await refusal(desk.engine.address, LAYOUTS[0], additional_headers=bearer(desk.engine))
        assert (status, b'"already-connected"' in body) == (409, True)
        async with laptop(desk.engine, f"{LAYOUTS[0]}?force=1"):
            assert await first.ended() == (1001, "replaced")
            assert await call(desk, "still here") == "still here"


async def test_when_it_is_gone_calls_say_at_once_where_it_is_awaited(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk:
        async with laptop(desk.engine):
            await connected(desk.engine)
        where = f"waits for the server to dial in at ws://{desk.engine.address.url()[7:]}/connect/desk/far"
        assert await awaited(desk.engine) == where
        answer = await desk.ask("POST", "/far/.tools/echo", {"text": "x"})
        assert (answer.status, where in answer.json["message"]) == (503, True)
        assert (await desk.ask("GET", "/far")).json["status"] == {"state": "disconnected"}


async def test_a_disabled_server_is_hung_up_on(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk, laptop(desk.engine) as far:
        await connected(desk.engine)
        desk.file.write_text(desk.text.replace('"uplink"', '"uplink", "enabled": false'), encoding="utf-8")
        await desk.apply()
        assert (await far.ended())[0] == 1012
        assert (await refusal(desk.engine.address, LAYOUTS[0], additional_headers=bearer(desk.engine)))[0] == 409


# Who may


@pytest.mark.parametrize("role", [None, "viewer", "client", "editor", "operator"])
async def test_only_who_may_write_servers_may_be_one(tmp_path: Path, role: Any) -> None:
    wanted = {None: 401, "viewer": 403, "client": 403}.get(role, 101)
    async with waiting(tmp_path) as desk:
        headers = bearer(desk.engine, role) if role else {}
        for path in LAYOUTS:
            status, body = await refusal(desk.engine.address, f"{path}?force=1", additional_headers=headers)
            assert (status, b'"message"' in body) == (wanted, wanted != 101), path


def test_every_route_of_a_socket_has_a_role() -> None:
    found = {route.path: route.least for route in routes() if isinstance(route, SocketRoute)}
    assert found == {"/{namespace}/{connection}": "editor", "/{path:path}": "viewer"}
    assert len(found) == len(routes())


async def test_a_token_of_another_namespace_opens_nothing(tmp_path: Path) -> None:
    async with space(tmp_path, {"far": UPLINK}, "other") as desk:
        other = desk.engine.host.projects["other"]
        token = create_token(other.state, "operator", "strange")[1]
        other.tokens.look()
        headers = {"Authorization": f"Bearer {token}"}
        assert (await refusal(desk.engine.address, LAYOUTS[0], additional_headers=headers))[0] == 401


async def test_a_token_that_is_taken_back_ends_what_it_opened(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk, laptop(desk.engine) as far:
        await connected(desk.engine)
        revoke_token(desk.engine.state, "editor-token")
        desk.engine.host.root.tokens.look()
        assert await far.ended() == (1008, "the token was taken back")
        await awaited(desk.engine)
        assert (await refusal(desk.engine.address, LAYOUTS[0], additional_headers=bearer(desk.engine)))[0] == 401


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("localhost", {"Origin": "https://evil.example"}, 403),
        ("localhost", {"Origin": "null"}, 403),
        ("localhost", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("evil.example", {}, 421),
        ("", {}, 400),
    ],
    ids=str,
)
async def test_pages_of_others_and_other_names_open_nothing(
    tmp_path: Path, host: str, headers: dict[str, str], status: int
) -> None:
    async with waiting(tmp_path) as desk, line(desk.engine.address) as one:
        authorization = bearer(desk.engine)["Authorization"]
        await one.say(upgrade(LAYOUTS[0], host, Authorization=authorization, **headers))
        assert (await one.hear()).status == status


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/desk/unknown", 404, "not-found"),
        ("/nowhere/far", 404, "not-found"),
        ("/desk", 404, "not-found"),
        ("/connect/desk/far/mcp", 404, "not-found"),
        ("/desk/process", 409, "not-uplink"),
        ("/desk/mocked", 409, "not-uplink"),
        ("/desk/off", 409, "disabled"),
        ("/mcp", 404, "nothing here speaks WebSocket"),
        ("/api/v1/status", 404, "nothing here speaks WebSocket"),
        ("/api/config", 404, "nothing here speaks WebSocket"),
        ("/api/mcp/servers", 404, "nothing here speaks WebSocket"),
    ],
)
async def test_where_no_server_is_to_dial_in_the_answer_says_so(
    tmp_path: Path, path: str, status: int, said: str
) -> None:
    others = {"process": light("p"), "mocked": {**UPLINK, "mock": {}}, "off": {**UPLINK, "enabled": False}}
    async with waiting(tmp_path, **others) as desk:
        found, body = await refusal(desk.engine.address, path, additional_headers=bearer(desk.engine))
        assert (found, said in body.decode()) == (status, True)


@requirement("LIVE-2:pause")
async def test_a_server_that_is_paused_is_hung_up_on_and_turned_away(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk:
        async with laptop(desk.engine, LAYOUTS[0]):
            await connected(desk.engine)
            paused = await desk.engine.ask("POST", "/api/v1/servers/far/pause", "operator", {})
            assert (paused.json["status"], paused.json["health"]) == ("disconnected", "Suspended")
        found, body = await refusal(desk.engine.address, "/desk/far", additional_headers=bearer(desk.engine))
        assert (found, "paused by operator-token" in body.decode()) == (409, True)
        assert (await desk.ask("GET", "/far")).json["status"] == {"state": "disconnected"}
        await desk.engine.ask("POST", "/api/v1/servers/far/resume", "operator", {})
        async with laptop(desk.engine, LAYOUTS[0]):
            await connected(desk.engine)


# Hostile ones


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (frame(b"x" * (4 * 1024 * 1024 + 1)), "1009"),
        (frame(NOISE, Opcode.BINARY), "only text frames are understood"),
        (frame(b"not JSON at all") * 100, "100 lines in a row that are no JSON-RPC, the first: not JSON at all"),
        (b"\x00" * 1000, "1002"),
        (b"", "It did not complete the handshake within 0.3 s."),
        (frame(b'{"jsonrpc": "2.0", "method": "notifications/x"}') * 1000, "It did not complete the handshake"),
    ],
    ids=["huge", "binary", "garbage", "no-frames", "silent", "notifications"],
)
async def test_one_that_misbehaves_is_turned_away_and_disturbs_nobody(tmp_path: Path, sent: bytes, why: str) -> None:
    async with waiting(tmp_path, PATIENT, other=light("other")) as desk:
        authorization = bearer(desk.engine)["Authorization"]
        async with raw_socket(desk.engine.address, LAYOUTS[0], Authorization=authorization) as one:
            await one.say(sent)
            other = await desk.ask("POST", "/other/.tools/echo", {"text": "undisturbed"})
            assert other.json["content"][0]["text"] == "undisturbed"
            await one.end()
        reason = await awaited(desk.engine)
        assert reason.startswith("waits for the server to dial in at ws://")
        assert why in reason
        async with laptop(desk.engine):
            await connected(desk.engine)
            assert await call(desk, "welcome") == "welcome"


async def test_one_that_leaves_in_the_middle_of_a_frame_has_left(tmp_path: Path) -> None:
    async with waiting(tmp_path) as desk:
        authorization = bearer(desk.engine)["Authorization"]
        async with raw_socket(desk.engine.address, LAYOUTS[0], Authorization=authorization) as one:
            await one.say(frame(b"x" * 1000)[:500])
        assert "The connection broke off." in await awaited(desk.engine)


async def test_a_call_that_is_in_flight_when_it_leaves_fails_at_once(tmp_path: Path) -> None:
    asked = asyncio.Event()

    def reply(method: str, params: Any) -> Any:
        if method == "tools/call":
            asked.set()
            return silent(method, params)
        return answers(method, params)

    async with waiting(tmp_path) as desk, laptop(desk.engine, reply=reply) as far:
        await connected(desk.engine)
        calling = asyncio.create_task(call(desk, "never"))
        await asked.wait()
        far.socket.transport.abort()
        assert "broke off" in (await calling)["message"]


# Mocks


@requirement("CFG-3:mock")
async def test_a_mock_that_is_made_by_a_set_is_connected_and_says_what_it_is(tmp_path: Path) -> None:
    mock = {"enabled": True, "scenario": "A workspace with three channels."}
    body = {"mcpUrl": "https://mcp.example.com/mcp", "mock": mock}
    async with space(tmp_path) as desk:
        made = await desk.ask("PUT", "/sim", body)
        assert (made.status, made.json["status"], made.json["mock"]) == (200, {"state": "connected"}, mock)
        assert (await desk.ask("GET", "/sim/.tools")).json == {"tools": []}
        again = await desk.ask("PUT", "/sim", {"mock": {"enabled": False}, "name": "Sim"})
        assert (again.json["mock"], again.json["name"]) == (mock, "Sim")
