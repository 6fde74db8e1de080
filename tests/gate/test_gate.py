"""Every call passes the gate: it runs and is recorded, or the server sees nothing of it and the caller reads why."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.canonical import digest
from reconciler.gate.gate import Gate, Principal, Refused, Role
from reconciler.gate.policy import Policy, policy_of
from reconciler.model.document import Document
from reconciler.sessions.hub import NotLive
from reconciler.sessions.session import Caller, DeadlineExceeded, Progress, RpcError
from reconciler.store.audit_rows import AuditRows
from reconciler.store.records import Records
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:gate-decides")]

OWNER = Principal("owner", "owner")
CLIENT = Principal("an agent", "client")
SERVERS: Mapping[str, Any] = {
    "asks": {"command": "x", "denyTools": ["hidden"], "tools": {"slow": {"timeout": "5m"}}},
    "open": {"command": "x", "requireApproval": False},
    "off": {"command": "x", "enabled": False},
}


class Desk:
    """A gate with its audit table, and a server that answers what it was told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = Records(path)
        self.seen: list[tuple[str, Mapping[str, Any], float | None]] = []
        self.answer: dict[str, Any] | BaseException = {"content": []}
        self.document = Document({"version": 1, "mcpServers": SERVERS})
        self.gate = Gate(self.policy, self.forward, AuditRows(self.records).add)

    def policy(self, server: str) -> Policy | None:
        return policy_of(self.document, server, frozenset()) if server in self.document.servers else None

    async def forward(
        self,
        server: str,
        method: str,
        params: Mapping[str, Any],
        timeout: float | None,
        on_progress: Progress | None,
        caller: Caller | None,
    ) -> dict[str, Any]:
        self.seen.append((server, params, timeout))
        if on_progress:
            on_progress({"progress": 1})
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    async def audit(self) -> list[tuple[str, ...]]:
        """Who, server, tool, decision and outcome of every row."""
        statement = "select principal, server, tool, decision, outcome from audit order by id"
        return await self.records._read(statement, ())


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path / "records.db")
    await made.records.open("now")
    yield made
    await made.records.close()


async def test_a_call_of_the_owner_is_its_own_yes_and_is_recorded_before_and_after(desk: Desk) -> None:
    assert await desk.gate.call(OWNER, "asks", "echo", {"text": "x"}) == {"content": []}
    assert desk.seen == [("asks", {"name": "echo", "arguments": {"text": "x"}}, 60.0)]
    assert await desk.audit() == [
        ("owner", "asks", "echo", "owner", "started"),
        ("owner", "asks", "echo", "owner", "done"),
    ]


async def test_the_row_holds_a_digest_of_the_arguments_and_never_their_text(desk: Desk) -> None:
    await desk.gate.call(OWNER, "asks", "echo", {"b": 1, "a": "private"})
    rows = await desk.records._read("select distinct arguments from audit", ())
    assert rows == [(digest({"a": "private", "b": 1}),)]


@pytest.mark.parametrize("role", ["client", "editor", "operator"])
async def test_a_call_of_anybody_else_that_asks_is_refused_and_the_server_sees_nothing(desk: Desk, role: Role) -> None:
    with pytest.raises(Refused, match=r'"echo" of "asks" needs approval: run `reconciler call asks echo`') as refused:
        await desk.gate.call(Principal("an agent", role), "asks", "echo", {})
    assert refused.value.code == "needs-approval"
    assert desk.seen == []
    assert await desk.audit() == [("an agent", "asks", "echo", "refused", "not run")]


@pytest.mark.parametrize("principal", [OWNER, CLIENT])
async def test_a_call_that_needs_no_approval_runs_and_leaves_no_row(desk: Desk, principal: Principal) -> None:
    await desk.gate.call(principal, "open", "echo", {})
    assert (len(desk.seen), await desk.audit()) == (1, [])


@pytest.mark.parametrize("server", ["asks", "open"])
async def test_a_viewer_calls_nothing(desk: Desk, server: str) -> None:
    with pytest.raises(Refused, match="may look and not call"):
        await desk.gate.call(Principal("a screen", "viewer"), server, "echo", {})
    assert (desk.seen, await desk.audit()) == ([], [])


