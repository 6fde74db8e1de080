"""Accepting what live servers show: what is written, what stays, and what is not taken."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine.pinning import MovedOn, UnknownServer, Unusable, accept, survey
from reconciler.sessions.session import CLIENT_CAPABILITIES
from tests.definitions import TOOL
from tests.engine.desk import desk
from tests.engine.listing import lay, listed, pin, reached, show
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ECHO: dict[str, Any] = {"name": "echo", "inputSchema": {"type": "object"}}


def lines_of(text: str, server: str) -> tuple[list[str], list[str]]:
    """The lines of one server in a lock, and all others."""
    lines = text.splitlines()
    start = lines.index(f'    "{server}": {{')
    end = next(i for i in range(start, len(lines)) if lines[i].startswith("    }"))
    return lines[start : end + 1], lines[:start] + lines[end + 1 :]


@requirement("GATE-3:lock-file", "GATE-3:command")
async def test_the_lock_holds_what_live_servers_show_and_is_the_same_the_second_time(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[TOOL, ECHO], prompts=[{"name": "p"}], instructions="Be kind.", resources=[{"uri": "a:b"}])
    async with desk(tmp_path, {"s": listed(tmp_path, "s"), "m": {"mock": {"tools": [ECHO]}}}) as at:
        await at.apply()
        first = await pin(at)
        assert (first.written, first.accepted, first.removed, first.kept) == (True, ("m", "s"), (), {})
        file = tmp_path / "reconciler.lock"
        text = file.read_text()
        servers = json.loads(text)["servers"]
        assert servers["s"]["clientCapabilities"] == CLIENT_CAPABILITIES
        assert servers["s"]["serverInfo"] == {"name": "listed", "version": "1"}
        assert servers["s"]["protocolVersion"] == "2025-11-25"
        assert servers["s"]["instructions"].startswith("sha256:")
        assert ([*servers["s"]["tools"]], [*servers["s"]["prompts"]]) == (["echo", "search"], ["p"])
        assert "_meta" not in servers["s"]["tools"]["search"]["definition"]
        assert servers["m"]["launch"] is None
        inode = file.stat().st_ino
        second = await pin(at)
        assert (second.written, second.accepted) == (False, ("m", "s"))
        assert (file.read_text(), file.stat().st_ino) == (text, inode)
        file.unlink()
        await pin(at)
        assert file.read_text() == text
        assert reached(tmp_path, "s") == []


@requirement("GATE-3:command")
async def test_accepting_one_server_changes_no_line_of_another(tmp_path: Path) -> None:
    for name in "abc":
        lay(tmp_path, name, tools=[TOOL, ECHO])
    async with desk(tmp_path, {name: listed(tmp_path, name) for name in "abc"}) as at:
        await at.apply()
        await pin(at)
        file = tmp_path / "reconciler.lock"
        before = file.read_text()
        await asyncio.gather(*(show(at, name, tools=[{**TOOL, "title": "x"}]) for name in "ab"))
        done = await pin(at, "b")
        assert (done.accepted, done.kept) == (("b",), {})
        (mine, others), (mine_before, others_before) = lines_of(file.read_text(), "b"), lines_of(before, "b")
        assert others == others_before
        assert mine != mine_before
        assert {each.server: each.standing for each in await survey(at.project)} == {
            "a": "drift",
            "b": "accepted",
            "c": "accepted",
        }


@requirement("GATE-3:command", "GATE-3:left-alone")
async def test_pins_of_servers_that_are_not_live_stay_and_those_of_servers_that_are_gone_leave_with_the_next_lock(
    tmp_path: Path,
) -> None:
    for name in "abcd":
        lay(tmp_path, name, tools=[ECHO])
    servers = {name: listed(tmp_path, name) for name in "abcd"}
    async with desk(tmp_path, servers) as at:
        await at.apply()
        await pin(at)
        file = tmp_path / "reconciler.lock"
        before = file.read_text()
        broken = {"command": "/nonexistent/program"}
        at.write({"a": {**servers["a"], "enabled": False}, "b": {**servers["b"], "lock": "off"}, "n": broken})
        await at.apply(allow=["mass-delete"], wait=5)
        assert file.read_text() == before
        standings = {each.server: each.standing for each in await survey(at.project)}
        assert standings == {"a": "disabled", "b": "off", "c": "left-over", "d": "left-over", "n": "not-live"}
        one = await pin(at, "c")
        assert (one.removed, lines_of(before, "c")[1]) == (("c",), file.read_text().splitlines())
        done = await pin(at)
        assert (done.accepted, done.removed, [*done.kept], done.unpinned) == ((), ("b", "d"), ["a", "n"], ("n",))
        assert [*json.loads(file.read_text())["servers"]] == ["a"]


@requirement("GATE-3:broken-lock")
async def test_a_broken_lock_can_be_written_anew_whole_and_not_for_one_server(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with desk(tmp_path, {"s": listed(tmp_path, "s")}) as at:
        await at.apply()
        file = tmp_path / "reconciler.lock"
        file.write_text("<<<<<<< HEAD\n")
        with pytest.raises(Unusable) as refused:
            await pin(at, "s")
        assert [problem.code for problem in refused.value.problems] == ["merge-conflict"]
        assert file.read_text() == "<<<<<<< HEAD\n"
        assert (await pin(at)).written
        assert at.project.lock.pins.problems == ()


@requirement("GATE-3:command")
async def test_what_was_not_looked_at_is_not_accepted(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with desk(tmp_path, {"s": listed(tmp_path, "s")}) as at:
        await at.apply()
        (seen,) = await survey(at.project)
        assert seen.offered is not None
        await show(at, "s", tools=[TOOL])
        with pytest.raises(MovedOn, match="something else than a moment ago"):
            await accept(at.project, expected={"s": seen.offered})
        assert not (tmp_path / "reconciler.lock").exists()
        (now,) = await survey(at.project)
        assert now.offered is not None
        await accept(at.project, expected={"s": now.offered})


async def test_sessions_on_their_way_are_waited_for(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO])
    async with desk(tmp_path, {"s": listed(tmp_path, "s", "--hang")}) as at:
        await at.apply(wait=0)
        (early,) = await survey(at.project, wait=0)
        assert (early.standing, early.why) == ("not-live", "it is connecting")
        later = asyncio.create_task(survey(at.project, wait=20))
        (tmp_path / "s" / "go").touch()
        with anyio.fail_after(20):
            (found,) = await later
        assert (found.standing, found.verdicts.known if found.verdicts else None) == ("drift", False)


async def test_a_server_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        with pytest.raises(UnknownServer, match='no server "x"'):
            await survey(at.project, "x")


@requirement("API-4:secrets-never-render")
async def test_a_definition_that_repeats_a_secret_is_not_written_and_not_shown(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[ECHO, {**TOOL, "description": "uses hunter2-hunter2"}])
    server = listed(tmp_path, "s", env={"TOKEN": "hunter2-hunter2"})
    async with desk(tmp_path, {"s": server}) as at:
        await at.apply()
        await pin(at)
        text = (tmp_path / "reconciler.lock").read_text()
        assert '"echo"' in text
        assert "hunter2" not in text
        (found,) = await survey(at.project)
        assert (found.standing, found.unpinnable) == ("drift", (("tool", "search"),))
        assert "hunter2" not in json.dumps(found.to_json(changes=True))


@requirement("GATE-3:command")
async def test_no_lock_is_written_for_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, {"far": {"url": "http://127.0.0.1:9/mcp", "enabled": False}}) as at:
        await at.apply()
        accepted = await accept(at.project, "far", wait=0)
        assert (accepted.written, accepted.accepted) == (False, ())
        assert not (tmp_path / "reconciler.lock").exists()
