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

from reconciler.store import records as module
from reconciler.store.accepted import StateTooNew
from reconciler.store.database import VERSION
from reconciler.store.records import ALIKE, KEPT_EVENTS, KEPT_EXITS, KEPT_HISTORY, Recorded, Records
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


def minute(number: int) -> str:
    return f"2026-11-21T{4 + number // 60:02}:{number % 60:02}:00.000Z"


async def happens(kept: Records, number: int, kind: str, server: str, message: str) -> Recorded:
    """In this minute, with an hour before it in which the same counts as a repetition."""
    return await kept.add_event(minute(number), kind, server, message, minute(number - 60))


@requirement("OPS-1:event-series")
async def test_an_event_that_happens_again_is_counted_although_others_stand_between(path: Path) -> None:
    async with records(path) as kept:
        for number in range(0, 300, 5):
            for kind, message in (("down", "it exited"), ("error", "it exited: bye"), ("connected", "a is connected")):
                await happens(kept, number, kind, "a", message)
            await happens(kept, number, "down", "b", "it exited")
        told = [(row["kind"], row["server"], row["count"]) for row in await kept.events(0, 100, None)]
        assert told == [("down", "a", 60), ("error", "a", 60), ("connected", "a", 60), ("down", "b", 60)]
        assert {(row["since"], row["at"]) for row in await kept.events(0, 100, None)} == {(minute(0), minute(295))}


async def test_a_counted_event_is_the_newest_and_is_heard_by_who_comes_back(path: Path) -> None:
    async with records(path) as kept:
        first = await happens(kept, 0, "error", "a", "it failed")
        other = await happens(kept, 1, "error", "b", "it failed")
        again = await happens(kept, 2, "error", "a", "it failed")
        assert (first.times, again.times, again.since) == (1, 2, minute(0))
        assert [row["id"] for row in await kept.events(0, 10, None)] == [other.id, again.id]
        assert [row["server"] for row in await kept.events_from(other.id, 10)] == ["a"]


async def test_what_happens_again_after_a_long_while_is_an_event_of_its_own(path: Path) -> None:
    async with records(path) as kept:
        for number in (0, 60, 121):
            await happens(kept, number, "error", "a", "it failed")
        assert [row["count"] for row in await kept.events(0, 10, None)] == [2, 1]


async def test_a_clock_that_goes_back_takes_nothing_from_the_count(path: Path) -> None:
    async with records(path) as kept:
        await happens(kept, 200, "error", "a", "it failed")
        again = await happens(kept, 100, "error", "a", "it failed")
        assert again.times == 2
        assert [(row["at"], row["since"]) for row in await kept.events(0, 10, None)] == [(minute(100), minute(100))]


@requirement("OPS-1:event-series")
async def test_a_server_that_ends_for_a_new_reason_each_time_does_not_push_out_the_rest(path: Path) -> None:
    async with records(path) as kept:
        await happens(kept, 0, "changed", "a", "me changed it")
        for number in range(50):
            await happens(kept, number, "error", "a", f"it exited: {number} is no port")
            await happens(kept, number, "asked", "a", f"call {number}")
        errors = await kept.events(0, 100, "a", "error")
        assert [row["count"] for row in errors] == [*[1] * (ALIKE - 1), 50 - ALIKE + 1]
        assert errors[-1]["message"] == "it exited: 49 is no port"
        assert len(await kept.events(0, 100, "a", "asked")) == 50
        assert [row["message"] for row in await kept.events(0, 100, "a", "changed")] == ["me changed it"]


async def test_events_are_read_from_an_id_on_of_one_server_and_the_last_of_them(path: Path) -> None:
    async with records(path) as kept:
        ids = [(await kept.add_event(AT, "down", "ab"[n % 2], str(n), AT)).id for n in range(6)]
        await kept.add_event(AT, "applying", None, "everything", AT)
        assert [row["message"] for row in await kept.events(0, 3, None)] == ["4", "5", "everything"]
        assert [row["message"] for row in await kept.events(ids[2], 10, "a")] == ["4"]
        assert await kept.events(1000, 10, None) == []
        assert [row["message"] for row in await kept.events_from(ids[2], 3)] == ["3", "4", "5"]
        assert [row["count"] for row in await kept.events_from(ids[5], 3)] == [1]
        assert await kept.kept_events() == (0, ids[5] + 1)


