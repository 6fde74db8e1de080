"""Who starts counts; who is at rest makes room for others, who works does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace

import anyio
import pytest

from reconciler.model.server import Server
from reconciler.sessions import hub
from reconciler.sessions.session import Notify
from reconciler.sessions.starts import RESTING, Starts, processes_at_a_time
from reconciler.sessions.stdio import StdioSession, open_stdio
from tests.requirements import requirement
from tests.rig.starting import rig_server
from tests.sessions.rigged import COOKIE, unresolved

pytestmark = pytest.mark.anyio
LONG = 1000.0
BUSY = "while True: pass"
BELOW = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {BUSY!r}])"


@contextmanager
def processes(count: int, doing: str) -> Iterator[list[int]]:
    """So many processes that have begun, and go on with what they do."""
    words = [sys.executable, "-S", "-c", f"print(flush=True)\n{doing}"]
    begun = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        for _ in range(count)
    ]
    try:
        for process in begun:
            assert process.stdout is not None
            process.stdout.readline()
        yield [process.pid for process in begun]
    finally:
        for process in begun:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


async def filled(starts: Starts, pids: list[int]) -> None:
    """Each begins its start."""
    for pid in pids:
        (await starts.begin()).started(pid)


@requirement("LIVE-2:starts-in-parallel")
async def test_processes_that_only_wait_make_room_for_others() -> None:
    with processes(4, "import sys; sys.stdin.read()") as mute, anyio.fail_after(10):
        starts = Starts(2, LONG)
        await filled(starts, mute)
        await starts.begin()


@requirement("LIVE-2:starts-in-parallel")
@pytest.mark.parametrize("doing", [BUSY, BELOW])
async def test_who_works_counts_and_so_does_who_waits_for_a_child_that_works(doing: str) -> None:
    with processes(1, doing) as busy, anyio.fail_after(10):
        starts = Starts(1, LONG)
        await filled(starts, busy)
        await kept(starts)


@requirement("LIVE-2:starts-in-parallel")
async def test_so_many_at_rest_and_no_more() -> None:
    with processes(RESTING + 1, "import sys; sys.stdin.read()") as mute, anyio.fail_after(10):
        starts = Starts(1, LONG)
        await filled(starts, mute)
        await kept(starts)


async def kept(starts: Starts) -> None:
    """Nobody else may begin, however often it is looked."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await starts.begin()


@requirement("LIVE-2:starts-in-parallel")
async def test_mute_servers_hold_up_no_other_although_they_stay_mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a start may take."""
    monkeypatch.setattr(hub, "SLOWEST_START", LONG)

    def open_it(server: Server, instance: str, notify: Notify) -> AbstractAsyncContextManager[StdioSession]:
        return open_stdio(server, unresolved, notify, workspace="/", cookie=COOKIE, instance=instance)

    changed = asyncio.Event()
    sessions = hub.Hub(open_it)
    try:
        with anyio.fail_after(30):
            for number in range(2 * processes_at_a_time()):
                sessions.open(replace(rig_server("evil", "hang", start=LONG), id=f"mute{number}"), changed.set)
            good = sessions.open(rig_server("light"), changed.set)
            while good.state != "ready":
                changed.clear()
                await changed.wait()
    finally:
        await sessions.close()
