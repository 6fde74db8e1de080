"""Workers on real servers: what a process does, and that none is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.engine.loop import Worker
from reconciler.model.secret import Template
from reconciler.model.server import Server, Stdio
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import Instance
from reconciler.sessions.session import End, Notify, Opened, SessionError
from reconciler.sessions.transports import Surroundings, open_session
from tests.engine.stage import Stage
from tests.requirements import requirement
from tests.rig.starting import processes_owned_by, rig_server, zombies_below_us
from tests.waiting import come_true

pytestmark = pytest.mark.anyio
COOKIE = f"test-loop-{os.getpid()}"


def rig(spec: str, script: str = "light", *arguments: str, **fields: Any) -> Server:
    """A server of the rig under the id `a`."""
    made = rig_server(script, *arguments, start=fields.pop("start", 5.0))
    return Server(id="a", name="a", transport=made.transport, timeouts=made.timeouts, spec=spec, **fields)


class Processes(Stage):
    """The small world of `Stage` with real processes. `changed_at` is set with every change."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.hub = Hub(self._open)
        self.changed_at = asyncio.Event()

    def _open(self, server: Server, instance: str, notify: Notify) -> Opened:
        around = Surroundings(self.folder, COOKIE, instance, self.folder / "a.log", lambda: dict(os.environ))
        return open_session(server, _no_references, notify, around)

    def changed(self, server_id: str) -> None:
        self.changed_at.set()

    def became_ready(self, instance: Instance) -> None:
        super().became_ready(instance)
        self.changed_at.set()

    def went_down(self, instance: Instance, end: End) -> None:
        super().went_down(instance, end)
        self.changed_at.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        with anyio.fail_after(5):
            while not holds():
                self.changed_at.clear()
                await self.changed_at.wait()

    async def tool(self, name: str, **arguments: Any) -> str:
        params = {"name": name, "arguments": arguments}
        result = await self.live().request("tools/call", params, timeout=10.0)
        text: str = result["content"][0]["text"]
        return text


def _no_references(reference: object) -> str:
    raise AssertionError(f"nothing to resolve: {reference}")


@asynccontextmanager
async def processes(folder: Path) -> AsyncIterator[Processes]:
    stage, dead = Processes(folder), zombies_below_us()
    try:
        yield stage
    finally:
        await stage.close()
    assert processes_owned_by(COOKIE) == []
    assert zombies_below_us(dead) == []


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Processes]:
    async with processes(tmp_path) as made:
        yield made


async def settled(worker: Worker) -> SessionError | None:
    with anyio.fail_after(10):
        return await worker.settled()


async def serving(stage: Processes, wanted: Server) -> Worker:
    worker = stage.worker()
    stage.accept(worker, wanted)
    assert await settled(worker) is None
    return worker


def pid_of(stage: Processes) -> int:
    session = stage.live().session
    assert session is not None and session.pid is not None
    return session.pid


@requirement("APPLY-2:make-before-break", "LIVE-2:no-orphans")
async def test_a_slow_call_in_flight_survives_the_switch_and_then_its_process_goes(stage: Processes) -> None:
    worker = await serving(stage, rig("one", "light", "--mark", "1"))
    old = pid_of(stage)
    slow = asyncio.create_task(stage.tool("sleep", ms=400))
    await checkpoint()
    stage.accept(worker, rig("two", "light", "--mark", "2"))
    assert await settled(worker) is None
    assert json.loads(await stage.tool("info"))["mark"] == "2"
    assert not slow.done()
    assert set(processes_owned_by(COOKIE)) == {old, pid_of(stage)}
    with anyio.fail_after(5):
        assert await slow == "slept"
    await come_true(lambda: processes_owned_by(COOKIE) == [pid_of(stage)], 5)


