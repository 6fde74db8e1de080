"""The file under the records: brought from each version to today's, whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.store import database
from reconciler.store.audit_rows import AuditRows
from reconciler.store.database import VERSION, Damaged, connect
from reconciler.store.records import Records
from tests.requirements import requirement

ROOT = Path(__file__).parents[2]
FIRST = """
create table history (serial integer primary key, at text not null, who text not null, plan text not null,
    result text not null, summary text not null, document text not null) strict;
create table consumed (digest text primary key, at text not null) strict;
create table events (id integer primary key autoincrement, at text not null, kind text not null, server text,
    message text not null, count integer not null default 1) strict;
create table exits (id integer primary key autoincrement, server text not null, instance text not null,
    at text not null, code integer, reason text not null, stderr text not null) strict;
create table hints (launch text not null, tool text not null, read_only integer not null,
    primary key (launch, tool)) strict;
create table audit (id integer primary key autoincrement, at text not null, principal text not null,
    server text not null, tool text not null, arguments text not null, decision text not null,
    outcome text not null) strict;
"""
"""What the first version made, word for word."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


def first_version(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        made.execute("pragma journal_mode = wal")
        made.executescript(f"{FIRST} pragma user_version = 1;")
        made.execute("insert into consumed values ('sha256:1', 'then')")
        made.execute("insert into events (at, kind, message) values ('then', 'error', 'it failed')")
        made.execute(
            "insert into audit (at, principal, server, tool, arguments, decision, outcome)"
            " values ('then', 'owner', 'a', 'echo', 'sha256:1', 'owner', 'done')"
        )


@pytest.mark.anyio
async def test_records_of_the_first_version_are_kept_whole(path: Path) -> None:
    first_version(path)
    records = Records(path)
    assert await records.open("now") is None
    assert await records.consumed() == {"sha256:1"}
    (event,) = await records.events(0, 10, None)
    assert (event["message"], event["at"], event["since"], event["count"]) == ("it failed", "then", "then", 1)
    (row,) = await AuditRows(records).since("", 10)
    assert (row["principal"], row["outcome"], row["call"], row["who"]) == ("owner", "done", None, None)
    await records.close()
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("pragma user_version").fetchone() == (VERSION,)


def test_a_new_file_and_one_that_grew_are_the_same(path: Path, tmp_path: Path) -> None:
    first_version(path)
    statement = "select type, name, sql from sqlite_schema order by name"
    found = []
    for each in (path, tmp_path / "new.db"):
        with closing(connect(each)) as opened:
            found.append(opened.execute(statement).fetchall())
    assert found[0] == found[1]


def test_a_step_that_fails_leaves_the_old_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_version(path)
    good = database._STEPS
    monkeypatch.setattr(database, "_STEPS", (good[0], good[1] + "insert into nowhere values (1);"))
    with pytest.raises(Damaged, match="nowhere"):
        connect(path)
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("pragma user_version").fetchone() == (1,)
    monkeypatch.setattr(database, "_STEPS", good)
    connect(path).close()


def test_a_kill_while_it_grows_leaves_the_old_version_or_the_new(path: Path) -> None:
    first_version(path)
    code = (
        "import os, signal, sqlite3, sys\nfrom pathlib import Path\nfrom reconciler.store import database\n"
        "database._STEPS = (database._STEPS[0], database._STEPS[1] + 'select die();')\n"
        "made = sqlite3.connect\n"
        "def connect(*given, **named):\n"
        "    opened = made(*given, **named)\n"
        "    opened.create_function('die', 0, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "    return opened\n"
        "sqlite3.connect = connect\n"
        "database.connect(Path(sys.argv[1]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=environment, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    with closing(connect(path)) as found:
        assert found.execute("pragma user_version").fetchone() == (VERSION,)
        assert found.execute("select digest from consumed").fetchall() == [("sha256:1",)]


@requirement("GATE-2:audit")
@pytest.mark.parametrize(
    "statement",
    [
        "drop trigger audit_rows_stay",
        "drop trigger audit_rows_remain",
        "drop trigger audit_rows_are_added",
        "alter table audit drop column who",
        "drop index calls_by_hash",
    ],
)
def test_an_audit_that_lost_what_guards_it_is_not_believed(path: Path, statement: str) -> None:
    connect(path).close()
    with closing(sqlite3.connect(path)) as opened:
        opened.execute(statement)
        opened.commit()
    with pytest.raises(Damaged, match="tables are not those of its version"):
        connect(path)
