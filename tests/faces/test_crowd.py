"""Hostile clients in a process of their own, and an engine with all its faces: `tests.rig.crowd`, the short form."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from pathlib import Path

import pytest

from reconciler.gate.principal import Principal
from tests.faces.cli.hosted import Hosted, hosted
from tests.requirements import requirement
from tests.rig.crowd import (
    GROWN,
    LATEST,
    QUICK,
    SERVERS,
    SLOW,
    Target,
    attacked,
    descriptors,
    enter,
    good_calls,
    memory,
)
from tests.waiting import come_true

pytestmark = [requirement("GATE-1:crowd"), pytest.mark.anyio]
HALF_OPEN = 100
CALLS = 50


async def target_of(at: Hosted) -> Target:
    link = f"/ui/enter?word={at.host.visits.link(Principal('visitor', 'operator'))}"
    port = at.address.port
    return Target(port, at.token("client"), at.token("operator"), await enter(port, link))


async def test_good_calls_are_answered_in_the_crowd_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async with hosted(tmp_path, SERVERS) as at:
        await at.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
        target, pid = await target_of(at), os.getpid()
        await good_calls(target, 1)
        with attacked(target, rounds=1) as process:  # what is loaded once is there
            await asyncio.to_thread(process.communicate)
        before, tasks, rss = descriptors(pid), len(asyncio.all_tasks()), memory(pid)
        with attacked(target, HALF_OPEN) as process:
            await come_true(lambda: descriptors(pid) >= before + HALF_OPEN, LATEST)
            assert len(await good_calls(target, CALLS)) == CALLS
            sent = json.loads((await asyncio.to_thread(process.communicate))[0])
        assert sent.keys() == {"half_open", *(each.__name__ for each in (*SLOW, *QUICK))}
        await come_true(lambda: descriptors(pid) <= before and len(asyncio.all_tasks()) <= tasks, LATEST)
        gc.collect()
        assert memory(pid) - rss < GROWN