@pytest.mark.parametrize(
    ("server", "tool", "code", "words"),
    [
        ("none", "echo", "unknown-server", 'no server "none" was applied'),
        ("off", "echo", "disabled", 'server "off" is disabled'),
        ("asks", "hidden", "tool-not-offered", "allowTools and denyTools decide"),
    ],
)
async def test_what_cannot_be_called_is_refused_for_the_owner_too(
    desk: Desk, server: str, tool: str, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        await desk.gate.call(OWNER, server, tool, {})
    assert (refused.value.code, desk.seen, await desk.audit()) == (code, [], [])


@pytest.mark.parametrize("principal", [OWNER, CLIENT])
async def test_a_call_that_asks_and_cannot_be_recorded_does_not_run(desk: Desk, principal: Principal) -> None:
    await desk.records._run(lambda: desk.records._now().execute("drop table audit").rowcount)
    with pytest.raises(Refused, match="cannot be recorded, so it does not run: no such table") as refused:
        await desk.gate.call(principal, "asks", "echo", {})
    assert (refused.value.code, desk.seen) == ("not-recorded", [])


async def test_a_call_that_needs_no_approval_runs_also_without_records(desk: Desk) -> None:
    await desk.records._run(lambda: desk.records._now().execute("drop table audit").rowcount)
    await desk.gate.call(CLIENT, "open", "echo", {})
    assert len(desk.seen) == 1


async def test_a_result_is_not_lost_with_the_record_of_its_end(desk: Desk) -> None:
    rows: list[Mapping[str, Any]] = []

    async def audit(row: Mapping[str, Any]) -> None:
        if rows:
            raise sqlite3.OperationalError("database or disk is full")
        rows.append(row)

    gate = Gate(desk.policy, desk.forward, audit)
    assert await gate.call(OWNER, "asks", "echo", {}) == {"content": []}
    assert [row["outcome"] for row in rows] == ["started"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"content": [], "isError": True}, "error"),
        (RpcError({"code": -32602, "message": "unknown tool"}), "failed"),
        (DeadlineExceeded("no answer"), "failed"),
        (NotLive("it is not there"), "failed"),
    ],
)
async def test_how_a_call_ended_is_recorded(desk: Desk, answer: dict[str, Any] | Exception, outcome: str) -> None:
    desk.answer = answer
    if isinstance(answer, Exception):
        with pytest.raises(type(answer)):
            await desk.gate.call(OWNER, "asks", "echo", {})
    else:
        assert await desk.gate.call(OWNER, "asks", "echo", {}) is answer
    assert [row[-1] for row in await desk.audit()] == ["started", outcome]


async def test_nobody_knows_how_a_call_ended_that_its_caller_gave_up(desk: Desk) -> None:
    begun = asyncio.Event()

    async def forward(*_: Any) -> dict[str, Any]:
        begun.set()
        return await asyncio.Future()

    gate = Gate(desk.policy, forward, AuditRows(desk.records).add)
    with anyio.fail_after(5):
        call = asyncio.create_task(gate.call(OWNER, "asks", "echo", {}))
        await begun.wait()
        call.cancel()
        await asyncio.wait({call})
    assert call.cancelled()
    assert [row[-1] for row in await desk.audit()] == ["started", "unknown"]


@pytest.mark.parametrize("arguments", [{"x": float("nan")}, {"x": 2**60}, {"x": {1, 2}}])
async def test_arguments_that_nothing_can_be_bound_to_do_not_run(desk: Desk, arguments: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="no canonical form") as refused:
        await desk.gate.call(OWNER, "asks", "echo", arguments)
    assert (refused.value.code, desk.seen, await desk.audit()) == ("bad-arguments", [], [])


async def test_progress_and_the_tools_own_deadline_go_along(desk: Desk) -> None:
    heard: list[Mapping[str, Any]] = []
    await desk.gate.call(OWNER, "asks", "slow", {}, on_progress=heard.append)
    assert heard == [{"progress": 1}]
    assert desk.seen[0][2] == 300.0


async def test_the_policy_of_the_moment_decides(desk: Desk) -> None:
    await desk.gate.call(CLIENT, "open", "echo", {})
    desk.document = Document({"version": 1, "mcpServers": {"open": {"command": "x"}}})
    with pytest.raises(Refused, match="needs approval"):
        await desk.gate.call(CLIENT, "open", "echo", {})
    assert len(desk.seen) == 1
