"""A paused server of a real engine: it does not run, whatever is applied, and nothing but the hold changes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine.follow import Follower
from reconciler.gate.gate import Refused
from reconciler.plan.actions import Reconnect
from reconciler.sessions.instance import NotLive
from reconciler.sessions.session import SessionError
from tests.engine.desk import Desk, desk, light
from tests.engine.stage import staged
from tests.requirements import requirement
from tests.sessions.puppets import server

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:pause")]


async def pause(at: Desk, server_id: str, length: timedelta | None = None) -> None:
    """Pause it, and return when its session is closed."""
    await at.project.pauses.add(server_id, "jo", length)
    with anyio.fail_after(20):
        assert await at.project.settled(server_id) is None


async def resume(at: Desk, server_id: str) -> None:
    assert await at.project.pauses.end(server_id, "jo")
    with anyio.fail_after(20):
        assert await at.project.settled(server_id) is None


def conditions(row: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in row["conditions"]}


async def test_it_is_closed_and_says_by_whom_and_runs_again_when_that_ends(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        before, text = at.row("b")["instance"], at.file.read_text(encoding="utf-8")
        await pause(at, "a", timedelta(hours=8))
        row = at.row("a")
        assert row["reason"] == str(at.project.pauses.of("a"))
        assert (row["status"], row["health"], row["sync"], row["pid"]) == (
            "disconnected",
            "Suspended",
            "OutOfSync",
            None,
        )
        assert row["paused"]["who"] == "jo" and row["paused"]["until"] is not None
        found = conditions(row)
        assert found["Paused"] == ("True", "ByPerson") and found["Ready"] == ("False", "Paused")
        messages = {each["type"]: each["message"] for each in row["conditions"]}
        assert (messages["Paused"], messages["Ready"]) == (row["reason"], "see the condition Paused")
        assert (found["Synced"], found["Stalled"]) == (("False", "Paused"), ("False", "Paused"))
        worker = at.project.worker("a")
        assert worker is not None and worker.life.phase == "Paused"
        await resume(at, "a")
        row = at.row("a")
        assert (row["status"], row["health"], row["sync"], row["paused"]) == ("connected", "Healthy", "Synced", None)
        assert "Paused" not in conditions(row)
        assert (at.row("b")["instance"], at.file.read_text(encoding="utf-8")) == (before, text)


async def test_a_call_in_flight_is_finished_and_every_later_one_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", requireApproval=False)}) as at:
        await at.apply()
        slow = asyncio.create_task(at.call("a", "sleep", ms=700))
        live = at.project.serving("a")
        assert live is not None
        await at.until(lambda: live.in_flight == 1)
        await at.project.pauses.add("a", "jo", None)
        why = at.project.pauses.why("a") or ""
        with pytest.raises(Refused) as refused:
            await at.call("a", "echo", text="hi")
        assert (refused.value.code, str(refused.value)) == ("paused", why)
        assert why.startswith('"a" is paused by jo since ') and why.endswith("; `reconciler resume a` ends that")
        assert await slow
        with anyio.fail_after(20):
            await at.project.settled("a")
        with pytest.raises(NotLive, match="paused by jo"):
            await at.project.ready("a")


async def test_a_change_is_accepted_and_starts_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await pause(at, "a")
        at.write({"a": light("a", "--mark", "2")})
        plan = await at.plan()
        assert [type(action) for action in plan.actions] == [Reconnect]
        assert (list(plan.paused), plan.drift) == (["a"], ())
        applied = await at.apply()
        pause_of = at.project.pauses.of("a")
        [outcome] = applied.outcomes
        assert (applied.exit, outcome.status, outcome.paused) == (0, "applied", pause_of)
        said = [event["message"] for event in await at.project.records.events(0, 50, "a") if event["kind"] == "paused"]
        assert f"reconnect is accepted and takes effect when the pause ends: {pause_of}" in said
        assert (at.row("a")["status"], at.project.hub.slot("a").opening) == ("disconnected", None)
        at.project.retry("a")  # as a new secret has it
        with anyio.fail_after(20):
            assert await at.project.settled("a") is None
        assert at.row("a")["status"] == "disconnected"
        await resume(at, "a")
        assert '"2"' in await at.call("a", "info")
        at.write({"a": light("a", "--mark", "3")})
        [outcome] = (await at.apply()).outcomes
        assert (outcome.status, outcome.paused) == ("applied", None)


async def test_a_plan_shows_it_as_drift_and_leaves_it_so(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        before = await at.plan()
        await pause(at, "a")
        plan = await at.plan()
        assert (plan.empty, plan.drift, plan.paused) == (True, (), {"a": at.project.pauses.of("a")})
        assert (plan.actions, plan.patch) == (before.actions, before.patch)
        assert (await at.apply()).exit == 0
        assert at.row("a")["status"] == "disconnected"


async def test_what_is_switched_off_stays_paused_for_when_it_is_switched_on(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await pause(at, "a")
        at.write({"a": light("a", enabled=False)})
        await at.apply()
        assert ((await at.plan()).paused, at.row("a")["sync"]) == ({}, "Synced")
        at.write({"a": light("a")})
        await at.apply()
        assert (at.row("a")["status"], list((await at.plan()).paused)) == ("disconnected", ["a"])


async def test_a_server_that_is_deleted_takes_its_pause_along(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        await pause(at, "a")
        at.write({"b": light("b")})
        await at.apply()
        assert at.project.pauses.of("a") is None
        at.write({"a": light("a"), "b": light("b")})
        await at.apply()
        assert at.row("a")["status"] == "connected"


@requirement("LIVE-2:pause-lasts")
async def test_the_next_engine_keeps_it_paused(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        await pause(at, "a")
        said = str(at.project.pauses.of("a"))
    async with desk(tmp_path) as at:
        await at.until(lambda: at.row("b")["status"] == "connected", 20)
        slot = at.project.hub.slot("a")
        assert (at.row("a")["reason"], slot.live, slot.opening) == (said, None, None)
        assert {event["kind"] for event in await at.project.records.events(0, 50, "a")} >= {"paused"}
        await resume(at, "a")
        assert at.row("a")["status"] == "connected"


@requirement("LIVE-2:pause-lasts")
async def test_one_with_an_end_runs_again_by_itself(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await pause(at, "a", timedelta(milliseconds=200))
        await at.until(lambda: at.row("a")["status"] == "connected", 20)
        events = [(event["kind"], event["message"]) for event in await at.project.records.events(0, 50, "a")]
        assert ("resumed" in dict(events)) and dict(events)["resumed"].startswith(
            "the pause is over; it was paused by jo"
        )


async def test_what_it_offers_is_not_listed_meanwhile(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        offered = at.project.offers.of("a")
        assert offered is not None and offered.listing.tools
        await pause(at, "a")
        offered = at.project.offers.of("a")
        assert offered is not None and (offered.listing.tools, offered.live) == ((), False)
        assert at.project.offers.listed("a").tools  # what is pinned is compared with what it listed


async def test_a_server_that_fails_rests_while_it_is_paused_and_is_tried_at_once_afterwards() -> None:
    async with staged() as stage:
        worker = stage.worker()
        stage.troupe.plays["one"] = OSError("no")
        stage.accept(worker, server(spec="one"))
        await worker.settled()
        stage.pauses["a"] = "paused by jo"
        worker.restart()
        assert await worker.settled() is None
        tries = stage.said.count("open one")
        assert (worker.life.phase, worker.life.reason, worker.life.failures) == ("Paused", "paused by jo", 0)
        assert worker.life.next_retry_at is None
        del stage.pauses["a"], stage.troupe.plays["one"]
        worker.wake()
        assert await worker.settled() is None
        assert (worker.life.phase, stage.said.count("open one")) == ("Ready", tries + 1)


@requirement("LIVE-1:conditions")
async def test_a_condition_says_which_change_the_loop_has_seen(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        at.write({"a": light("a", "--mark", "2"), "b": light("b")})
        await at.apply()
        rows = at.rows()
        assert {each["observedGeneration"] for each in rows["a"]["conditions"]} == {rows["a"]["generation"]} == {2}
        assert {each["observedGeneration"] for each in rows["b"]["conditions"]} == {rows["b"]["generation"]} == {1}
        at.project.ledger.begin()
        at.project.ledger.accept("b", light("b", "--mark", "3"))  # the loop is not told of it yet
        row = at.row("b")
        assert (row["generation"], {each["observedGeneration"] for each in row["conditions"]}) == (3, {1})
        at.project.wake("b")
        with anyio.fail_after(20):
            await at.project.settled("b")
        row = at.row("b")
        assert (row["generation"], {each["observedGeneration"] for each in row["conditions"]}) == (3, {3})


@requirement("LIVE-1:conditions")
async def test_each_condition_of_a_server_has_a_time_of_its_own(tmp_path: Path) -> None:
    def times(at: Desk) -> dict[str, str]:
        return {each["type"]: each["lastTransitionTime"] for each in at.row("a")["conditions"]}

    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        before = times(at)
        await pause(at, "a")
        paused = times(at)
        assert (paused["Approved"], paused["Stalled"]) == (before["Approved"], before["Stalled"])
        assert paused["Ready"] > before["Ready"] and paused["Paused"] >= paused["Ready"]
        await resume(at, "a")
        assert times(at)["Ready"] > paused["Ready"] and times(at)["Approved"] == before["Approved"]
    async with desk(tmp_path) as at:
        await at.until(lambda: at.row("a")["status"] == "connected", 20)
        assert times(at)["Approved"] == before["Approved"] and times(at)["Ready"] > paused["Ready"]


@requirement("LIVE-1:conditions")
async def test_what_nobody_looked_at_meanwhile_has_its_time_too(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", requireApproval=False)}) as at:
        await at.apply()
        before, first = at.row("a"), at.project.serving("a")
        with pytest.raises(SessionError):
            await at.call("a", "crash", status=3)
        await at.until(lambda: at.project.serving("a") not in (first, None), 20)
        found = [{each["type"]: each for each in row["conditions"]} for row in (before, at.row("a"))]
        for kind in ("Ready", "Reconciling"):
            old, new = (conditions[kind] for conditions in found)
            assert old["status"] == new["status"] and old["lastTransitionTime"] < new["lastTransitionTime"]
        assert found[0]["Approved"] == found[1]["Approved"]


@requirement("LIVE-1:source-conditions")
async def test_a_broken_file_is_a_condition_with_its_place(tmp_path: Path) -> None:
    def source(at: Desk) -> dict[str, tuple[str, str, str]]:
        found = at.status()["source"]["conditions"]
        return {each["type"]: (each["status"], each["reason"], each["message"]) for each in found}

    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        assert source(at) == {"SourceValid": ("True", "Valid", ""), "ServingLastGood": ("False", "Valid", "")}
        follower = Follower(at.project, "no")
        at.write({"a": {**light("a"), "colour": "red"}})
        await at.until(lambda: source(at)["SourceValid"][0] == "False")
        status, reason, message = source(at)["SourceValid"]
        assert (status, reason) == ("False", "HasErrors") and message.startswith("reconciler.yaml:")
        assert source(at)["ServingLastGood"] == ("True", "HasErrors", f"serial 1 goes on: {message}")
        since = {each["type"]: each["lastTransitionTime"] for each in at.status()["source"]["conditions"]}
        at.write({"a": light("a", "--mark", "2")})
        await at.until(lambda: source(at)["SourceValid"][0] == "True", 20)
        after = {each["type"]: each["lastTransitionTime"] for each in at.status()["source"]["conditions"]}
        assert all(after[kind] > since[kind] for kind in since)
        await follower.stop()
