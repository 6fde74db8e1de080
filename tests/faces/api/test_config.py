"""The config dialect over a real listener: the calls of its product's client, and what it never does."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine.desk import LIGHT
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
from tests.requirements import requirement
from tests.rig import sdk_http

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parent / "config_client.mjs"
GITHUB = {"command": "bunx", "args": ["@modelcontextprotocol/server-github"], "enabled": False}


async def patch(engine: Hosted, body: Any, role: Any = "operator", **headers: str) -> Answer:
    return await engine.ask("PATCH", "/api/config", role, body, **headers)


async def config(engine: Hosted) -> dict[str, Any]:
    answer = await engine.ask("GET", "/api/config", "viewer")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


async def servers(engine: Hosted, role: Any = "viewer") -> dict[str, dict[str, Any]]:
    answer = await engine.ask("GET", "/api/mcp-servers", role)
    assert answer.status == 200, answer.body
    return {row["id"]: row for row in answer.json["servers"]}


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


async def settled(engine: Hosted) -> None:
    """Every session is where it was going."""
    project = engine.host.root
    with anyio.fail_after(20):
        for server_id in tuple(project.ledger.document.servers):
            await project.settled(server_id)


async def written(engine: Hosted, text: str) -> None:
    """Save a text and apply it."""
    file_of(engine).write_text(text, encoding="utf-8")
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "allow": ["mass-delete"]})
    assert answer.status == 200, answer.body


@pytest.mark.needs("node")
@requirement("API-3:client", "API-3:json-on-every-2xx", "API-3:null-removes", "API-3:atomic")
async def test_each_call_of_the_products_client_in_its_order(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, hosted(tmp_path) as engine:
        job = {
            "url": engine.host.facts.url,
            "token": engine.token("operator"),
            "viewer": engine.token("viewer"),
            "mcp": url,
            "command": sys.executable,
            "args": ["-E", "-S", "-u", str(LIGHT), "--name", "local"],
        }
        pipe = asyncio.subprocess.PIPE
        with anyio.fail_after(90):
            node = await asyncio.create_subprocess_exec("node", str(SCRIPT), stdin=pipe, stdout=pipe, stderr=pipe)
            out, err = await node.communicate(json.dumps(job).encode())
        assert (node.returncode, err.decode()) == (0, "")
        assert len(json.loads(out)) == SCRIPT.read_text(encoding="utf-8").count("await step(")
