"""A person's answer, how far it goes, and what becomes of it when the file cannot take it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.answering import answer_call
from reconciler.gate.approvals import Decision, NotDecided, Reach
from reconciler.gate.principal import Principal, Role
from reconciler.gate.showing import META
from reconciler.gate.turn import Patience
from reconciler.store.audit_rows import AuditRows
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:grants")]

CLIENT = Principal("an agent", "client")
OPERATOR = Principal("me", "operator")


@asynccontextmanager
async def asking(folder: Path, *options: str, **settings: Any) -> AsyncIterator[Desk]:
    async with desk(folder, {"a": light("a", *options)}, **settings) as at:
        await at.apply()
        at.project.gate.patience = Patience(whole=0)
        yield at


async def parked(at: Desk, tool: str = "echo", principal: Principal = CLIENT, **arguments: Any) -> str:
    result = await at.project.gate.call(principal, "a", tool, arguments or {"text": "x"})
    call_id: str = result["_meta"][META]["id"]
    return call_id


async def runs(at: Desk, tool: str = "echo", principal: Principal = CLIENT, **arguments: Any) -> bool:
    """Whether a call runs without asking."""
    result = await at.project.gate.call(principal, "a", tool, arguments or {"text": "y"})
    return META not in (result.get("_meta") or {})


def always(who: str = "me") -> Decision:
    return Decision(True, who, "always")


async def decisions(at: Desk) -> list[tuple[str, str]]:
    rows = await AuditRows(at.project.records).since("", 100)
    return [(row["decision"], row["outcome"]) for row in rows]


@pytest.mark.parametrize("role", ["viewer", "client", "editor"])
@pytest.mark.parametrize("allow", [True, False])
async def test_nobody_below_an_operator_decides(tmp_path: Path, role: Role, allow: bool) -> None:
    async with asking(tmp_path) as at:
        call_id = await parked(at)
        with pytest.raises(NotDecided, match=f"has the role {role}, and may not approve") as refused:
            await answer_call(at.project, Principal("x", role), call_id, Decision(allow, "x"))
        assert refused.value.code == "not-allowed"
        assert at.project.gate.approvals.waiting == 1


async def test_an_always_lets_the_call_run_and_no_later_one_asks(tmp_path: Path) -> None:
    async with asking(tmp_path) as at:
        call_id, other = await parked(at), await parked(at, principal=Principal("another", "client"))
        answered = await answer_call(at.project, OPERATOR, call_id, always())
        assert answered.to_json() == {
            "id": call_id,
            "state": "allowed",
            "for": "always",
            "runs": False,
            "refused": None,
        }
        result = await at.project.gate.result(CLIENT, call_id)
        assert result["content"][0]["text"] == "x"
        assert await runs(at)
        row = await at.project.gate.approvals.get(other)
        assert row is not None
        assert (row.state, row.who) == ("allowed", "me")
        assert ("allow-always", "file") in await decisions(at)
        assert not await runs(at, "info")
        written = json.loads(at.file.read_text(encoding="utf-8"))
        assert written["mcpServers"]["a"]["tools"] == {"echo": {"requireApproval": False}}


async def test_remembered_on_this_machine_it_holds_while_server_and_tool_stay_as_they_are(tmp_path: Path) -> None:
    async with asking(tmp_path, approvals={"remember": "local"}) as at:
        before = at.file.read_bytes()
        answered = await answer_call(at.project, OPERATOR, await parked(at), always())
        assert (answered.reach, at.file.read_bytes()) == ("always", before)
        assert await runs(at)
        assert ("allow-always", "local") in await decisions(at)
        at.write({"a": light("a", "--mark", "2")}, approvals={"remember": "local"})
        await at.apply()
        assert not await runs(at)
        at.write({"a": light("a")}, approvals={"remember": "local"})
        await at.apply()
        assert await runs(at)
        assert await at.project.remembered.remove("a", "echo")
        assert not await at.project.remembered.remove("a", "echo")
        assert not await runs(at)


async def test_what_was_remembered_is_there_after_a_restart_and_damage_allows_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path, approvals={"remember": "local"}) as at:
        await answer_call(at.project, OPERATOR, await parked(at), always())
        kept = at.project.state.always
    async with desk(tmp_path) as at:
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert await runs(at)
    kept.write_text("{", encoding="utf-8")
    async with desk(tmp_path) as at:
        await at.until(lambda: at.row("a")["status"] == "connected")
        at.project.gate.patience = Patience(whole=0)
        assert not await runs(at)
        await at.project.events.flush()
        events = await at.project.records.events(0, 100, None)
        assert any("always.json cannot be read, so what it allowed asks again" in row["message"] for row in events)


def broken(at: Desk) -> None:
    at.file.write_text("mcpServers: [", encoding="utf-8")


def held(at: Desk) -> None:
    at.project.followed.held = "it shrank"


def gone(at: Desk) -> None:
    at.write({})


@pytest.mark.parametrize(("damage", "code"), [(broken, "invalid"), (held, "held"), (gone, "edit-refused")])
async def test_where_the_file_cannot_take_it_the_call_is_allowed_once_and_the_reason_said(
    tmp_path: Path, damage: Any, code: str
) -> None:
    async with asking(tmp_path) as at:
        call_id = await parked(at)
        damage(at)
        answered = await answer_call(at.project, OPERATOR, call_id, always())
        assert (answered.reach, answered.refused and answered.refused[0]) == ("once", code)
        assert (await at.project.gate.result(CLIENT, call_id))["content"][0]["text"] == "x"
        assert not await runs(at)
        assert ("allow-always", "refused") in await decisions(at)


async def test_a_tool_whose_name_selects_others_is_not_written_into_the_file(tmp_path: Path) -> None:
    server = {"mock": {"tools": [{"name": "get*", "inputSchema": {"type": "object"}}], "responses": {}}}
    async with desk(tmp_path, {"a": server}) as at:
        await at.apply()
        at.project.gate.patience = Patience(whole=0)
        before = at.file.read_bytes()
        answered = await answer_call(at.project, OPERATOR, await parked(at, "get*"), always())
        assert (answered.reach, answered.refused and answered.refused[0]) == ("once", "bad-name")
        assert at.file.read_bytes() == before


@pytest.mark.parametrize("reach", ["once", "session", "always"])
async def test_a_no_is_a_no_however_far_it_was_meant(tmp_path: Path, reach: Reach) -> None:
    async with asking(tmp_path) as at:
        before = at.file.read_bytes()
        answered = await answer_call(at.project, OPERATOR, await parked(at), Decision(False, "me", reach))
        assert (answered.row.state, answered.reach, at.file.read_bytes()) == ("denied", "once", before)
        assert not await runs(at)
