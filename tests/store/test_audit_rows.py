"""The audit: what is on record is on the disk, and stays there as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.audit_rows import AuditRows
from reconciler.store.records import Records
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:audit")]


def entry(at: str, outcome: str, **more: str | None) -> dict[str, str | None]:
    about = {"principal": "an agent", "server": "a", "tool": "echo", "arguments": "sha256:1"}
    return {"at": at, **about, "decision": "owner", "outcome": outcome, **more}


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = Records(tmp_path / "records.db")
    await opened.open("now")
    yield opened
    await opened.close()


async def test_rows_are_read_from_a_time_on_the_oldest_first_and_the_last_of_them(records: Records) -> None:
    audit = AuditRows(records)
    for minute in range(5):
        await audit.add(entry(f"2026-11-21T04:0{minute}:00.000Z", str(minute), who="me"))
    found = await audit.since("2026-11-21T04:01:00.000Z", 3)
    assert [(row["id"], row["outcome"], row["who"], row["call"]) for row in found] == [
        (3, "2", "me", None),
        (4, "3", "me", None),
        (5, "4", "me", None),
    ]


async def test_a_row_is_on_the_disk_when_it_was_added(records: Records, tmp_path: Path) -> None:
    await AuditRows(records).add(entry("now", "started"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("records.db*"):
        (copy / file.name).write_bytes(file.read_bytes())
    with closing(sqlite3.connect(copy / "records.db")) as database:
        assert database.execute("select tool, outcome from audit").fetchall() == [("echo", "started")]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("update audit set outcome = 'done'", ()),
        ("delete from audit", ()),
        (
            "insert or replace into audit (id, at, principal, server, tool, arguments, decision, outcome) "
            "values (1, '', '', '', '', '', '', '')",
            (),
        ),
    ],
)
async def test_no_statement_changes_or_removes_a_row(records: Records, statement: str, values: Any) -> None:
    audit = AuditRows(records)
    await audit.add(entry("now", "started"))
    with pytest.raises(sqlite3.IntegrityError, match="audit rows"):
        await records.run(lambda database: database.execute(statement, values).rowcount)
    assert [row["outcome"] for row in await audit.since("", 10)] == ["started"]


async def test_half_characters_are_kept_as_question_marks(records: Records) -> None:
    await AuditRows(records).add(entry("now", "started", tool="half \ud800"))
    assert [row["tool"] for row in await AuditRows(records).since("", 10)] == ["half ?"]