async def test_without_events_there_is_no_id(path: Path) -> None:
    async with records(path) as kept:
        assert await kept.kept_events() == (0, 0)
        assert await kept.events_from(0, 10) == []


async def test_old_events_are_forgotten(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "x", None, "first", AT)
        await kept.run(fill_events)
        assert len(await kept.events(0, KEPT_EVENTS * 2, None)) == KEPT_EVENTS
        first, _ = await kept.kept_events()
        last = await kept.add_event(AT, "x", None, "last", AT)
        rows = await kept.events(0, KEPT_EVENTS * 2, None)
        assert (len(rows), rows[0]["message"], rows[-1]["message"]) == (KEPT_EVENTS, "filler 1", "last")
        assert await kept.kept_events() == (first + 1, last.id)


def fill_events(database: sqlite3.Connection, count: int = KEPT_EVENTS - 1) -> None:
    """So many events; unless told otherwise there is room for one less."""
    database.execute(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
        "insert into events (at, kind, message, since) select ?, 'filler', 'filler ' || i, ? from n",
        (count, AT, AT),
    )


@requirement("OPS-1:event-series")
async def test_one_event_that_goes_on_for_ever_makes_nothing_forgotten(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "x", None, "first", AT)
        await kept.run(lambda at: at.execute("update sqlite_sequence set seq = ?", (KEPT_EVENTS * 3,)).rowcount)
        for _ in range(3):
            await kept.add_event(AT, "x", None, "again", AT)
        assert [row["message"] for row in await kept.events(0, 10, None)] == ["first", "again"]
        assert await kept.kept_events() == (0, KEPT_EVENTS * 3 + 3)


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


@requirement("LIVE-2:gone")
async def test_what_is_known_of_other_launches_is_forgotten(path: Path) -> None:
    async with records(path) as kept:
        for launch in ("one", "two", "three"):
            await kept.add_hints(launch, {"read": True, "write": False})
        await kept.keep_hints({"two", "unheard of"})
        assert [await kept.read_only_tools(launch) for launch in ("one", "two", "three")] == [set(), {"read"}, set()]


@requirement("LIVE-2:gone")
async def test_endings_and_used_plans_are_bounded_whatever_their_names(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_ENDINGS", 20)
    monkeypatch.setattr(module, "KEPT_CONSUMED", 20)
    async with records(path) as kept:
        for number in range(50):
            await kept.add_exit(exit_row(f"s{number}", number))
            assert await kept.consume(f"sha256:{number}", AT)
        assert [len(await kept.exits(f"s{number}")) for number in (0, 29, 30, 49)] == [0, 0, 1, 1]
        assert await kept.consumed() == {f"sha256:{number}" for number in range(30, 50)}
        assert not await kept.consume("sha256:30", AT)


async def test_half_characters_of_a_server_are_kept_as_question_marks(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "error", "a", "half \ud800", AT)
        await kept.add_event(AT, "error", "a", "half \ud800", AT)
        await kept.add_exit({**exit_row("a", 1), "reason": "half \udfff", "stderr": ["half \ud800"]})
        assert [(row["message"], row["count"]) for row in await kept.events(0, 10, None)] == [("half ?", 2)]
        assert (await kept.exits("a"))[0]["reason"] == "half ?"


async def test_the_database_is_for_its_owner_alone(path: Path) -> None:
    async with records(path) as kept:
        await kept.add_event(AT, "x", None, "y", AT)
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
        await kept.add_event(AT, "x", None, "y", AT)
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


@requirement("APPLY-1:full-disk")
async def test_who_reads_what_was_put_off_writes_nothing_of_it_where_the_database_went_back(path: Path) -> None:
    def full(database: sqlite3.Connection) -> None:
        database.execute("rollback")
        raise sqlite3.OperationalError("database or disk is full")

    async with records(path) as kept:
        kept._put_off += [
            full,
            lambda database: database.execute("insert into consumed values ('one', 'now')").rowcount,
        ]
        assert await kept.consumed() == set()
        kept._put_off.clear()
    assert rows(path, "select * from consumed") == []


async def test_closed_records_say_so(path: Path) -> None:
    async with records(path) as kept:
        await kept._run(kept._close)
        with pytest.raises(RuntimeError, match="the records are closed"):
            await kept.consumed()
