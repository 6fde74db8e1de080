"""Servers come and go under ever new names: nothing is kept of them in memory, and what the disk keeps is bounded."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MethodType
from typing import Any

import anyio
import pytest

from reconciler.engine.change import Consent
from reconciler.engine.project import Project
from reconciler.engine.rollback import patch_to, roll_back
from reconciler.engine.yeses import Yeses
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:gone")]

ROUNDS, AT_A_TIME = 10, 30
_CONTAINERS = (dict, set, frozenset, list, tuple, deque)


def kept_by(project: Project) -> Counter[str]:
    """How many things stand in each container of ours that a project leads to, by the way there."""
    found: Counter[str] = Counter()
    seen: set[int] = set()
    todo: list[tuple[str, Any]] = [("project", project)]
    while todo:
        way, value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, _CONTAINERS):
            found[way] += len(value)
        todo += _inside(way, value)
    return found


def _inside(way: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, MethodType):
        yield way, value.__self__
    elif isinstance(value, _CONTAINERS):
        yield from ((f"{way}[]", each) for each in (value.values() if isinstance(value, Mapping) else value))
    elif type(value).__module__.startswith("reconciler."):
        slots = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        names = slots | getattr(value, "__dict__", {}).keys()
        yield from ((f"{way}.{name}", getattr(value, name)) for name in sorted(names) if hasattr(value, name))


async def come_and_go(at: Desk, names: list[str]) -> None:
    """They are added, used in every way that leaves something behind, and deleted."""
    project = at.project
    at.write({"stays": light("stays"), **{name: light(name, requireApproval=False) for name in names}})
    await at.apply()
    await asyncio.gather(*(at.call(name, "echo", text="hi") for name in names))
    assert len(at.status()["servers"]) == len(names) + 1
    project.follow_resources(names[0], frozenset({"a:b"}))
    await project.pauses.add(names[1], "jo", None)
    at.write({"stays": light("stays")})
    await at.apply(allow={"mass-delete"})
    project.follow_resources(names[0], frozenset({"a:b"}))
    for name in names:
        project.retry(name)
        assert (project.offers.of(name), project.serving(name), project.worker(name)) == (None, None, None)


async def test_three_hundred_servers_that_came_and_went_leave_nothing_behind(tmp_path: Path) -> None:
    async with desk(tmp_path, {"stays": light("stays")}) as at:
        at.project.yeses = Yeses(at.project.state, at.project.ledger, at.project.records, AT_A_TIME)
        counts = []
        for number in range(ROUNDS):
            await come_and_go(at, [f"s{number}-{each}" for each in range(AT_A_TIME)])
            await at.project.background.finish(20)
            counts.append(kept_by(at.project))
        first, last = counts[0], counts[-1]
        yeses = {way for way in last if way.endswith(".yeses")}
        assert {way: (first[way], last[way]) for way in last if last[way] > first[way] + 2 and way not in yeses} == {}
        # the history leads back to the last 20 applies: ten of these had thirty servers each
        assert len(at.project.ledger.accepted.yeses) <= 20 / 2 * AT_A_TIME + 1


async def test_calls_that_are_in_flight_are_finished_before_it_is_forgotten(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", requireApproval=False), "stays": light("stays")}) as at:
        await at.apply()
        slow = asyncio.create_task(at.call("a", "sleep", ms=700))
        live = at.project.serving("a")
        assert live is not None
        await at.until(lambda: live.in_flight == 1)
        at.write({"stays": light("stays")})
        [outcome] = (await at.apply(allow={"mass-delete"}, wait=0.01)).outcomes
        assert (outcome.status, live in at.project.hub.slot("a").draining) == ("late", True)
        assert await slow
        await at.until(lambda: at.project.worker("a") is None)
        assert not at.project.hub.slot("a").draining
        at.write({"a": light("a"), "stays": light("stays")})
        await at.apply()
        assert at.row("a")["status"] == "connected"


async def test_a_yes_is_kept_while_the_history_leads_back_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        project = at.project
        project.yeses = Yeses(project.state, project.ledger, project.records, 2)
        await at.apply()
        first = project.ledger.document.launch_digest("a")
        assert first is not None
        await project.records.add_hints(first, {"reads": True})
        for number in range(25):
            before = len(project.ledger.accepted.yeses)
            at.write({"a": light("a", "--mark", str(number))})
            await at.apply()
            if number == 15:
                assert first in project.ledger.accepted.yeses
                assert await project.records.read_only_tools(first)
        serials = [row["serial"] for row in await project.records.history()]
        assert (len(serials), 1 in serials) == (20, False)
        for number in range(25, 70):
            at.write({"a": light("a", "--mark", str(number))})
            await at.apply()
            before = max(before, len(project.ledger.accepted.yeses))
        assert before <= 42 and first not in project.ledger.accepted.yeses
        assert not await project.records.read_only_tools(first)
        oldest = min(row["serial"] for row in await project.records.history())
        target = await patch_to(project, oldest)
        plan_yes = Consent("jo", frozenset())
        with anyio.fail_after(30):
            applied = await roll_back(project, target, plan_yes, lambda _: None)
        assert [outcome.status for outcome in applied.outcomes] == ["applied"]  # nobody is asked anew
