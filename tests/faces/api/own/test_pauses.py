"""Pausing and resuming over our own API."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from reconciler.engine.project import Project
from reconciler.faces.api.own import pauses
from reconciler.store.pause_rows import PauseRows
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.requirements import requirement
from tests.waiting import come_true

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
        for length in ("0s", "9000h"):
            refused = await ask(engine, "pause", **{"for": length})
            assert (refused.status, refused.json["error"]["code"]) == (422, "bad-length")
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


async def test_a_server_that_is_deleted_while_its_session_ends_is_said_to_be_unknown(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        body = {"server": "one", "tool": "sleep", "arguments": {"ms": 60_000}}
        call = asyncio.create_task(engine.ask("POST", "/api/v1/call", "operator", body))
        live = engine.host.root.serving("one")
        assert live is not None
        await come_true(lambda: live.in_flight > 0, 20)
        pausing = asyncio.create_task(ask(engine, "pause"))
        await come_true(lambda: engine.host.root.pauses.of("one") is not None, 20)
        gone = await engine.ask("PATCH", "/api/v1/config", "operator", {"mcpServers": {"one": None}}, if_match="*")
        assert gone.status == 200 and live.session is not None and live.session.pid is not None
        os.kill(live.session.pid, signal.SIGKILL)  # its call would have ten seconds
        late = await pausing
        assert (late.status, late.json["error"]["code"]) == (404, "unknown-server")
        await call
        assert engine.host.root.pauses.of("one") is None


async def test_who_pauses_what_is_deleted_meanwhile_pauses_none_that_comes_later(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        project, room = engine.host.root, threading.Event()
        disk = asyncio.create_task(project.records.run(lambda _: room.wait(20)))
        pausing = asyncio.create_task(pauses.pause(project, "one", "jo", None))
        await checkpoint()  # it is on its way to the disk
        project.ledger.begin()
        project.ledger.accept("one", None)
        room.set()
        await asyncio.gather(disk, pausing)
        assert (project.pauses.of("one"), await PauseRows(project.records).all()) == (None, {})
