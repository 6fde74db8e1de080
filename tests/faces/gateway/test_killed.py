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
from tests.faces.gateway.served import served
from tests.faces.gateway.test_changes_under_load import CALLERS, OPTIONS, calling
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:death-noticed")]
KILLS = 5
SEEN = 0.05
"""Seconds after which a death is known, on a machine that has time: the least of all counts."""


async def kill(at: Desk) -> tuple[float, float]:
    """Kill the process that serves; after how many seconds its end is known, and another serves."""
    async with at.project.events.listen() as told:

        async def hears(kind: str) -> float:
            while (await told.get())["kind"] != kind:
                pass
            return time.monotonic() - killed

        pid = at.row("s")["pid"]
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        with anyio.fail_after(20):
            seen, back = await hears("down"), await hears("connected")
    assert at.row("s")["pid"] != pid
    return seen, back


async def test_a_killed_server_is_seen_to_be_gone_and_comes_back_while_clients_call_it(tmp_path: Path) -> None:
    started = time.monotonic()
    async with served(tmp_path, {"s": light("s", **OPTIONS)}) as at:
        alone = time.monotonic() - started
        async with calling(at) as callers:
            await callers.more(CALLERS)
            times = []
            for _ in range(KILLS):
                worker = at.desk.project.worker("s")
                assert worker is not None
                worker.life.ready_since -= STABLE  # as if it had served for long
                times.append(await kill(at.desk))
                with anyio.fail_after(20):
                    await callers.more(2 * CALLERS)
        assert min(seen for seen, _ in times) < SEEN
        assert min(back for _, back in times) < alone
        assert len(callers.failed) <= KILLS * CALLERS, "none but what was in flight"
        for failed in callers.failed:
            assert failed["error"]["data"]["reason"] == "ended"
            assert "SIGKILL" in failed["error"]["message"]
        assert at.desk.row("s")["restarts"] == KILLS


async def test_a_call_in_flight_is_answered_when_its_server_is_killed_and_the_next_one_waits(tmp_path: Path) -> None:
    async with served(tmp_path, {"s": light("s", **OPTIONS)}) as at:
        client = at.stateless()
        long = asyncio.create_task(client.call("s__sleep", ms=60_000))
        await at.desk.until(lambda: at.desk.project.hub.slot("s").live.in_flight == 1)  # type: ignore[union-attr]
        os.kill(at.desk.row("s")["pid"], signal.SIGKILL)
        with anyio.fail_after(20):
            assert "SIGKILL" in (await long).error["message"]
            answer = await client.call("s__echo", text="next")
            assert answer.last.get("error") is None and answer.result["content"][0]["text"] == "next"
