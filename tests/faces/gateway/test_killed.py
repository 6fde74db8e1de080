"""A server is killed again and again while clients call it: its end is seen at once, and no client is left to wait."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import anyio
import pytest

from reconciler.engine.backoff import STABLE
from tests.engine.desk import Desk, light
from tests.faces.gateway.served import Stateless, served
from tests.faces.gateway.test_changes_under_load import CALLERS, OPTIONS, calling
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:death-noticed")]
KILLS = 5
SEEN = 0.05
"""Seconds until who waits for an answer knows of a death, on a machine that has time: the least of all counts."""


def kill(at: Desk) -> float:
    """Kill the process that serves, and when that was."""
    worker = at.project.worker("s")
    assert worker is not None
    worker.life.ready_since -= STABLE  # as if it had served for long
    killed = time.monotonic()
    os.kill(at.row("s")["pid"], signal.SIGKILL)
    return killed


async def test_while_a_server_is_killed_again_and_again_every_call_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path, {"s": light("s", **OPTIONS)}) as at:
        async with calling(at) as callers, at.desk.project.events.listen() as told:
            await callers.more(CALLERS)
            for _ in range(KILLS):
                kill(at.desk)
                with anyio.fail_after(20):
                    while (await told.get())["kind"] != "connected":
                        pass
                    await callers.more(2 * CALLERS)
        assert len(callers.failed) <= KILLS * CALLERS, "none but what was in flight"
        for failed in callers.failed:
            assert failed["error"]["data"]["reason"] == "ended"
            assert "SIGKILL" in failed["error"]["message"]
        assert at.desk.row("s")["restarts"] == KILLS


async def killed_under(at: Desk, client: Stateless) -> tuple[float, float]:
    """Seconds from a kill until the call in flight is answered, and until the call after it is."""
    live = at.project.serving("s")
    assert live is not None
    long = asyncio.create_task(client.call("s__sleep", ms=60_000))
    await at.until(lambda: live.in_flight == 1)
    killed = kill(at)
    with anyio.fail_after(20):
        assert "SIGKILL" in (await long).error["message"]
        seen = time.monotonic() - killed
        answer = await client.call("s__echo", text="next")
    assert answer.last.get("error") is None and answer.result["content"][0]["text"] == "next"
    return seen, time.monotonic() - killed


async def test_a_call_in_flight_is_answered_at_once_and_the_next_one_by_the_new_process(tmp_path: Path) -> None:
    began = time.monotonic()
    async with served(tmp_path, {"s": light("s", **OPTIONS)}) as at:
        start = time.monotonic() - began
        client = at.stateless()
        times = [await killed_under(at.desk, client) for _ in range(KILLS)]
        assert min(seen for seen, _ in times) < SEEN
        assert min(back for _, back in times) < start, "it is back after the time of its own start"