@requirement("APPLY-2:make-before-break")
async def test_no_call_fails_while_the_session_is_replaced_again_and_again(stage: Processes) -> None:
    worker = await serving(stage, rig("0"))
    answers: list[str] = []
    done = asyncio.Event()

    async def call_on() -> None:
        while not done.is_set():
            answers.append(await stage.tool("echo", text="x"))

    callers = [asyncio.create_task(call_on()) for _ in range(3)]
    for number in range(1, 6):
        stage.accept(worker, rig(str(number), "light", "--mark", str(number)))
        assert await settled(worker) is None
    done.set()
    with anyio.fail_after(5):
        await asyncio.gather(*callers)
    assert len(answers) > 10
    assert set(answers) == {"x"}


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_killed_process_is_noticed_at_once_and_replaced(stage: Processes, number: signal.Signals) -> None:
    await serving(stage, rig("one"))
    before = pid_of(stage)
    killed = time.monotonic()
    os.kill(before, number)
    await stage.until(lambda: stage.said.count("ready one") == 2)
    assert time.monotonic() - killed < 2
    assert stage.ends[0].code == -number
    assert number.name in stage.ends[0].reason
    assert pid_of(stage) != before


@requirement("APPLY-2:failed-change-keeps-old")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("evil", "exit", "3"), "ended", "the key is missing"),
        (("evil", "flood", "5000000"), "message-too-large", "more than"),
        (("evil", "garbage", "200"), "bad-output", "no JSON-RPC"),
        (("evil", "stranger"), "protocol-version", "speaks only MCP 1999"),
    ],
)
async def test_a_new_version_that_misbehaves_leaves_the_old_process_alone(
    stage: Processes, arguments: tuple[str, ...], code: str, words: str
) -> None:
    worker = await serving(stage, rig("one"))
    before = pid_of(stage)
    stage.accept(worker, rig("two", *arguments))
    failure = await settled(worker)
    assert failure is not None
    assert (failure.code, words in str(failure)) == (code, True), str(failure)
    assert pid_of(stage) == before
    assert await stage.tool("echo", text="still here") == "still here"


async def test_a_server_that_never_answers_fails_at_its_deadline(stage: Processes) -> None:
    worker = stage.worker()
    stage.accept(worker, rig("one", "evil", "hang", start=0.5))
    failure = await settled(worker)
    assert failure is not None
    assert failure.code == "deadline"


async def test_a_command_that_is_not_found_stalls(stage: Processes) -> None:
    worker = stage.worker()
    missing = rig("one")
    assert isinstance(missing.transport, Stdio)
    nothing = replace(missing.transport, command=Template(("no-such-command",)))
    stage.accept(worker, replace(missing, transport=nothing))
    failure = await settled(worker)
    assert failure is not None and failure.terminal
    assert worker.life.phase == "Stalled"


@requirement("LIVE-2:no-orphans")
@pytest.mark.parametrize("mode", ["ok", "eof", "term", "child", "inherit", "daemon"])
async def test_nothing_of_a_deleted_server_is_left_however_it_behaves(stage: Processes, mode: str) -> None:
    worker = await serving(stage, rig("one", "evil", mode))
    stage.accept(worker, None)
    assert await settled(worker) is None
    assert processes_owned_by(COOKIE) == []
    await checkpoint()
    assert worker.done


@requirement("LIVE-2:no-orphans")
async def test_nothing_is_left_of_an_opening_that_is_given_up(stage: Processes) -> None:
    worker = stage.worker()
    stage.accept(worker, rig("one", "evil", "hang"))
    await come_true(lambda: len(processes_owned_by(COOKIE)) == 1, 5)
    stage.accept(worker, rig("one", "evil", "hang", enabled=False))
    assert await settled(worker) is None
    assert processes_owned_by(COOKIE) == []


@requirement("LIVE-2:no-orphans")
async def test_closing_the_hub_ends_what_serves_what_opens_and_what_drains(tmp_path: Path) -> None:
    async with processes(tmp_path) as stage:
        worker = await serving(stage, rig("one", "evil", "term"))
        slow = asyncio.create_task(stage.tool("sleep", ms=60_000))
        await checkpoint()
        stage.accept(worker, rig("two"))
        assert await settled(worker) is None
        stage.accept(worker, rig("three", "evil", "hang"))
        await come_true(lambda: len(processes_owned_by(COOKIE)) == 3, 5)
        began = time.monotonic()
        await stage.close()
        assert time.monotonic() - began < 8
        with pytest.raises(SessionError):
            await slow
