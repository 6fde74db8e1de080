"""What only the engine remembers: kept in bounds, kept through a crash, and set aside when it is damaged."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.accepted import StateTooNew
from reconciler.store.database import VERSION
from reconciler.store.records import KEPT_EVENTS, KEPT_EXITS, KEPT_HISTORY, Records
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
AT = "2026-11-21T04:00:00.000Z"


@asynccontextmanager
async def records(path: Path, aside: Path | None = None) -> AsyncIterator[Records]:
    """Open records that must be sound, or of which the damaged file goes to `aside`."""
    opened = Records(path)
    assert await opened.open(AT) == aside
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def history_row(serial: int) -> dict[str, Any]:
    return {
        "serial": serial,
        "at": AT,
        "who": "me",
        "plan": f"pln-{serial:012x}",
        "result": "applied",
        "summary": {"create": serial},
    }


def exit_row(server: str, number: int) -> dict[str, Any]:
    return {
        "server": server,
        "instance": f"ins-{number}",
        "at": AT,
        "code": number,
        "reason": "it ended",
        "stderr": [f"line {number}"],
    }


def rows(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


# What is kept


async def test_the_last_twenty_applied_plans_are_kept_newest_first(path: Path) -> None:
    async with records(path) as kept:
        for serial in range(1, KEPT_HISTORY + 6):
            await kept.add_history(history_row(serial), {"document": {"serial": serial}})
        history = await kept.history()
        assert [row["serial"] for row in history] == list(range(KEPT_HISTORY + 5, 5, -1))
        assert history[0] == history_row(KEPT_HISTORY + 5)
        assert await kept.document_at(6) == {"document": {"serial": 6}}
        assert await kept.document_at(5) is None


async def test_an_applied_plan_of_the_same_serial_takes_the_place_of_the_first(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_history(history_row(1), {"n": 1})
        await kept.add_history({**history_row(1), "who": "you"}, {"n": 2})
        assert [row["who"] for row in await kept.history()] == ["you"]
        assert await kept.document_at(1) == {"n": 2}


@requirement("PLAN-3:saved-plan-stale")
async def test_a_saved_plan_is_consumed_once_also_across_restarts(path: Path) -> None:
    async with records(path) as kept:
        assert await kept.consume("sha256:1", AT)
        assert not await kept.consume("sha256:1", AT)
    async with records(path) as kept:
        assert not await kept.consume("sha256:1", AT)
        assert await kept.consume("sha256:2", AT)
        assert await kept.consumed() == {"sha256:1", "sha256:2"}


@requirement("PLAN-3:saved-plan-stale")
async def test_of_many_who_consume_a_plan_at_once_one_gets_it(path: Path) -> None:
    async with records(path) as kept:
        got = await asyncio.gather(*(kept.consume("sha256:1", AT) for _ in range(50)))
    assert got.count(True) == 1


@requirement("OPS-1:events-logs")
async def test_the_same_event_directly_after_itself_is_counted(path: Path) -> None:
    async with records(path) as kept:
        for at in ("1", "2", "3"):
            assert (await kept.add_event(at, "error", "a", "it failed")) == (1, int(at))
        await kept.add_event("4", "error", "b", "it failed")
        await kept.add_event("5", "error", "a", "it failed")
        assert [(row["at"], row["server"], row["count"]) for row in await kept.events(0, 10, None)] == [
            ("3", "a", 3),
            ("4", "b", 1),
            ("5", "a", 1),
        ]


async def test_events_are_read_from_an_id_on_of_one_server_and_the_last_of_them(path: Path) -> None:
    async with records(path) as kept:
        ids = [(await kept.add_event(AT, "down", "ab"[n % 2], str(n))).id for n in range(6)]
        await kept.add_event(AT, "applying", None, "everything")
        assert [row["message"] for row in await kept.events(0, 3, None)] == ["4", "5", "everything"]
        assert [row["message"] for row in await kept.events(ids[2], 10, "a")] == ["4"]
        assert await kept.events(1000, 10, None) == []
        assert [row["message"] for row in await kept.events_from(ids[2], 3)] == ["3", "4", "5"]
        assert [row["count"] for row in await kept.events_from(ids[5], 3)] == [1]
        assert await kept.kept_events() == (ids[0], ids[5] + 1)


async def test_without_events_there_is_no_id(path: Path) -> None:
    async with records(path) as kept:
        assert await kept.kept_events() == (0, 0)
        assert await kept.events_from(0, 10) == []


async def test_old_events_are_forgotten(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "x", None, "first")
        await kept._run(lambda: kept._now().execute("update sqlite_sequence set seq = ?", (KEPT_EVENTS,)).rowcount)
        await kept.add_event(AT, "x", None, "last")
        assert [row["message"] for row in await kept.events(0, 10, None)] == ["last"]


async def test_the_last_five_ends_of_each_server_are_kept_newest_first(path: Path) -> None:
    async with records(path) as kept:
        for number in range(KEPT_EXITS + 2):
            await kept.add_exit(exit_row("a", number))
        await kept.add_exit({**exit_row("b", 0), "code": None})
        ends = await kept.exits("a")
        assert [end["code"] for end in ends] == [6, 5, 4, 3, 2]
        assert ends[0]["stderr"] == ["line 6"]
        assert [end["code"] for end in await kept.exits("b")] == [None]
        assert await kept.exits("c") == []


@requirement("GATE-2:gate-decides")
async def test_the_first_word_about_a_tool_holds_for_its_launch(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_hints("launch-1", {"read": True, "write": False})
        await kept.add_hints("launch-1", {"read": False, "write": True, "late": True})
        await kept.add_hints("launch-2", {"write": True})
        assert await kept.read_only_tools("launch-1") == {"read", "late"}
        assert await kept.read_only_tools("launch-2") == {"write"}
        assert await kept.read_only_tools("launch-3") == frozenset()


async def test_half_characters_of_a_server_are_kept_as_question_marks(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "error", "a", "half \ud800")
        await kept.add_event(AT, "error", "a", "half \ud800")
        await kept.add_exit({**exit_row("a", 1), "reason": "half \udfff", "stderr": ["half \ud800"]})
        assert [(row["message"], row["count"]) for row in await kept.events(0, 10, None)] == [("half ?", 2)]
        assert (await kept.exits("a"))[0]["reason"] == "half ?"


async def test_the_database_is_for_its_owner_alone(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "x", None, "y")
        modes = {file.name: file.stat().st_mode & 0o7777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert "records.db-wal" in modes


# Crashes, damage and others


async def test_what_was_acknowledged_before_a_kill_is_there_after_it(path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom reconciler.store.records import Records\n"
        "async def main():\n"
        "    kept = Records(Path(sys.argv[1]))\n"
        "    await kept.open('now')\n"
        "    for number in range(100000):\n"
        "        await kept.consume(str(number), 'now')\n"
        "        print(number, flush=True)\n"
        "asyncio.run(main())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        last = [next(writer.stdout) for _ in range(30)][-1]
        writer.send_signal(signal.SIGKILL)
        said = [last, *writer.stdout]
    acknowledged = int([line for line in said if line.endswith("\n")][-1])
    async with records(path) as kept:
        assert {str(number) for number in range(acknowledged + 1)} <= await kept.consumed()


def set_aside(path: Path) -> Path:
    return path.with_name(f"records.db.corrupt-{AT.replace(':', '')}")


@pytest.mark.parametrize(
    "damage",
    [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 4096, b"\0" * 8192],
    ids=["text", "header only", "zeros"],
)
async def test_a_damaged_file_is_set_aside_and_begun_anew(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    async with records(path, set_aside(path)) as kept:
        await kept.add_event(AT, "x", None, "y")
        assert len(await kept.events(0, 10, None)) == 1
    assert set_aside(path).read_bytes() == damage


async def filled(path: Path) -> None:
    async with records(path) as kept:
        for serial in range(1, 30):
            await kept.add_history(history_row(serial), {"text": "x" * 200})
            await kept.consume(f"sha256:{serial:064x}", AT)


async def test_a_database_cut_short_is_set_aside(path: Path) -> None:
    await filled(path)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    async with records(path, set_aside(path)) as kept:
        assert await kept.consumed() == set()


async def test_an_index_that_forgot_a_consumed_plan_is_noticed(path: Path) -> None:
    await filled(path)
    digest = f"sha256:{7:064x}".encode()
    data = path.read_bytes()
    index = data.rfind(digest) if data.rfind(digest) != data.find(digest) else -1
    assert index > 0
    path.write_bytes(data[:index] + b"X" + data[index + 1 :])
    async with records(path, set_aside(path)):
        pass


async def test_what_lies_beside_a_damaged_file_does_not_get_into_the_new_one(path: Path) -> None:
    await filled(path)
    other = path.with_name("other.db")
    with closing(sqlite3.connect(other)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table other (x)")
        log = path.with_name("other.db-wal").read_bytes()
    path.write_bytes(b"not a database at all")
    path.with_name("records.db-wal").write_bytes(log)
    async with records(path, set_aside(path)) as kept:
        assert await kept.consumed() == set()


@pytest.mark.parametrize(
    "statement",
    [
        "drop table consumed",
        "alter table audit rename to audut",
        "create table more (x)",
        "pragma user_version = 0",
        "pragma user_version = -1",
    ],
)
async def test_tables_that_are_not_those_of_the_version_are_damage(path: Path, statement: str) -> None:
    await filled(path)
    rows(path, statement)
    async with records(path, set_aside(path)) as kept:
        assert await kept.consumed() == set()


async def test_every_flipped_byte_of_the_structure_is_set_aside_refused_or_harmless(path: Path) -> None:
    async with records(path) as kept:
        await kept.consume("sha256:1", AT)
    good = path.read_bytes()
    page = int.from_bytes(good[16:18], "big")
    for at in [*range(100), *range(100, page, 7)]:  # the header, and the schema's page in steps
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        opened = Records(path)
        try:
            aside = await opened.open(AT)
            assert await opened.consumed() == (set() if aside else {"sha256:1"})
        except StateTooNew:
            assert 60 <= at < 64  # the version itself
        finally:
            await opened.close()
            for file in path.parent.iterdir():
                file.unlink()


async def test_the_database_of_a_newer_reconciler_is_refused_and_left_alone(path: Path) -> None:
    await filled(path)
    rows(path, f"pragma user_version = {VERSION + 1}")
    before = path.read_bytes()
    opened = Records(path)
    with pytest.raises(StateTooNew, match=f"format {VERSION + 1}, this reconciler knows {VERSION}"):
        await opened.open(AT)
    await opened.close()
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


async def test_trouble_that_is_not_in_the_file_leaves_it_alone(path: Path) -> None:
    path.mkdir()
    opened = Records(path)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await opened.open(AT)
    await opened.close()
    assert list(path.parent.iterdir()) == [path]


async def test_closed_records_say_so(path: Path) -> None:
    async with records(path) as kept:
        await kept._run(kept._close)
        with pytest.raises(RuntimeError, match="the records are closed"):
            await kept.consumed()
