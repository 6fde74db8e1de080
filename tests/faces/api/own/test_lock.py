"""`/api/v1/lock` over the local socket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.client import ApiError
from reconciler.faces.api.own import lock
from reconciler.store import lock_file
from tests.engine.listing import lay, listed
from tests.faces.api.own.test_endpoint import SILENT, engine, off
from tests.faces.cli.hosted import hosted
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ECHO: dict[str, Any] = {"name": "echo", "inputSchema": {"type": "object"}}


@requirement("GATE-3:command")
async def test_the_report_says_how_each_server_stands_and_what_would_be_accepted(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with engine(tmp_path, {"s": listed(tmp_path, "s")}) as (client, _):
        await off(client.apply, **SILENT)
        report = await off(client.lock, wait=20)
        assert report["lock"] == {"file": "reconciler.lock", "exists": False, "digest": None, "problems": []}
        (row,) = report["servers"]
        assert [row[key] for key in ("id", "mode", "standing", "why", "unpinnable")] == ["s", "off", "drift", None, []]
        assert [(each["kind"], each["name"], each["state"]) for each in row["drift"]] == [
            ("server", None, "new"),
            ("tool", "echo", "new"),
        ]
        assert row["drift"][1]["changes"] == []
        detailed = await off(client.lock, "s", changes=True)
        assert detailed["servers"][0]["drift"][1]["changes"] == [
            {"path": "/inputSchema", "state": "new", "before": None, "after": {"type": "object"}},
            {"path": "/name", "state": "new", "before": None, "after": "echo"},
        ]
        done = await off(client.accept_lock, None, {"s": row["offered"]}, wait=0)
        assert done == {
            "file": "reconciler.lock",
            "written": True,
            "accepted": ["s"],
            "removed": [],
            "kept": {},
            "unpinned": [],
        }
        assert (await off(client.lock))["servers"][0]["standing"] == "accepted"


@requirement("GATE-3:command", "GATE-3:broken-lock")
async def test_what_cannot_be_done_is_said_with_a_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with engine(tmp_path, {"s": listed(tmp_path, "s")}) as (client, _):
        await off(client.apply, **SILENT)

        async def answer(work: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[int, str]:
            with pytest.raises(ApiError) as refused:
                await off(work, *arguments, **named)
            return refused.value.status, refused.value.code

        assert await answer(client.lock, "x") == (404, "unknown-server")
        assert await answer(client.accept_lock, "x", {}, wait=0) == (404, "unknown-server")
        assert await answer(client.accept_lock, "s", {"s": "sha256:else"}, wait=0) == (409, "stale")
        assert await answer(client._asking.post, "/lock", {"server": 7}) == (400, "bad-body")
        assert await answer(client._asking.post, "/lock", {"expected": []}) == (400, "bad-body")
        assert await answer(client.lock, wait="x") == (400, "bad-query")
        monkeypatch.setattr(lock_file, "MAX_BYTES", 10)
        assert await answer(client.accept_lock, None, {}, wait=0) == (413, "lock-too-large")
        monkeypatch.undo()
        (tmp_path / "reconciler.lock").mkdir()
        assert (await off(client.lock))["lock"]["problems"][0]["code"] == "lock-unreadable"
        assert await answer(client.accept_lock, "s", {}, wait=0) == (422, "lock-unusable")
        assert await answer(client.accept_lock, None, {}, wait=0) == (503, "not-written")


@requirement("API-3:refused")
async def test_an_engine_that_writes_no_file_writes_no_lock_either(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 10})
        project = engine.host.root
        project.read_only = True
        answer = await engine.ask("POST", "/api/v1/lock", "operator", {"wait": 20})
        assert (answer.status, answer.json["error"]["code"]) == (403, "read-only")
        assert "commit it" in answer.json["error"]["message"]
        assert not project.sources.lock.exists()
        project.read_only = False
        assert (await engine.ask("POST", "/api/v1/lock", "operator", {})).json["written"]
        project.read_only = True
        assert not (await engine.ask("POST", "/api/v1/lock", "operator", {})).json["written"], "it says that already"


@requirement("GATE-1:roles")
def test_everybody_may_look_and_operators_accept() -> None:
    assert [(sorted(route.methods or ()), route.least) for route in lock.routes()] == [
        (["GET", "HEAD"], "viewer"),
        (["POST"], "operator"),
    ]
