"""The list-servers dialect over a real listener: the seed's own call, and what stands beside it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reconciler.store.tokens import adopt_token, create_token
from tests.engine.desk import light
from tests.engine.listing import lay
from tests.engine.listing import listed as listed_server
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer, ask
from tests.requirements import requirement
from tests.rig import sdk_http

pytestmark = pytest.mark.anyio

MEMBERS = ["id", "projectId", "name", "description", "url", "transportType", "connectionType", "status"]
MEMBERS += ["capabilities", "lastConnectedAt", "createdAt", "updatedAt"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


async def listed(engine: Hosted, project: str = "desk", role: Any = "viewer") -> dict[str, dict[str, Any]]:
    answer = await engine.ask("GET", f"/api/mcp/servers?projectId={project}", role)
    assert (answer.status, answer.json["success"]) == (200, True), answer.body
    return {row["id"]: row for row in answer.json["servers"]}


async def post(engine: Hosted, path: str, body: Any = None, role: Any = "operator") -> Answer:
    return await engine.ask("POST", f"/api/mcp{path}", role, body)


async def apply(engine: Hosted) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
    assert answer.status == 200, answer.body


async def settled(engine: Hosted, server: str) -> None:
    with anyio.fail_after(20):
        await engine.host.root.settled(server)


@requirement("API-1:list")
async def test_each_server_has_every_member_in_its_type_and_null_where_nobody_knows(tmp_path: Path) -> None:
    async with sdk_http.serving() as url:
        servers = {
            "local": light("local", name="Production Server", description="Main production MCP server"),
            "there": {"url": url, "connection": "direct"},
            "events": {"url": "https://example.com/sse", "type": "sse", "enabled": False},
            "dials_in": {"type": "uplink"},
            "mocked": {"mock": {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}},
        }
        async with hosted(tmp_path, servers) as engine:
            await apply(engine)
            rows = await listed(engine)
            assert list(rows) == sorted(servers)
            for row in rows.values():
                assert list(row) == MEMBERS
                assert row["projectId"] == "desk"
                assert TIME.fullmatch(row["createdAt"]) and TIME.fullmatch(row["updatedAt"])
                assert row["lastConnectedAt"] is None or TIME.fullmatch(row["lastConnectedAt"])
            local = {"name": "Production Server", "description": "Main production MCP server", "url": None}
            local |= {"transportType": "stdio", "connectionType": "proxy", "status": "connected"}
            assert local.items() <= rows["local"].items()
            assert rows["local"]["capabilities"] == {"tools": True, "resources": False, "prompts": False}
            there = {"name": "there", "description": None, "url": url, "transportType": "http"}
            assert (there | {"connectionType": "direct", "status": "connected"}).items() <= rows["there"].items()
            assert rows["there"]["lastConnectedAt"] is not None
            events = {"transportType": "sse", "status": "disconnected", "capabilities": None, "lastConnectedAt": None}
            assert events.items() <= rows["events"].items()
            assert {"url": None, "transportType": "http", "capabilities": None}.items() <= rows["dials_in"].items()
            assert {"url": None, "transportType": "http", "status": "connected"}.items() <= rows["mocked"].items()


@requirement("API-1:list")
async def test_the_curl_of_the_seed_but_for_host_and_token(tmp_path: Path) -> None:
    async with sdk_http.serving() as url:
        server = {"url": url, "name": "Production Server", "description": "Main production MCP server"}
        async with hosted(tmp_path, {"mcp_abc123": server}) as engine:
            await apply(engine)
            head = f"GET /api/mcp/servers?projectId=desk HTTP/1.1\r\nHost: {engine.address.host}\r\n"
            answer = await ask(engine.address, f"{head}Authorization: Bearer {engine.token('viewer')}\r\n\r\n".encode())
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
            (row,) = answer.json["servers"]
            times = {name: row[name] for name in ("lastConnectedAt", "createdAt", "updatedAt")}
            assert all(TIME.fullmatch(moment) for moment in times.values())
            assert answer.json == {
                "success": True,
                "servers": [
                    {
                        "id": "mcp_abc123",
                        "projectId": "desk",
                        "name": "Production Server",
                        "description": "Main production MCP server",
                        "url": url,
                        "transportType": "http",
                        "connectionType": "proxy",
                        "status": "connected",
                        "capabilities": {"tools": True, "resources": True, "prompts": True},
                        **times,
                    }
                ],
            }


@requirement("API-1:list")
async def test_what_fails_is_in_error_and_what_is_not_enabled_is_disconnected(tmp_path: Path) -> None:
    servers = {"broken": {"command": "/nowhere/at-all"}, "off": light("off", enabled=False)}
    async with hosted(tmp_path, servers) as engine:
        await apply(engine)
        await settled(engine, "broken")
        rows = await listed(engine)
        assert {name: row["status"] for name, row in rows.items()} == {"broken": "error", "off": "disconnected"}
        detail = (await engine.ask("GET", "/api/mcp/servers/broken", "viewer")).json["server"]
        assert "/nowhere/at-all" in detail["lastError"]
        assert (await engine.ask("GET", "/api/mcp/servers/off", "viewer")).json["server"]["lastError"] is None


@requirement("API-1:whose")
async def test_a_project_is_named_once_and_an_unknown_one_has_no_servers(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        await apply(engine)
        for query in ("", "?", "?projectId", "?projectId=", "?projectid=desk", "?projectId=desk&projectId=desk"):
            answer = await engine.ask("GET", f"/api/mcp/servers{query}", "viewer")
            assert (answer.status, answer.json["success"]) == (400, False), query
            assert answer.json["message"]
        for name in ("nobody", "DESK", "desk%20", "%00", "..", "desk%2F"):
            assert await listed(engine, name) == {}
        assert list(await listed(engine, "%64esk")) == ["a"]
        answer = await engine.ask("GET", "/api/mcp/servers?projectId=desk")
        assert (answer.status, answer.json) == (401, {"success": False, "message": "Unauthorized"})


@requirement("API-1:whose")
async def test_a_token_reaches_the_servers_of_its_own_project_and_no_others(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"mine": light("mine", enabled=False)}, "other") as engine:
        await apply(engine)
        other = engine.host.projects["other"]
        made = create_token(other.state, "operator", "theirs")[1]
        other.tokens.look()
        theirs = {"authorization": f"Bearer {made}"}
        assert (await engine.ask("GET", "/api/mcp/servers?projectId=desk", **theirs)).status == 401
        both = "?projectId=other&projectId=desk"
        assert (await engine.ask("GET", f"/api/mcp/servers{both}", **theirs)).status == 400
        assert (await engine.ask("GET", f"/api/mcp/servers/mine{both}", **theirs)).status == 400
        for method, path in (("GET", "/mine"), ("DELETE", "/mine"), ("GET", "/mine/tools"), ("POST", "/mine/connect")):
            answer = await engine.ask(method, f"/api/mcp/servers{path}", None, {}, **theirs)
            assert (answer.status, answer.json["success"]) == (404, False), path
        text = engine.host.root.sources.main.read_bytes()
        body = {"projectId": "desk", "name": "x", "transportType": "http", "url": "https://example.com"}
        assert (await engine.ask("POST", "/api/mcp/servers", None, body, **theirs)).status == 404
        assert (await engine.ask("PATCH", "/api/mcp/servers/mine", None, {"name": "x"}, **theirs)).status == 404
        assert engine.host.root.sources.main.read_bytes() == text
        made_there = await engine.ask(
            "POST", "/api/mcp/servers", None, {**body, "projectId": "other", "name": "Their Own"}, **theirs
        )
        assert (made_there.status, made_there.json["serverId"]) == (200, "their-own")
        assert (await engine.ask("GET", "/api/mcp/servers/their-own", **theirs)).json["server"]["projectId"] == "other"
        assert (await engine.ask("GET", "/api/mcp/servers/their-own", "operator")).status == 404


@requirement("API-1:whose")
async def test_a_token_of_two_projects_may_in_each_what_its_role_there_allows(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}, "second") as engine:
        await apply(engine)
        desk, second = (engine.host.projects[name].state for name in ("desk", "second"))
        token, made = create_token(desk, "operator", "both")
        adopt_token(second, replace(token, role="viewer"))
        for project in engine.host.projects.values():
            project.tokens.look()
        body = {"name": "x", "transportType": "http", "url": "https://example.com"}
        headers = {"authorization": f"Bearer {made}"}
        for project, status in (("desk", 200), ("second", 403)):
            answer = await engine.ask("POST", "/api/mcp/servers", None, {**body, "projectId": project}, **headers)
            assert (answer.status, answer.json["success"]) == (status, status == 200), answer.body


@requirement("API-1:neighbours")
async def test_a_server_is_created_read_changed_and_deleted(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, hosted(tmp_path) as engine:
        body = {
            "projectId": "desk",
            "name": "Production Server",
            "transportType": "http",
            "url": url,
            "description": "Main",
            "connectionType": "proxy",
            "customHeaders": [{"key": "X-Team", "value": "us"}],
            "requestTimeout": 30000,
        }
        made = await post(engine, "/servers", body)
        created = {"success": True, "message": "MCP server created successfully", "serverId": "production-server"}
        assert (made.status, made.json) == (200, created)
        assert made.headers["x-reconciler-plan"].startswith("pln-")
        assert (await post(engine, "", body)).json["serverId"] == "production-server-2"
        await settled(engine, "production-server")
        detail = (await engine.ask("GET", "/api/mcp/production-server", "viewer")).json["server"]
        assert list(detail) == [*MEMBERS, "command", "args", "serverImplementation", "lastError"]
        assert (detail["command"], detail["args"], detail["lastError"]) == (None, None, None)
        assert detail["serverImplementation"]["name"] == "sample"
        change = {"name": "Other", "description": None, "customHeaders": []}
        answer = await engine.ask("PATCH", "/api/mcp/servers/production-server", "operator", change)
        assert (answer.status, answer.json) == (200, {"success": True})
        written = engine.host.root.ledger.document.servers["production-server"]
        assert written == {"name": "Other", "url": url, "headers": {}, "timeouts": {"call": "30s"}}
        answer = await engine.ask("DELETE", "/api/mcp/servers/production-server-2", "editor")
        assert (answer.status, answer.json) == (200, {"success": True})
        assert list(await listed(engine)) == ["production-server"]
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/tools")):
            gone = await engine.ask(method, f"/api/mcp/servers/production-server-2{path}", "operator", {})
            assert (gone.status, gone.json) == (404, {"success": False, "message": "MCP server not found"})


@requirement("API-1:neighbours")
async def test_connect_and_disconnect_are_enabled_in_the_file(tmp_path: Path) -> None:
    servers = {"a": light("a", enabled=False), "b": {"command": "/nowhere", "enabled": False}}
    async with hosted(tmp_path, servers) as engine:
        await apply(engine)
        assert (await post(engine, "/connect", {"id": "nobody"})).json == {
            "success": False,
            "message": "Server not found",
        }
        tools = {"tools": True, "resources": False, "prompts": False}
        connected = {"success": True, "message": "Connected successfully", "capabilities": tools}
        assert (await post(engine, "/servers/a/connect")).json == connected
        assert engine.host.root.ledger.document.servers["a"]["enabled"] is True
        assert (await post(engine, "/connect", {"id": "a"})).json == {**connected, "message": "Already connected"}
        assert (await post(engine, "/disconnect", {"id": "a"})).json == {"success": True}
        assert (await listed(engine))["a"]["status"] == "disconnected"
        failed = await post(engine, "/b/connect")
        assert (failed.status, failed.json["success"]) == (502, False)
        assert "/nowhere" in failed.json["message"]
        assert (await listed(engine))["b"]["status"] == "error"


@requirement("API-1:neighbours")
async def test_what_a_server_has_is_listed_and_read_through_the_gate(tmp_path: Path) -> None:
    schema = {"inputSchema": {"type": "object"}}
    asked = [{"name": "x", "description": "what", "required": True}, {"name": "y"}]
    lay(
        tmp_path,
        "a",
        tools=[{"name": "look", **schema}, {"name": "change", **schema}],
        resources=[{"uri": "file:///a b", "name": "A", "mimeType": "text/plain"}],
        prompts=[{"name": "ask", "description": "asks", "arguments": asked}],
    )
    servers = {
        "a": listed_server(tmp_path, "a", denyTools=["change"]),
        "off": light("off", enabled=False),
        "down": {"command": "/nowhere"},
    }
    async with hosted(tmp_path, servers) as engine:
        await apply(engine)
        for path in ("/a/tools", "/servers/a/tools", "/tools?id=a"):
            tools = (await engine.ask("GET", f"/api/mcp{path}", "viewer")).json["tools"]
            assert tools == [{"name": "look", "description": None, "inputSchema": {"type": "object"}}]
        resources = (await engine.ask("GET", "/api/mcp/resources?id=a", "viewer")).json["resources"]
        uri = "file:///a b"
        assert resources == [{"uri": uri, "name": "A", "description": None, "mimeType": "text/plain"}]
        prompts = (await engine.ask("GET", "/api/mcp/a/prompts", "viewer")).json["prompts"]
        arguments = [{"name": "x", "description": "what", "required": True}]
        arguments += [{"name": "y", "description": None, "required": False}]
        assert prompts == [{"name": "ask", "description": "asks", "arguments": arguments}]
        for answer in (
            await engine.ask("GET", f"/api/mcp/resources/read?id=a&uri={quote(uri, safe='')}", "client"),
            await post(engine, "/a/resources/read", {"uri": uri}, "client"),
        ):
            assert (answer.status, answer.json["success"]) == (200, True), answer.body
            assert answer.json["result"]["contents"] == []
        assert (tmp_path / "a" / "reached").read_text(encoding="utf-8") == f"resources/read {uri}\n" * 2
        refused = await post(engine, "/a/resources/read", {"uri": uri}, "viewer")
        assert (refused.status, refused.json["success"]) == (403, False)
        assert (await post(engine, "/a/resources/read", {}, "client")).status == 400
        got = await post(engine, "/a/prompts/get", {"name": prompts[0]["name"]}, "client")
        assert (got.status, "messages" in got.json["result"]) == (200, True)
        off = await engine.ask("GET", "/api/mcp/off/tools", "viewer")
        assert (off.status, off.json) == (409, {"success": False, "message": "it is disabled"})
        down = await engine.ask("GET", "/api/mcp/down/tools", "viewer")
        assert (down.status, "/nowhere" in down.json["message"]) == (503, True)
