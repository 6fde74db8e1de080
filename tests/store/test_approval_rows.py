"""Rows of calls: compare and set, sealed, and bound to their place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.approval_rows import ApprovalRows, CallRow
from reconciler.store.audit_rows import AuditRows
from reconciler.store.records import Records
from tests.requirements import requirement
from tests.store.call_rows import AT, LATER, row

pytestmark = [pytest.mark.anyio, requirement("GATE-2:at-most-once")]

KEY = b"k" * 32
ROW = row(text="x")
ALLOWED = {"state": "allowed", "changed": AT, "who": "me"}


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = Records(tmp_path / "records.db")
    await opened.open("now")
    yield opened
    await opened.close()


@pytest.fixture
async def rows(records: Records) -> ApprovalRows:
    made = ApprovalRows(records, lambda: KEY)
    assert await made.join(ROW, ROW.entry(AT, "ask", "waiting")) == (ROW, True)
    return made


async def move(rows: ApprovalRows, *states: Any, now: str = "", **changes: Any) -> CallRow | None:
    return await rows.move("call-1", states, changes, ROW.entry(AT, "word", "outcome"), now=now)


async def test_of_many_who_set_one_state_at_once_one_does(rows: ApprovalRows, records: Records) -> None:
    moved = await asyncio.gather(*(move(rows, "waiting", **ALLOWED) for _ in range(50)))
    assert [row for row in moved if row is not None] == [replace(ROW, state="allowed", who="me")]
    assert len(await AuditRows(records).since("", 100)) == 2


async def test_what_is_in_another_state_is_left_alone_and_nothing_is_recorded(
    rows: ApprovalRows, records: Records
) -> None:
    assert await move(rows, "allowed", state="started") is None
    assert await rows.move("call-2", ("waiting",), ALLOWED, ROW.entry(AT, "word", "outcome")) is None
    assert await rows.get("call-1") == ROW
    assert len(await AuditRows(records).since("", 100)) == 1


async def test_what_expired_by_then_is_left_alone(rows: ApprovalRows) -> None:
    assert await move(rows, "waiting", now=LATER, **ALLOWED) is None
    assert await move(rows, "waiting", now="2026-11-21T11:59:59.999Z", **ALLOWED) is not None


async def test_the_same_content_joins_what_is_open_and_not_what_is_over(rows: ApprovalRows) -> None:
    again = replace(ROW, id="call-2")
    entry = again.entry(AT, "ask", "waiting")
    for state in ("waiting", "allowed", "started"):
        await move(rows, "waiting", "allowed", state=state)
        joined, new = await rows.join(again, entry)
        assert (joined.id, joined.state, new) == ("call-1", state, False)
    await move(rows, "started", state="done", result='{"result": 1}')
    assert await rows.join(again, entry) == (again, True)
    kept = await rows.get("call-1")
    assert kept is not None
    assert kept.result == '{"result": 1}'


async def test_arguments_and_results_open_only_with_the_key_and_in_their_own_row(
    rows: ApprovalRows, records: Records
) -> None:
    await move(rows, "waiting", state="done", result='{"result": 1}')
    found = await ApprovalRows(records, lambda: b"o" * 32).get("call-1")
    assert found is not None
    assert (found.arguments, found.result) == ("", None)
    await records.run(lambda database: database.execute("update calls set id = 'call-2'").rowcount)
    moved = await rows.get("call-2")
    assert moved is not None
    assert (moved.arguments, moved.result) == ("", None)


async def test_a_decision_that_cannot_be_recorded_is_not_made(rows: ApprovalRows, records: Records) -> None:
    await records.run(lambda database: database.execute("drop table audit").rowcount)
    with pytest.raises(Exception, match="no such"):
        await move(rows, "waiting", **ALLOWED)
    assert await rows.get("call-1") == ROW
    with pytest.raises(Exception, match="no such"):
        await rows.expire(LATER, (), "late")
    assert await rows.get("call-1") == ROW


async def test_what_was_started_is_unknown_after_the_engine(rows: ApprovalRows) -> None:
    assert await rows.interrupt(LATER, "it ended") == []
    await move(rows, "waiting", state="started")
    (row,) = await rows.interrupt(LATER, "it ended")
    assert (row.state, row.reason, row.arguments) == ("unknown", "it ended", ROW.arguments)


async def test_old_rows_that_are_over_are_forgotten(rows: ApprovalRows) -> None:
    await rows.trim(LATER)
    assert await rows.get("call-1") == ROW
    await move(rows, "waiting", state="denied")
    await rows.trim(AT)
    assert await rows.get("call-1") is not None
    await rows.trim(LATER)
    assert await rows.get("call-1") is None
