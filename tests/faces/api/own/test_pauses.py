"""Pausing and resuming over our own API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.project import Project
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:pause")]

AT = "/api/v1/servers/one"


async def ask(engine: Hosted, action: str, role: str = "operator", **body: Any) -> Any:
    return await engine.ask("POST", f"{AT}/{action}", role, body)


async def test_it_is_paused_by_whose_token_it_is_and_resumed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        paused = await ask(engine, "pause", **{"for": "8h", "who": "somebody else"})
        row = paused.json
        assert (paused.status, row["status"], row["health"], row["paused"]["who"]) == (
            200,
            "disconnected",
            "Suspended",
            "operator-token",
        )
        assert row["paused"]["until"] > row["paused"]["since"]
        again = (await ask(engine, "pause")).json["paused"]
        assert (again["until"], again["since"] > row["paused"]["since"]) == (None, True)
        seen = (await engine.ask("GET", "/api/v1/observed", "viewer")).json["servers"]
        assert [each["paused"] for each in seen] == [again]
        plan = (await engine.ask("POST", "/api/v1/plan", "viewer", {})).json
        assert (plan["paused"], plan["drift"], plan["actions"]) == ([{"id": "one", **again}], [], [])
        resumed = await ask(engine, "resume")
        assert (resumed.status, resumed.json["status"], resumed.json["paused"]) == (200, "connected", None)
        untouched = await ask(engine, "resume")
        assert (untouched.status, untouched.json["instance"]) == (200, resumed.json["instance"])


async def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one"), "off": light("off", enabled=False)}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        for action in ("pause", "resume"):
            unknown = await engine.ask("POST", f"/api/v1/servers/two/{action}", "operator", {})
            assert (unknown.status, unknown.json["error"]["code"]) == (404, "unknown-server")
            assert (await ask(engine, action, "editor")).status == 403
        disabled = await engine.ask("POST", "/api/v1/servers/off/pause", "operator", {})
        assert (disabled.status, disabled.json["error"]["code"]) == (409, "disabled")
        await ask(engine, "pause")
        for path, body in ((f"{AT}/restart", {}), ("/api/v1/call", {"server": "one", "tool": "echo"})):
            refused = (await engine.ask("POST", path, "operator", body)).json["error"]
            assert refused["code"] == "paused" and "`reconciler resume one` ends that" in refused["message"]
        assert (await engine.ask("GET", "/api/v1/tools?server=one", "viewer")).json == {"tools": []}


async def test_what_cannot_be_opened_is_paused_no_more_and_said_to_fail(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": {"command": "/nowhere/at/all"}}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 5})
        assert (await ask(engine, "pause")).json["health"] == "Suspended"
        failed = await ask(engine, "resume")
        assert (failed.status, failed.json["error"]["code"]) == (502, "command-not-found")
        assert failed.json["error"]["message"].startswith("it is paused no more, and does not connect: ")
        assert (await engine.ask("GET", AT, "viewer")).json["paused"] is None


async def test_what_cannot_be_written_down_changes_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        project: Project = engine.host.root
        before = (await engine.ask("GET", AT, "viewer")).json["instance"]
        for paused in (False, True):
            if paused:
                assert (await ask(engine, "pause")).status == 200
            await project.events.flush()
            database = project.records._now()
            database.execute("pragma query_only = on")
            refused = await ask(engine, "resume" if paused else "pause")
            assert (refused.status, refused.json["error"]["code"]) == (503, "not-recorded")
            await project.events.flush()
            database.execute("pragma query_only = off")
            row = (await engine.ask("GET", AT, "viewer")).json
            assert (row["paused"] is not None, row["instance"]) == (paused, None if paused else before)
