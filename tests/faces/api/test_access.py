"""Every route and every role: who may use what, over real listeners."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount

from reconciler.engine.host import Host
from reconciler.faces.api.access import RANKS, RoleRoute
from reconciler.faces.api.own.endpoint import application
from reconciler.gate.gate import Role
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Line
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:roles"), pytest.mark.anyio]

LEAST: dict[tuple[str, str], Role] = {
    ("GET", "/hello"): "viewer",
    ("GET", "/config"): "viewer",
    ("POST", "/plan"): "viewer",
    ("PATCH", "/config"): "editor",
    ("GET", "/status"): "viewer",
    ("GET", "/observed"): "viewer",
    ("GET", "/projects"): "viewer",
    ("GET", "/servers"): "viewer",
    ("GET", "/servers/{server}"): "viewer",
    ("GET", "/history"): "viewer",
    ("GET", "/rollback"): "viewer",
    ("GET", "/servers/{server}/logs"): "viewer",
    ("GET", "/events"): "viewer",
    ("GET", "/events/stream"): "viewer",
    ("GET", "/tools"): "viewer",
    ("GET", "/lock"): "viewer",
    ("GET", "/approvals"): "viewer",
    ("GET", "/approvals/{call}"): "viewer",
    ("GET", "/audit"): "viewer",
    ("GET", "/secrets"): "operator",
    ("PUT", "/secrets/{name}"): "operator",
    ("DELETE", "/secrets/{name}"): "operator",
    ("POST", "/apply"): "operator",
    ("POST", "/follow"): "operator",
    ("POST", "/rollback"): "operator",
    ("POST", "/servers/{server}/restart"): "operator",
    ("POST", "/servers/{server}/pause"): "operator",
    ("POST", "/servers/{server}/resume"): "operator",
    ("GET", "/servers/{server}/auth"): "operator",
    ("POST", "/servers/{server}/auth"): "operator",
    ("DELETE", "/servers/{server}/auth"): "operator",
    ("POST", "/call"): "operator",
    ("POST", "/approve"): "operator",
    ("POST", "/deny"): "operator",
    ("POST", "/lock"): "operator",
    ("POST", "/approvals/{call}"): "operator",
    ("POST", "/forget"): "operator",
    ("GET", "/export"): "viewer",
    ("POST", "/import"): "editor",
    ("POST", "/export/sealed"): "operator",
    ("POST", "/import/sealed"): "operator",
    ("GET", "/tokens"): "operator",
    ("POST", "/tokens"): "operator",
    ("DELETE", "/tokens/{name}"): "operator",
    ("POST", "/visits"): "owner",
    ("POST", "/reread"): "owner",
    ("POST", "/stop"): "owner",
}
"""Said a second time here, so that nobody gives a route a role without thinking twice."""

AT_THE_ROOT: dict[tuple[str, str], Role | None] = {
    ("GET", "/openapi.json"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): "viewer",
}
"""None: nobody is asked who they are."""

STREAM = "/events/stream"


def routes_in(routes: Iterable[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every route with its whole path."""
    for route in routes:
        if isinstance(route, Mount):
            yield from routes_in(route.routes, above + route.path)
        else:
            yield above + route.path, route


def least_roles(below: str) -> dict[tuple[str, str], Role | None]:
    """The role of each method and path, of all routes below a path that are not below another one."""
    found: dict[tuple[str, str], Role | None] = {}
    for path, route in routes_in(application(Host()).routes):
        if path.startswith(below) and (below or not path.startswith(("/api/v1", "/p/{project}"))):
            assert isinstance(route, RoleRoute), f"{path} says nothing of roles"
            for method in (route.methods or set()) - {"HEAD"}:
                assert (method, path) not in found, f"{path} is there twice"
                found[method, path.removeprefix(below)] = route.least
    return found


async def test_every_route_has_a_role_and_the_one_that_is_written_here() -> None:
    assert least_roles("/api/v1") == LEAST
    assert least_roles("") == AT_THE_ROOT
    metrics: dict[tuple[str, str], Role | None] = {("GET", "/metrics"): "viewer"}
    assert (
        least_roles("/p/{project}")
        == {(method, "/api/v1" + path): least for (method, path), least in LEAST.items()} | metrics
    )


@requirement("OPS-1:described")
async def test_every_route_says_what_it_is() -> None:
    silent = [path for path, route in routes_in(application(Host()).routes) if route.says is None]
    assert silent == []


