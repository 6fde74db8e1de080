"""The SQLite file under the records: opened, checked, and brought to the version of today."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from reconciler.store.accepted import StateTooNew
from reconciler.store.refused import try_room, why_not_written

_FIRST = """
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
_APPROVALS = """
create table calls (id text primary key, server text not null, tool text not null, arguments text not null,
    hash text not null, principal text not null, spec text not null, definition text not null, created text not null,
    expires text not null, state text not null, changed text not null, who text, reason text, result text) strict;
create index calls_by_hash on calls (hash);
alter table audit add column call text;
alter table audit add column who text;
alter table audit add column shown text;
alter table audit add column reason text;
create trigger audit_rows_stay before update on audit begin select raise(abort, 'audit rows stay as they are'); end;
create trigger audit_rows_remain before delete on audit begin select raise(abort, 'audit rows remain'); end;
create trigger audit_rows_are_added before insert on audit when exists (select 1 from audit where id = new.id)
    begin select raise(abort, 'audit rows stay as they are'); end;
"""
_HOLDS = """
create table holds (server text not null, launch text not null, who text not null, at text not null,
    shown text not null, waits integer not null, primary key (server, launch)) strict;
"""
_PAUSES = """
create table pauses (server text primary key, who text not null, since text not null, until text) strict;
"""
_SERIES = """
alter table events add column since text not null default '';
update events set since = at;
create index events_by_server on events (server, kind);
"""
_STEPS = (_FIRST, _APPROVALS, _HOLDS, _PAUSES, _SERIES)
"""From nothing to today: the statements that lead from each version to the next. What stands here never changes."""
VERSION = len(_STEPS)
_PAGE = 4096

_KNOWN = {
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
    sqlite3.SQLITE_FULL: errno.ENOSPC,
}
_TROUBLE = {*_KNOWN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
"""What the machine may do to a file that is sound (sqlite.org/rescode.html); any other error is the file's."""


class Damaged(Exception):
    """The database is not what was written."""


class Refused(OSError, sqlite3.OperationalError):
    """What the machine did to a database that is sound: errno, words and file. An sqlite3.Error for whoever waits for
    one of SQLite's, an OSError for whoever waits for one of the disk."""

    def __str__(self) -> str:
        return why_not_written(self)


def refused(error: sqlite3.Error, path: Path) -> Refused | None:
    """The machine's trouble behind an error; None where it is another's. SQLite does not pass on what the system said,
    so the disk is asked again."""
    if isinstance(error, Refused):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in _TROUBLE:
        return None
    if code in _KNOWN:
        return Refused(_KNOWN[code], os.strerror(_KNOWN[code]), str(path))
    try:
        try_room(path.parent, _PAGE)
    except OSError as found:
        return Refused(found.errno, found.strerror, str(path))
    return Refused(errno.EIO, str(error), str(path))


def connect(path: Path) -> sqlite3.Connection:
    """Open, check, and bring to today's version in one transaction. Raises Damaged, StateTooNew, Refused."""
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise refused(error, path) or error from error
    try:
        path.chmod(0o600)
        database.execute("pragma locking_mode = exclusive")
        version = _check(database, path)
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = full")
        if version < VERSION:
            database.executescript(f"begin; {''.join(_STEPS[version:])} pragma user_version = {VERSION}; commit;")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        database.close()
        trouble = refused(error, path) if isinstance(error, sqlite3.Error) else None
        raise trouble or Damaged(str(error)) from error
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> int:
    """The version; only reads: what a newer reconciler wrote stays as it is."""
    version: int = database.execute("pragma user_version").fetchone()[0]
    if version > VERSION:
        raise StateTooNew(path, version, VERSION)
    if database.execute("pragma integrity_check").fetchone()[0] != "ok":
        raise Damaged("the integrity check failed")
    if version < 0 or _schema(database) != _expected_schema(version):
        raise Damaged("its tables are not those of its version")
    return version


def _schema(database: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Everything in it by name, with the statement that made it."""
    return frozenset(database.execute("select name, sql from sqlite_schema where name not like 'sqlite_%'"))


def _expected_schema(version: int) -> frozenset[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript("".join(_STEPS[:version]))
        return _schema(database)
