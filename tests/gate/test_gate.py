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
from reconciler.gate.gate import Gate, Principal, Refused
from reconciler.gate.policy import Policy
from reconciler.sessions.instance import NotLive
from reconciler.sessions.session import DeadlineExceeded, RpcError
from tests.gate.desk import CLIENT, OWNER, Desk
from tests.gate.desk import desk as opened
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:gate-decides")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        yield made


async def test_a_call_of_the_owner_is_its_own_yes_and_is_recorded_before_and_after(desk: Desk) -> None:
    assert await desk.gate.call(OWNER, "asks", "echo", {"text": "x"}) == {"content": []}
    assert desk.seen == [("asks", {"name": "echo", "arguments": {"text": "x"}}, 60.0)]
    assert await desk.audit() == [
        ("owner", "asks", "echo", "owner", "started"),
        ("owner", "asks", "echo", "owner", "done"),
    ]


async def test_the_row_holds_a_digest_of_the_arguments_and_never_their_text(desk: Desk) -> None:
    await desk.gate.call(OWNER, "asks", "echo", {"b": 1, "a": "private"})
    rows = await desk.audit_rows.since("", 10)
    assert {row["arguments"] for row in rows} == {digest({"a": "private", "b": 1})}


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
    await desk.records.run(lambda database: database.execute("drop table audit").rowcount)
    with pytest.raises(Refused, match="cannot be recorded, so it does not run: no such") as refused:
        await desk.gate.call(principal, "asks", "echo", {})
    assert (refused.value.code, desk.seen) == ("not-recorded", [])


async def test_a_call_that_needs_no_approval_runs_also_without_records(desk: Desk) -> None:
    await desk.records.run(lambda database: database.execute("drop table audit").rowcount)
    await desk.gate.call(CLIENT, "open", "echo", {})
    assert len(desk.seen) == 1


async def test_a_result_is_not_lost_with_the_record_of_its_end(desk: Desk) -> None:
    rows: list[Mapping[str, str | None]] = []

    async def audit(row: Mapping[str, str | None]) -> None:
        if rows:
            raise sqlite3.OperationalError("database or disk is full")
        rows.append(row)

    gate = Gate(desk, desk.approvals, audit)
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
    desk.answering = asyncio.Event()
    with anyio.fail_after(5):
        call = asyncio.create_task(desk.gate.call(OWNER, "asks", "echo", {}))
        await desk.running.wait()
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


@pytest.mark.parametrize("method", ["tools/call", "tools/list", "initialize", "tasks/get", "vendor/x"])
async def test_only_methods_that_are_forwarded_may_reach_a_server_beside_calls(desk: Desk, method: str) -> None:
    for made in (desk.gate.check, desk.gate.ask):
        with pytest.raises(Refused) as refused:
            found = made(OWNER, "open", method, {})
            if not isinstance(found, Policy):
                await found
        assert refused.value.code == "not-forwarded"
    assert desk.seen == []


async def test_whether_a_request_may_reach_a_server_can_be_asked_without_making_it(desk: Desk) -> None:
    assert desk.gate.check(CLIENT, "open", "resources/subscribe", {"uri": "a://b"}).server.id == "open"
    for principal, server, code in (
        (Principal("a screen", "viewer"), "open", "not-allowed"),
        (CLIENT, "off", "disabled"),
        (CLIENT, "none", "unknown-server"),
    ):
        with pytest.raises(Refused) as refused:
            desk.gate.check(principal, server, "resources/subscribe", {"uri": "a://b"})
        assert refused.value.code == code
    assert desk.seen == []


async def test_answers_to_nothing_that_was_asked_do_not_travel_with_a_call_that_asks(desk: Desk) -> None:
    extra = {"inputResponses": {"a": {"action": "accept"}}, "requestState": "x", "vendor": 1}
    await desk.gate.call(OWNER, "asks", "echo", {}, extra=extra)
    await desk.gate.call(CLIENT, "open", "echo", {}, extra=extra)
    assert desk.seen[0][1] == {"vendor": 1, "name": "echo", "arguments": {}}
    assert desk.seen[1][1] == {**extra, "name": "echo", "arguments": {}}


async def test_a_second_name_or_arguments_in_other_letters_do_not_travel_with_a_call_that_asks(desk: Desk) -> None:
    careless = {"Name": "other", "ARGUMENTS": {"a": 1}, "argument\u017f": {"a": 1}, "RequestState": "x"}
    await desk.gate.call(OWNER, "asks", "echo", {}, extra={**careless, "vendor": 1})
    assert desk.seen[0][1] == {"vendor": 1, "name": "echo", "arguments": {}}