@pytest.mark.parametrize("role", RANKS)
async def test_each_role_may_use_its_routes_and_no_other(tmp_path: Path, role: Role) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        for (method, path), least in sorted(LEAST.items(), key=lambda entry: entry[0][1] == "/stop"):
            status, code = await ask_as(engine, role, method, re.sub(r"{\w+}", "one", path))
            may = RANKS[role] >= RANKS[least]
            assert ((status, code) == (403, "not-allowed")) == (not may), (method, path, status, code)
            assert status != 401
        assert engine.host.stopping.is_set() == (role == "owner")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_spelling_of_a_path_gives_more(tmp_path: Path, method: str) -> None:
    async with hosted(tmp_path) as engine:
        for path in (
            "/stop",
            "/stop/",
            "//stop",
            "/./stop",
            "/tokens/../stop",
            "/%73top",
            "/stop?x",
            "/STOP",
            "/stop;",
        ):
            for root in ("/api/v1", "/p/desk/api/v1", "/p/desk/../desk/api/v1", "/api//v1", "/p/desk%2Fapi/v1"):
                answer = await engine.ask(method, root + path, "operator")
                assert answer.status in (307, 403, 404, 405), (root + path, answer.status)
        assert not engine.host.stopping.is_set()


async def ask_as(engine: Hosted, role: Role, method: str, path: str) -> tuple[int, str | None]:
    """Status and code of the answer to whoever has the role; the owner comes by the local socket."""
    body: Any = {} if method in ("POST", "PUT") else None
    if role == "owner":
        opened = await asyncio.open_unix_connection(str(engine.state.socket))
        data = engine.request(method, f"/api/v1{path}", None, body)
    else:
        opened = await asyncio.open_connection(engine.address.host, engine.address.port)
        data = engine.request(method, f"/api/v1{path}", role, body)
    one = Line(*opened)
    try:
        await one.say(data)
        if path == STREAM and RANKS[role] >= RANKS["viewer"]:
            return (await one.hear_head())[0], None
        answer = await one.hear()
    finally:
        one.close()
    return answer.status, answer.json["error"]["code"] if answer.status >= 400 else None


@pytest.mark.parametrize(
    "more", [{"environment": {"PATH": "/tmp"}}, {"saved": {"format": "reconciler.plan"}}, {"saved": {}}]
)
async def test_an_operator_hands_over_no_environment_and_no_document(tmp_path: Path, more: dict[str, Any]) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", **more})
        assert (answer.status, answer.json["error"]["code"]) == (403, "not-allowed")
        assert "needs owner" in answer.json["error"]["message"]


async def test_a_yes_over_tcp_is_of_whoever_has_the_token(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one", requireApproval=False)}) as engine:
        answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "who": "root@example.com"})
        assert answer.status == 200
        rows = (await engine.ask("GET", "/api/v1/history", "viewer")).json["history"]
        assert [row["who"] for row in rows] == ["operator-token"]
        call = {"server": "one", "tool": "echo", "arguments": {"text": "x"}}
        called = await engine.ask("POST", "/api/v1/call", "operator", call)
        assert b'"result"' in called.body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/servers/one/logs?lines=x", None),
        ("GET", "/servers/one/logs?lines=-1", None),
        ("GET", "/servers/one/logs?lines=1.5", None),
        ("GET", "/servers/one/logs?lines=%D9%A3", None),
        ("GET", "/servers/one/logs?lines=99999999999999999999", None),
        ("GET", "/events?after=x", None),
        ("GET", "/events?limit=", None),
        ("GET", "/events?limit=NaN", None),
        ("GET", "/rollback?serial=one", None),
        ("GET", "/lock?wait=x", None),
        ("GET", "/audit?limit=x", None),
        ("POST", "/rollback", {}),
        ("POST", "/rollback", {"serial": "1"}),
        ("POST", "/rollback", {"serial": True}),
        ("POST", "/rollback", {"serial": 1, "yes": "some"}),
        ("POST", "/apply", {"wait": "x"}),
        ("POST", "/apply", {"wait": -1}),
        ("POST", "/apply", {"wait": None}),
        ("POST", "/apply", b'{"wait": NaN}'),
        ("POST", "/apply", b'{"wait": 1e999}'),
        ("POST", "/apply", {"yes": 7}),
        ("POST", "/apply", {"allow": [1]}),
        ("POST", "/apply", {"onFailure": "explode"}),
        ("POST", "/approve", {"plan": "x", "servers": "one"}),
        ("POST", "/deny", {"plan": "x", "servers": {"a": 1}}),
        ("POST", "/call", {"server": "one", "tool": "echo", "arguments": [1]}),
    ],
)
async def test_values_that_cannot_be_are_400(tmp_path: Path, method: str, path: str, body: Any) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        answer = await engine.ask(method, f"/api/v1{path}", "operator", body)
        assert answer.status == 400, answer.body
        assert answer.json["error"]["message"]
