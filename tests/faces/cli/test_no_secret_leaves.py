"""The marked secret in every place of a project, and everything the engine answers about it: nothing of it comes out.

The watch (`tests/canary.py`) hears all answers, logs, files and command lines; what is asserted here is that the secret
really was there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reconciler.faces.api.own.endpoint import root_routes, routes
from tests.canary import CANARY, VARIABLE, canary_written
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Line
from tests.requirements import requirement
from tests.rig.evil_http import Connection, EvilHttp, Request

pytestmark = [requirement("API-4:no-secret-comes-out"), pytest.mark.anyio]

STREAMS = ("/api/v1/events/stream",)
SEEDS = (
    *("/", "/api/config", "/api/mcp-servers", "/p/desk/api/config", "/p/desk/api/mcp-servers", "/readyz", "/healthz"),
    *("/api/mcp/servers?projectId=desk", "/api/mcp?projectId=desk", "/health", "/connect/health", "/namespaces"),
    *("/connect/desk", "/desk", "/connect/desk/{server}", "/connect/desk/{server}/.tools", "/desk/{server}"),
    *("/api/mcp/{server}?projectId=desk", "/api/mcp/{server}/tools?projectId=desk", "/mcp", "/mcp/s/{server}"),
)
"""Paths of the other dialects, with whatever they say to it."""


async def repeats(request: Request, connection: Connection) -> None:
    """A server that says back whatever it was sent, as an error."""
    told = "; ".join(f"{name}: {value}" for name, value in request.headers.items())
    await connection.answer(500, f"{request.target} {told}".encode(), {"x-told": request.headers.get("x-key", "")})


def servers(url: str) -> dict[str, Any]:
    """One for every field that may hold a secret, and for every way in which a server may give it back."""
    words = {"command": "/bin/sh", "env": {"TOKEN": CANARY}}
    return {
        **canary_written()["mcpServers"],
        "literal": light("literal", env={"TOKEN": CANARY}, requireApproval=False),
        "stored": light("stored", env={"TOKEN": "${secret:STORED}"}, requireApproval=False),
        "variable": light("variable", env={"TOKEN": f"${{env:{VARIABLE}}}"}, requireApproval=False),
        "forwarded": light("forwarded", env=[VARIABLE], requireApproval=False),
        "last-words": {**words, "args": ["-c", 'echo "bad token $TOKEN" >&2; exit 3']},
        "garbage": {**words, "args": ["-c", 'echo "no JSON but $TOKEN"; sleep 1; echo "{$TOKEN"; exit 3']},
        "missing": {**words, "env": {"TOKEN": "${secret:NOBODY}", "OTHER": CANARY}},
        "said-back": {"url": f"{url}/a", "headers": {"Authorization": f"Bearer {CANARY}", "X-Key": "${secret:STORED}"}},
        "in-the-query": {"url": f"{url}/b?token={quote(CANARY, safe='')}"},
        "in-the-userinfo": {"url": f"http://user:{quote(CANARY, safe='')}@127.0.0.1:9/mcp"},
    }


@asynccontextmanager
async def filled(folder: Path) -> AsyncIterator[tuple[Hosted, EvilHttp]]:
    """An engine that has the secret in its file, its vault and its environment, and whose servers have it too."""
    async with EvilHttp(repeats) as there, hosted(folder, servers(there.url)) as engine:
        await ok(engine, "PUT", "/api/v1/secrets/STORED", {"value": CANARY})
        await ok(engine, "POST", "/api/v1/apply", {"yes": "all", "wait": 20})
        for server in ("literal", "stored", "variable"):
            await call(engine, server, "words", {"text": f"my token is {CANARY}"})
        yield engine, there


async def ok(engine: Hosted, method: str, path: str, body: Any, role: Any = "operator") -> Any:
    answer = await engine.ask(method, path, role, body)
    assert answer.status < 300, (method, path, answer.status, answer.body)
    return answer


async def call(engine: Hosted, server: str, tool: str, arguments: dict[str, Any]) -> None:
    await ok(engine, "POST", "/api/v1/call", {"server": server, "tool": tool, "arguments": arguments})


def environments_with_the_secret(folder: Path) -> int:
    """How many processes that ran in this folder were given it, by their environment."""
    found = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder) in str((entry / "cwd").readlink()):
                found += f"TOKEN={CANARY}".encode() in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
    return found


async def test_nothing_that_is_asked_of_an_engine_gives_the_secret_away(tmp_path: Path) -> None:
    async with filled(tmp_path) as (engine, there):
        assert any(CANARY in request.headers.get("authorization", "") for request in there.requests)
        assert any(request.headers.get("x-key") == CANARY for request in there.requests)
        assert environments_with_the_secret(tmp_path) >= 3 or sys.platform != "linux"
        status = (await ok(engine, "GET", "/api/v1/status", None)).json
        reasons = {row["id"]: row["reason"] for row in status["servers"]}
        assert "bad token ***" in reasons["last-words"]
        assert 'no secret named "NOBODY" is stored' in reasons["missing"]
        every = [route.path for route in routes() if "GET" in (route.methods or ()) and route.path not in STREAMS]
        paths = [f"/api/v1{path}" for path in every if f"/api/v1{path}" not in STREAMS]
        paths += [route.path for route in root_routes() if "GET" in (route.methods or ())]
        for path in (*paths, *SEEDS):
            for server in reasons if "{server}" in path else ("",):
                there_is = re.sub(r"{\w+}", "nobody", path.replace("{server}", server))
                for role in ("viewer", "operator"):
                    assert (await engine.ask("GET", there_is, role, None)).status != 500, there_is
        await hear_the_stream(engine)


async def hear_the_stream(engine: Hosted) -> None:
    """What happens from now on, as it is told: a server is opened anew and fails again."""
    one = Line(*await asyncio.open_connection(engine.address.host, engine.address.port))
    try:
        await one.say(engine.request("GET", STREAMS[0], "viewer"))
        await one.hear_head()
        await engine.ask("POST", "/api/v1/servers/last-words/restart", "operator", {})
        with anyio.fail_after(20):
            while b"last-words" not in await one.hear_line():
                continue
    finally:
        one.close()


WRITES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "config": (
        "PATCH",
        "/api/config",
        {
            "mcpServers": {
                "new": {
                    "url": "http://127.0.0.1:9/mcp",
                    "headers": {"Authorization": f"Bearer {CANARY}"},
                    "oauth": {"clientId": "x", "clientSecret": CANARY},
                }
            }
        },
    ),
    "own": (
        "PATCH",
        "/api/v1/config",
        {"mcpServers": {"new": {"url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": CANARY}}}},
    ),
    "connect": (
        "PUT",
        "/connect/desk/new",
        {"mcpUrl": "http://127.0.0.1:9/mcp", "headers": {"x-api-key": CANARY}},
    ),
    "list": (
        "POST",
        "/api/mcp/servers",
        {
            "projectId": "desk",
            "name": "new",
            "transportType": "http",
            "url": "http://127.0.0.1:9/mcp",
            "customHeaders": [{"key": "X-Api-Key", "value": CANARY}],
            "oauthClientId": "x",
            "oauthClientSecret": CANARY,
        },
    ),
    "import": (
        "POST",
        "/api/v1/import",
        {"mcpServers": {"new": {"url": "http://127.0.0.1:9/mcp", "headers": {"X-Api-Key": CANARY}}}},
    ),
}


@pytest.mark.parametrize("role", ["operator", "editor"])
@pytest.mark.parametrize("dialect", WRITES)
async def test_a_secret_that_a_dialect_brings_goes_into_the_vault_and_nowhere_else(
    tmp_path: Path, dialect: str, role: Any
) -> None:
    method, path, body = WRITES[dialect]
    async with hosted(tmp_path, {}) as engine:
        answer = await engine.ask(method, path, role, body, if_match="*")
        assert answer.status < 300, answer.body
        vault, text = engine.host.root.vault, (tmp_path / "desk.reconciler.yaml").read_text(encoding="utf-8")
        values = [vault.get(secret.name) or "" for secret in vault.list()]
        assert values
        assert all(CANARY in value for value in values)
        assert text.count("${secret:") == len(values)
        assert CANARY not in text
        for again in ("/api/config", "/api/v1/config", "/connect/desk/new", "/api/mcp/servers?projectId=desk"):
            await engine.ask("GET", again, role)
        broken = json.dumps(body).replace("http://127.0.0.1:9/mcp", "no url").encode()
        await engine.ask(method, path.replace("new", "other"), role, broken)
        await engine.ask(method, path, role, json.dumps(body).encode()[:-3])


async def test_a_request_that_is_refused_does_not_hear_its_secret_again(tmp_path: Path) -> None:
    """A wrong token, a value of the wrong shape: whatever was sent is not said back, and not written down."""
    async with hosted(tmp_path, {}) as engine:
        refused = [
            await engine.ask("GET", "/api/v1/status", None, None, authorization=f"Bearer {CANARY}"),
            await engine.ask("GET", "/mcp", None, None, authorization=f"Basic {CANARY}"),
            await engine.ask("GET", f"/api/v1/events?limit={quote(CANARY, safe='')}", "operator"),
            await engine.ask("PUT", "/api/v1/secrets/A", "operator", {"value": [CANARY]}),
            await engine.ask("PUT", "/api/v1/secrets/@", "operator", {"value": CANARY}),
            await engine.ask("PATCH", "/api/config", "operator", [CANARY]),
            await engine.ask("PATCH", "/api/config", "operator", {"mcpServers": {"a": {"url": 1, "headers": CANARY}}}),
            await engine.ask("PUT", "/connect/desk/a", "operator", {"mcpUrl": CANARY, "headers": {"x": [CANARY]}}),
            await engine.ask("POST", "/api/mcp/servers", "operator", {"projectId": "desk", "customHeaders": CANARY}),
        ]
        assert [answer.status for answer in refused if not 400 <= answer.status < 500] == []


async def test_a_token_of_the_api_is_never_seen_again(tmp_path: Path) -> None:
    """A token is printed once; from then on its digest is all there is."""
    async with hosted(tmp_path, {}) as engine:
        text = engine.token("viewer")
        for path in ("/api/v1/tokens", "/api/v1/status", "/api/v1/events", "/metrics"):
            answer = await engine.ask("GET", path, "operator")
            assert text.encode() not in answer.body
        digest = hashlib.sha256(text.encode()).hexdigest()
        kept = engine.state.tokens.read_text(encoding="utf-8")
        assert digest in kept
        assert text not in kept
