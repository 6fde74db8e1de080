"""A plan's actions are accepted in order, written before any session is touched, and each is told how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.engine.execute import OnFailure, Outcome, execute
from reconciler.engine.ledger import Ledger
from reconciler.engine.pauses import Pauses
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed, ObservedServer
from reconciler.model.pins import Pins
from reconciler.plan.actions import PROJECT, Plan
from reconciler.plan.build import make_plan
from reconciler.sessions.session import SessionError
from reconciler.store.accepted import read_accepted
from reconciler.store.records import Records
from reconciler.store.state_dir import StateDir
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, tzinfo=UTC)
ONE, TWO = {"command": "one"}, {"command": "two"}
BROKEN = SessionError("It exited with status 3.", code="ended")


class Desk:
    """The Hands of a project: a real ledger, and servers that settle as they were told.

    `said` is what happened: `wake a`, `retry a`, `start create a`, `applied a`. `on_disk` is what stood on the disk
    when a server was woken.
    """

    def __init__(self, folder: Path, servers: Mapping[str, Any], **settings: Any) -> None:
        self.state = StateDir(folder / "acme-1")
        self.state.ensure()
        document = Document({"version": 1, **settings, "mcpServers": dict(servers)})
        self.closing = False
        self.records = Records(self.state.records)
        self.pauses = Pauses(self.records, lambda *_: None, lambda _: None)
        self.ledger = Ledger(self.state, Accepted(lineage="x", serial=1, document=document))
        self.settles: dict[str, SessionError | asyncio.Event | None] = {}
        self.said: list[str] = []
        self.told: list[Outcome | tuple[str, str]] = []
        self.on_disk: dict[str, Any] = {}

    def wake(self, server_id: str) -> None:
        self.said.append(f"wake {server_id}")
        self.on_disk[server_id] = read_accepted(self.state, default_project="x").document.servers.get(server_id)

    def retry(self, server_id: str) -> None:
        self.said.append(f"retry {server_id}")

    async def settled(self, server_id: str) -> SessionError | None:
        await checkpoint()
        answer = self.settles.get(server_id)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return None
        return answer

    def report(self, news: Outcome | tuple[str, str]) -> None:
        self.told.append(news)
        if isinstance(news, Outcome):
            self.said.append(f"{news.status} {news.server}")

    def plan(self, servers: Mapping[str, Any], *, down: tuple[str, ...] = (), **settings: Any) -> Plan:
        desired = Document({"version": 1, **settings, "mcpServers": dict(servers)})
        accepted = self.ledger.document
        seen = {server: _observed(server, accepted.spec_digest(server), server in down) for server in accepted.servers}
        return make_plan(self.ledger.accepted, desired, Observed(True, seen), Pins(None), now=NOW)

    async def execute(
        self,
        plan: Plan,
        *,
        waiting: Mapping[str, tuple[str, ...]] | None = None,
        on_failure: OnFailure = "continue",
        wait: float = 120.0,
    ) -> dict[str, str]:
        """The statuses by server."""
        self.ledger.begin()
        with anyio.fail_after(10):
            outcomes = await execute(plan, self, waiting or {}, self.report, on_failure=on_failure, wait=wait)
        assert [outcome.server for outcome in outcomes] == [a.server for a in (*plan.actions, *plan.drift)]
        return {outcome.server: outcome.status for outcome in outcomes}

    def order(self, *servers: str) -> list[str]:
        """In which order these were taken up."""
        begun = [news[0] for news in self.told if isinstance(news, tuple)]
        return [server for server in begun if server in servers]


def _observed(server: str, spec: str, down: bool) -> ObservedServer:
    if down:
        return ObservedServer(server, "error", down="it exited")
    return ObservedServer(server, "connected", "ins-1", spec)


# What is accepted


async def test_every_action_is_accepted_written_and_then_its_server_is_woken(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE, "gone": ONE})
    after = {"a": TWO, "b": {**ONE, "name": "B"}, "new": ONE}
    assert await at.execute(at.plan(after)) == dict.fromkeys(["a", "b", "gone", "new"], "applied")
    assert at.ledger.document.servers == after
    assert at.on_disk == {**after, "gone": None}
    assert at.ledger.accepted.changed == {"a": 2, "b": 2, "new": 2}


async def test_what_waits_is_left_as_it_was(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    plan = at.plan({"a": TWO, "b": {**ONE, "name": "B"}, "new": ONE})
    waiting = {"a": ("launch",), "new": ("launch",)}
    assert await at.execute(plan, waiting=waiting) == {"a": "waiting", "b": "applied", "new": "waiting"}
    assert at.ledger.document.servers == {"a": ONE, "b": {**ONE, "name": "B"}}
    assert at.said == ["wake b", "applied b"]


async def test_the_outcome_of_what_waits_names_the_marks(tmp_path: Path) -> None:
    at = Desk(tmp_path, {})
    [outcome] = await execute(at.plan({"a": ONE}), at, {"a": ("launch",)}, at.report)
    assert outcome.to_json() == {
        "server": "a",
        "action": "create",
        "status": "waiting",
        "ms": 0,
        "error": None,
        "marks": ["launch"],
        "paused": None,
    }


async def test_settings_are_accepted_and_every_server_is_woken(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    plan = at.plan({"a": ONE, "b": ONE}, project="acme")
    assert await at.execute(plan) == {PROJECT: "applied"}
    assert at.said == ["wake a", "wake b", f"applied {PROJECT}"]
    assert at.ledger.document.project == "acme"


async def test_a_repair_is_a_retry_and_changes_nothing_accepted(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    plan = at.plan({"a": ONE, "b": TWO}, down=("a",))
    assert await at.execute(plan) == {"b": "applied", "a": "applied"}
    assert sorted(at.said[:2]) == ["retry a", "wake b"]
    assert at.ledger.accepted.changed == {"b": 2}


async def test_an_empty_plan_does_nothing(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE})
    assert await at.execute(at.plan({"a": ONE})) == {}
    assert at.said == []


# In which order


async def test_first_tighten_then_close_open_update_and_loosen_last(tmp_path: Path) -> None:
    before = {
        "tighten": {**ONE, "requireApproval": False},
        "close": ONE,
        "delete": ONE,
        "open": ONE,
        "update": ONE,
        "loosen": ONE,
    }
    after = {
        "tighten": ONE,
        "close": {**ONE, "enabled": False},
        "open": TWO,
        "new": ONE,
        "update": {**ONE, "name": "U"},
        "loosen": {**ONE, "requireApproval": False},
    }
    at = Desk(tmp_path, before)
    await at.execute(at.plan(after))
    assert at.order(*before, "new") == ["tighten", "close", "delete", "new", "open", "update", "loosen"]


async def test_a_phase_begins_when_the_one_before_it_has_settled(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"close": ONE, "open": ONE})
    gate = at.settles["close"] = asyncio.Event()
    plan = at.plan({"open": TWO})
    running = asyncio.create_task(at.execute(plan))
    await anyio.wait_all_tasks_blocked()
    await at.ledger.commit()
    await anyio.wait_all_tasks_blocked()
    assert at.order("close", "open") == ["close"]
    gate.set()
    assert await running == {"close": "applied", "open": "applied"}


async def test_new_settings_come_before_what_they_matter_for_and_before_new_servers(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "closed": ONE})
    after = {"a": {**ONE, "description": "x"}, "closed": {**ONE, "enabled": False}, "new": ONE}
    looser = at.plan(after, defaults={"requireApproval": False})
    assert looser.actions[0].marks == {"loosen"}
    await at.execute(looser)
    assert at.order(PROJECT, "a", "new") == [PROJECT, "a", "new"]


async def test_stricter_settings_come_first_of_all(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "closed": ONE}, defaults={"requireApproval": False})
    await at.execute(at.plan({"a": ONE, "new": ONE}))
    assert at.order(PROJECT, "a", "closed", "new") == [PROJECT, "a", "closed", "new"]


# When something fails


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_failure_stays_with_its_server_and_its_change_stays_accepted(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    at.settles["a"] = BROKEN
    after = {"a": TWO, "b": {**ONE, "name": "B"}}
    assert await at.execute(at.plan(after)) == {"a": "failed", "b": "applied"}
    assert at.ledger.document.servers == after
    [failed] = [news for news in at.told if isinstance(news, Outcome) and news.status == "failed"]
    assert (failed.error, failed.code) == ("It exited with status 3.", "ended")
    assert failed.to_json()["error"] == {"code": "ended", "message": "It exited with status 3."}


async def test_stop_leaves_the_later_phases_alone(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE, "c": ONE})
    at.settles["a"] = BROKEN
    after = {"a": TWO, "b": {**ONE, "name": "B"}}
    statuses = await at.execute(at.plan(after), on_failure="stop")
    assert statuses == {"a": "failed", "b": "skipped", "c": "applied"}
    assert at.ledger.document.servers == {"a": TWO, "b": ONE}


async def test_rollback_accepts_again_what_was_accepted_before(tmp_path: Path) -> None:
    before = {"a": ONE, "b": ONE, "gone": ONE}
    at = Desk(tmp_path, before, project="acme")
    at.settles["b"] = BROKEN
    plan = at.plan({"a": {**ONE, "name": "A"}, "b": TWO, "new": ONE}, project="other")
    statuses = await at.execute(plan, on_failure="rollback")
    assert statuses == {
        PROJECT: "rolled-back",
        "a": "skipped",
        "b": "failed",
        "gone": "rolled-back",
        "new": "rolled-back",
    }
    stored = read_accepted(at.state, default_project="x").document
    assert stored.written == at.ledger.document.written == {"version": 1, "project": "acme", "mcpServers": before}
    assert {"wake b", "wake gone", "wake new"} <= set(at.said[-7:])


async def test_a_rollback_that_cannot_be_written_leaves_what_was_applied_and_says_so(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    at.settles["b"] = BROKEN
    plan = at.plan({"a": TWO, "b": TWO})
    settled = at.settled

    async def lose_the_disk(server_id: str) -> SessionError | None:
        if at.state.path.exists():
            at.state.path.rename(tmp_path / "gone")
        return await settled(server_id)

    at.settled = lose_the_disk  # type: ignore[method-assign]
    assert await at.execute(plan, on_failure="rollback") == {"a": "applied", "b": "failed"}
    assert at.ledger.document.servers == {"a": TWO, "b": TWO}


async def test_rollback_leaves_repairs_and_what_waits_alone(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    at.settles["b"] = BROKEN
    plan = at.plan({"a": ONE, "b": TWO, "new": ONE}, down=("a",))
    statuses = await at.execute(plan, waiting={"new": ("launch",)}, on_failure="rollback")
    assert statuses == {"b": "failed", "new": "waiting", "a": "applied"}
    assert at.ledger.document.servers == {"a": ONE, "b": ONE}


async def test_without_a_failure_nothing_is_rolled_back(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE})
    assert await at.execute(at.plan({"a": TWO}), on_failure="rollback") == {"a": "applied"}
    assert at.ledger.document.servers == {"a": TWO}


async def test_what_takes_longer_than_the_wait_is_late_and_goes_on(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    at.settles["a"] = asyncio.Event()
    statuses = await at.execute(at.plan({"a": TWO, "b": TWO}), wait=0.05)
    assert statuses == {"a": "late", "b": "applied"}
    assert at.ledger.document.servers == {"a": TWO, "b": TWO}


async def test_a_state_that_cannot_be_written_accepts_nothing_and_says_why(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE, "b": ONE})
    await at.ledger.commit()
    plan = at.plan({"a": TWO, "b": {**ONE, "name": "B"}})
    at.state.path.rename(tmp_path / "gone")
    assert await at.execute(plan) == {"a": "failed", "b": "failed"}
    assert at.ledger.document.servers == {"a": ONE, "b": ONE}
    failed = [news for news in at.told if isinstance(news, Outcome)]
    assert {(news.code, news.error) for news in failed} == {
        ("state", f"{at.state.key_file} cannot be written: No such file or directory")
    }


@requirement("LIVE-2:pause")
async def test_what_a_pause_keeps_from_starting_says_so_and_nothing_else_does(tmp_path: Path) -> None:
    off = {**ONE, "enabled": False}
    at = Desk(tmp_path, {"changed": ONE, "named": ONE, "on": off, "off": ONE, "stays-off": off, "gone": ONE, "b": ONE})
    await at.records.open("now")
    try:
        pauses = {name: await at.pauses.add(name, "jo", None) for name in at.ledger.document.servers if name != "b"}
        after = {"changed": TWO, "named": {**ONE, "name": "N"}, "on": ONE, "off": off, "b": TWO}
        statuses = await at.execute(at.plan({**after, "stays-off": {**TWO, "enabled": False}}))
        assert set(statuses.values()) == {"applied"}
        rest = {news.server: news.paused for news in at.told if isinstance(news, Outcome) and news.paused}
        assert rest == {"changed": pauses["changed"], "on": pauses["on"]}
    finally:
        await at.pauses.close()
        await at.records.close()


async def test_every_start_and_every_end_is_told(tmp_path: Path) -> None:
    at = Desk(tmp_path, {"a": ONE})
    await at.execute(at.plan({"b": ONE}))
    shown = [news if isinstance(news, tuple) else (news.status, news.server) for news in at.told]
    assert shown == [("a", "delete"), ("applied", "a"), ("b", "create"), ("applied", "b")]
