"""`/api/v1` over the local socket, asked by the client that the command line uses."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from reconciler.client import ApiError, Client, NoEngine
from reconciler.engine.host import Host
from reconciler.faces.cli.engine import serve
from reconciler.faces.cli.listening import Listening
from reconciler.store.sources import Sources
from reconciler.store.state_dir import state_dir_of
from tests.engine.desk import light
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
T = TypeVar("T")
SILENT: dict[str, Any] = {
    "yes": "all",
    "allow": [],
    "on_failure": "continue",
    "wait": 30,
    "who": "test",
    "environment": {},
    "on_progress": lambda _: None,
}


async def off(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run the blocking client beside the engine."""
    return await asyncio.to_thread(lambda: work(*arguments, **named))


@asynccontextmanager
async def engine(folder: Path, servers: dict[str, Any]) -> AsyncIterator[tuple[Client, Path]]:
    file = folder / "reconciler.yaml"
    file.write_text(json.dumps({"version": 1, "project": "desk", "mcpServers": servers}), encoding="utf-8")
    up: asyncio.Future[Host] = asyncio.get_running_loop().create_future()

    async def ready(host: Host) -> None:
        up.set_result(host)

    options = {"follow": False, "auto_approve": "no", "poll": False, "on_ready": ready}
    task = asyncio.create_task(serve([Sources(file, (), folder)], folder / "state", Listening("none"), **options))  # type: ignore[arg-type]
    host = await up
    try:
        yield Client(host.root.state.socket), file
    finally:
        host.stopping.set()
        with anyio.fail_after(10):
            assert await task == 0


def socket_of(folder: Path) -> Path:
    return state_dir_of(folder / "reconciler.yaml", "desk", folder / "state").socket


async def test_the_socket_is_its_owners_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    async with engine(tmp_path, {}) as (client, _):
        hello, socket = await off(client.hello), socket_of(tmp_path)
        assert (hello["pid"], hello["projects"], hello["url"]) == (os.getpid(), ["desk"], None)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not socket.exists()
    with pytest.raises(NoEngine):
        await off(client.hello)


@requirement("LIVE-1:status", "LIVE-1:tools-listed")
async def test_apply_tells_its_progress_and_status_tools_and_call_tell_the_truth(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a"), "b": light("b", requireApproval=False)}) as (client, _):
        news: list[dict[str, Any]] = []
        result = await off(client.apply, **{**SILENT, "on_progress": news.append})
        assert result["exit"] == 0
        assert {(n["server"], n["status"]) for n in news} >= {("a", "started"), ("a", "applied"), ("b", "applied")}
        status = await off(client.status)
        assert list(status) == ["project", "serial", "engine", "source", "pending", "calls", "servers"]
        assert set(status["engine"]) == {"pid", "version", "startedAt", "url", "readOnly"}
        assert [row["status"] for row in status["servers"]] == ["connected", "connected"]
        tools = (await off(client.tools, "b"))["tools"]
        assert {"server": "b", "name": "echo", "asks": False, "pin": "unpinned"}.items() <= tools[0].items()
        assert tools[0]["by"].startswith("mcpServers.b.requireApproval (reconciler.yaml:1:")
        assert {tool["asks"] for tool in (await off(client.tools, "a"))["tools"]} == {True}
        answer = await off(client.call, "a", "echo", {"text": "hi"}, lambda _: None)
        assert answer["content"][0]["text"] == "hi"


async def test_what_cannot_be_is_answered_with_a_code_and_a_sentence(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a", enabled=False)}) as (client, file):
        await off(client.apply, **SILENT)
        cases: list[tuple[Callable[[], Any], int, str]] = [
            (lambda: client.call("no", "echo", {}, print), 403, "unknown-server"),
            (lambda: client.call("a", "echo", {}, print), 403, "disabled"),
            (lambda: client.restart("no"), 404, "unknown-server"),
            (lambda: client.restart("a"), 409, "disabled"),
            (lambda: client.tools("no"), 404, "unknown-server"),
            (lambda: client.approve("pln-000000000000", [], "me", print), 404, "nothing-waits"),
            (lambda: client.deny("pln-000000000000", []), 404, "nothing-waits"),
            (lambda: client.rollback_patch(77), 404, "unknown-serial"),
            (lambda: Client(socket_of(tmp_path), "other").status(), 404, "unknown-project"),
            (lambda: client.apply(**{**SILENT, "expected": "pln-000000000000"}), 409, "stale"),
        ]
        for ask, http, code in cases:
            with pytest.raises(ApiError) as refused:
                await off(ask)
            assert (refused.value.status, refused.value.code) == (http, code)
        file.write_text("mcpServers: [", encoding="utf-8")
        with pytest.raises(ApiError) as invalid:
            await off(client.apply, **SILENT)
        assert invalid.value.status == 422
        assert invalid.value.body["problems"][0]["code"] == "yaml-syntax"


async def test_approve_and_deny_answer_what_waits(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a"), "b": light("b")}) as (client, _):
        waits = await off(client.apply, **{**SILENT, "yes": []})
        assert waits["exit"] == 6
        pending = (await off(client.status))["pending"]
        assert [p["server"] for p in pending] == ["a", "b"]
        assert (await off(client.deny, pending[0]["id"], ["b"]))["denied"] == ["b"]
        done = await off(client.approve, pending[0]["id"], [], "me", lambda _: None)
        assert {r["server"]: r["status"] for r in done["results"]} == {"a": "applied", "b": "waiting"}
        assert (await off(client.status))["pending"] == []


async def test_rollback_writes_the_reverse_into_the_file_and_applies_it(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a", "--mark", "1")}) as (client, file):
        await off(client.apply, **SILENT)
        before = file.read_text(encoding="utf-8")
        file.write_text(before.replace('"--mark", "1"', '"--mark", "2"'), encoding="utf-8")
        await off(client.apply, **SILENT)
        target = await off(client.rollback_patch, None)
        assert target["serial"] == 1
        result = await off(client.rollback, 1, yes="all", who="me", on_progress=lambda _: None)
        assert result["exit"] == 0
        assert json.loads(file.read_text(encoding="utf-8")) == json.loads(before)
        answer = await off(client.call, "a", "info", {}, lambda _: None)
        assert '"1"' in answer["content"][0]["text"]
        assert [row["serial"] for row in await off(client.history)] == [3, 2, 1]


@requirement("OPS-1:events-logs")
async def test_events_and_logs_say_what_happened(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a")}) as (client, _):
        await off(client.apply, **SILENT)
        await off(client.call, "a", "words", {"text": "spoken on stderr"}, lambda _: None)
        await off(client.restart, "a")
        events = await off(client.events, server="a")
        assert {"connected"} <= {event["kind"] for event in events}
        logs = await off(client.logs, "a", lines=10)
        assert any("spoken on stderr" in line for line in logs["lines"])


async def test_an_event_is_heard_while_it_happens(tmp_path: Path) -> None:
    async with engine(tmp_path, {"a": light("a")}) as (client, _):
        heard = asyncio.create_task(asyncio.to_thread(lambda: next(iter(client.listen()))))
        with anyio.fail_after(10):
            while not heard.done():
                await off(client.apply, **SILENT)
                await off(client.restart, "a")
            assert (await heard)["kind"] in {"applying", "connected"}
