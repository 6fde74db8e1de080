"""The list-servers dialect over a real listener: the seed's own call, and what stands beside it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reconciler.faces.api.access import RANKS
from reconciler.faces.api.list_servers.endpoint import routes
from reconciler.gate.gate import Role
from reconciler.store.tokens import adopt_token, create_token
from tests.canary import CANARY
from tests.engine.desk import light
from tests.engine.listing import lay
from tests.engine.listing import listed as listed_server
from tests.faces.api.config.test_endpoint import MALFORMED
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
        for hosted_one in engine.host.projects.values():
            hosted_one.tokens.look()
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
        change: dict[str, Any] = {"name": "Other", "description": None, "customHeaders": []}
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
        await engine.ask("POST", "/api/v1/servers/a/pause", "operator", {})
        assert (await listed(engine))["a"]["status"] == "disconnected"
        for answer in (
            await post(engine, "/connect", {"id": "a"}),
            await engine.ask("GET", "/api/mcp/a/tools", "viewer"),
        ):
            assert "`reconciler resume a` ends that" in answer.json["message"] and answer.json["success"] is False
        await engine.ask("POST", "/api/v1/servers/a/resume", "operator", {})
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


@requirement("API-1:nothing-is-tried")
async def test_what_is_asked_about_is_neither_started_nor_contacted(tmp_path: Path) -> None:
    ran, trap = tmp_path / "ran", tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\necho x >> {ran}\n", encoding="utf-8")
    trap.chmod(0o755)
    reached: list[object] = []
    listener = await asyncio.start_server(lambda *_: reached.append(1), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, hosted(tmp_path) as engine:
        text = engine.host.root.sources.main.read_bytes()
        commands = [{"transportType": "stdio", "command": str(trap), **more} for more in ({}, {"args": "-c 'x'"})]
        addresses = [f"http://{host}:{port}/mcp" for host in ("127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]")]
        remotes = [{"transportType": kind, "url": url} for url in addresses for kind in ("http", "sse")]
        for body in (*commands, *remotes):
            answer = await post(engine, "/validate", body, "viewer")
            assert (answer.status, answer.json["valid"], answer.json["status"]) == (200, True, "ok"), body
            assert "Nothing was tried" in answer.json["message"]
            assert (answer.json["capabilities"], answer.json["serverInfo"]) == (None, None)
        for url in addresses:
            auth = await post(engine, "/detect-auth", {"url": url}, "viewer")
            assert (auth.status, auth.json["success"]) == (200, False)
            assert list(auth.json) == ["success", "isAuthenticated", "authType", "requiresAuth", "error"]
            transport = await post(engine, "/detect-transport", {"url": url}, "viewer")
            assert (transport.status, transport.json["success"], transport.json["supportedTypes"]) == (200, False, [])
            assert list(transport.json) == ["success", "message", "supportedTypes", "recommended"]
        assert engine.host.root.sources.main.read_bytes() == text
    assert (ran.exists(), reached) == (False, [])


@requirement("API-1:nothing-is-tried")
async def test_what_could_not_be_in_the_file_is_not_valid_and_a_server_of_the_file_is_known(tmp_path: Path) -> None:
    async with sdk_http.serving() as url:
        there = {"url": url, "headers": {"Authorization": "Bearer ${env:CANARY_TOKEN}"}}
        async with hosted(tmp_path, {"there": there, "local": light("local")}) as engine:
            await apply(engine)
            for body in (
                {"transportType": "http", "url": "ftp://x"},
                {"transportType": "http", "url": url, "customHeaders": [{"key": "Host", "value": "x"}]},
                {"transportType": "stdio"},
                {"transportType": "carrier-pigeon"},
                {},
            ):
                answer = await post(engine, "/validate", body, "viewer")
                assert (answer.status, answer.json["valid"], answer.json["status"]) == (200, False, "error"), body
                assert answer.json["message"]
            known = (await post(engine, "/validate", {"transportType": "http", "url": url}, "viewer")).json
            assert (known["valid"], known["serverInfo"]["name"]) == (True, "sample")
            assert known["capabilities"] == {"tools": True, "resources": True, "prompts": True}
            stdio = {"transportType": "stdio", "command": light("local")["command"], "args": light("local")["args"]}
            assert (await post(engine, "/validate", stdio, "viewer")).json["serverInfo"]["name"] == "local"
            auth = (await post(engine, "/detect-auth", {"url": url}, "viewer")).json
            assert auth == {
                "success": True,
                "isAuthenticated": True,
                "authType": "bearer",
                "requiresAuth": True,
                "error": None,
            }
            transport = (await post(engine, "/detect-transport", {"url": url}, "viewer")).json
            assert (transport["success"], transport["supportedTypes"], transport["recommended"]) == (
                True,
                ["http"],
                "http",
            )
            for path in ("/detect-auth", "/detect-transport"):
                assert (await post(engine, path, {}, "viewer")).status == 400


@requirement("API-1:malformed")
async def test_what_is_malformed_is_4xx_in_this_dialect_and_the_file_stays(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        await apply(engine)
        text = engine.host.root.sources.main.read_bytes()
        writes = [("POST", "/servers"), ("POST", ""), ("PATCH", "/servers/a"), ("PATCH", "/a"), ("POST", "/connect")]
        writes += [("POST", "/validate"), ("POST", "/detect-auth"), ("POST", "/a/resources/read")]
        for method, path in writes:
            for body in MALFORMED:
                if not body and path in ("/connect", "/a/resources/read"):
                    continue
                answer = await engine.ask(method, f"/api/mcp{path}", "operator", body)
                assert (answer.status, answer.json["success"]) == (400, False), (path, body[:40])
                assert list(answer.json) == ["success", "message"]
            for kind in ("text/plain", "application/json; charset=utf-16", "application/merge-patch+json"):
                answer = await engine.ask(method, f"/api/mcp{path}", "operator", {}, content_type=kind)
                assert (answer.status, answer.json["success"]) == (415, False), (path, kind)
        large = b'{"x": "' + b"x" * 5 * 1024 * 1024 + b'"}'
        assert (await engine.ask("POST", "/api/mcp/servers", "operator", large)).status == 413
        for few in ({"name": "x"}, {"projectId": "desk"}, {"projectId": "desk", "name": "", "transportType": "http"}):
            assert (await post(engine, "/servers", few)).status == 400
        unknown = {"projectId": "nobody", "name": "x", "transportType": "http", "url": "https://x.example"}
        assert (await post(engine, "/servers", unknown)).status == 404
        assert engine.host.root.sources.main.read_bytes() == text
        for path in ("/nothing/here/at/all", "/servers/a/b", "/servers/"):
            lost = await engine.ask("GET", f"/api/mcp{path}", "viewer")
            assert (lost.status, lost.json["success"]) == (404, False)


@requirement("API-1:neighbours")
async def test_what_an_editor_wants_to_run_waits_and_every_answer_says_so(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"off": light("off", enabled=False)}) as engine:
        body = {"projectId": "desk", "name": "Runs", "transportType": "stdio", "command": "/nowhere", "args": "-y x"}
        made = await post(engine, "/servers", body, "editor")
        plan = made.headers["x-reconciler-plan"]
        waits = f"waits for approval {plan}"
        assert made.json == {"success": True, "message": f"MCP server created; it {waits}", "serverId": "runs"}
        row = (await listed(engine))["runs"]
        assert (row["status"], row["name"], row["createdAt"], row["capabilities"]) == (
            "disconnected",
            "Runs",
            None,
            None,
        )
        detail = (await engine.ask("GET", "/api/mcp/servers/runs", "viewer")).json["server"]
        assert (detail["command"], detail["args"], detail["lastError"]) == ("/nowhere", "-y x", waits)
        connect = await post(engine, "/servers/runs/connect", None, "editor")
        assert (connect.status, connect.json) == (409, {"success": False, "message": waits})
        tools = await engine.ask("GET", "/api/mcp/servers/runs/tools", "viewer")
        assert (tools.status, tools.json) == (409, {"success": False, "message": waits})
        again = await engine.ask("PATCH", "/api/mcp/servers/runs", "editor", {"args": "-y z"})
        assert again.json["message"].startswith("Written; it waits for approval pln-")
        assert (await engine.ask("DELETE", "/api/mcp/servers/runs", "editor")).json == {"success": True}
        assert "runs" not in await listed(engine)


@requirement("API-1:neighbours", "API-4:secrets-never-render")
async def test_no_secret_comes_back_and_what_is_shown_can_be_sent_back(tmp_path: Path) -> None:
    secrets = {
        "url": f"https://me:{quote(CANARY, safe='')}@example.com/mcp?token={quote(CANARY, safe='')}",
        "customHeaders": [{"key": "Authorization", "value": f"Bearer {CANARY}"}],
        "oauthClientId": "me",
        "oauthClientSecret": CANARY,
        "connectionType": "direct",
    }
    run = {"command": "x", "args": f"-y --token={CANARY}", "env": {"TOKEN": CANARY}}
    async with hosted(tmp_path) as engine:
        head = {"projectId": "desk", "name": "There"}
        answers = [
            await post(engine, "/servers", {**head, "transportType": "http", **secrets}, "editor"),
            await post(engine, "/servers", {**head, "name": "Runs", "transportType": "stdio", **run}, "editor"),
            await engine.ask("GET", "/api/mcp/servers?projectId=desk", "viewer"),
            await engine.ask("GET", "/api/mcp/servers/there", "viewer"),
            await engine.ask("GET", "/api/mcp/servers/runs", "viewer"),
            await post(engine, "/validate", {"transportType": "http", **secrets}, "viewer"),
            await post(engine, "/validate", {"transportType": "stdio", "url": secrets["url"], **run}, "viewer"),
        ]
        assert [answer.status for answer in answers] == [200] * 7, [answer.body for answer in answers]
        for answer in answers:
            assert CANARY.encode() not in answer.body and quote(CANARY, safe="").encode() not in answer.body
        text = engine.host.root.sources.main.read_bytes()
        assert f"Bearer {CANARY}".encode() not in text and f'"{CANARY}"'.encode() not in text
        there, runs = answers[3].json["server"], answers[4].json["server"]
        for path, back in (
            (
                "there",
                {"url": there["url"], "name": "There", "customHeaders": [{"key": "Authorization", "value": "***"}]},
            ),
            ("runs", {"command": runs["command"], "args": runs["args"], "env": {"TOKEN": "***"}}),
        ):
            answer = await engine.ask("PATCH", f"/api/mcp/servers/{path}", "editor", back)
            assert answer.status == 200, answer.body
            assert engine.host.root.sources.main.read_bytes() == text


LEAST: dict[str, Role] = {
    "list_servers": "viewer",
    "get_server": "viewer",
    "get_tools": "viewer",
    "get_resources": "viewer",
    "get_prompts": "viewer",
    "validate": "viewer",
    "detect_auth": "viewer",
    "detect_transport": "viewer",
    "read_resource": "client",
    "get_prompt": "client",
    "create_server": "editor",
    "update_server": "editor",
    "delete_server": "editor",
    "connect": "editor",
    "disconnect": "editor",
}
"""Said a second time here."""


@requirement("GATE-1:roles")
async def test_every_route_has_the_role_that_is_written_here_and_keeps_to_it(tmp_path: Path) -> None:
    assert {route.name: route.least for route in routes()} == LEAST
    async with hosted(tmp_path, {"a": light("a", enabled=False)}) as engine:
        await apply(engine)
        text = engine.host.root.sources.main.read_bytes()
        for route in routes():
            (method,) = (route.methods or set()) - {"HEAD"}
            path = route.path.replace("{id}", "nobody") + ("?projectId=desk" if route.name != "create_server" else "")
            for role in ("viewer", "client", "editor", "operator"):
                answer = await engine.ask(method, path, role, {"projectId": "desk"} if method != "GET" else None)
                may = RANKS[role] >= RANKS[route.least]
                assert (answer.status == 403) == (not may), (method, path, role, answer.body)
                assert answer.json.get("success", answer.json.get("valid")) in (True, False)
        assert engine.host.root.sources.main.read_bytes() == text
