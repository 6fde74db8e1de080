"""The list-servers dialect over a real listener: the seed's own call, and what stands beside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.store.tokens import local_token
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
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
