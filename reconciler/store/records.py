"""What only the engine remembers, in SQLite: history, consumed plans, events, audit, exits. One writer thread."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from reconciler.store.accepted import set_aside
from reconciler.store.database import Damaged, connect, refused

T = TypeVar("T")
KEPT_HISTORY = 20
KEPT_EVENTS = 5000
KEPT_EXITS = 5
"""Of one server."""
KEPT_ENDINGS = 5000
"""Of all servers together, those that are gone too."""
KEPT_CONSUMED = 10_000
ALIKE = 10
"""So many different endings of one server go side by side; further ones are counted on the newest of them."""
PUT_OFF = 1000
"""So much that the disk refused is written later; of more than that the first is lost."""

_BESIDE = ("-wal", "-shm")
_EVENT = ("id", "at", "kind", "server", "message", "count", "since")
_COLUMNS = ", ".join(_EVENT)
_ENDINGS = ("down", "error")
"""Kinds whose words are a server's own, so that it may find new ones each time."""


class Recorded(NamedTuple):
    """Where an event stands, how many times it happened, and when the first time."""

    id: int
    times: int
    since: str


class Records:
    """The database of one project. Methods are coroutines; the work happens in one thread of its own.

    They raise sqlite3.Error; of what the machine refuses (a full disk) it is Refused, an OSError too. History, events,
    exits and hints that are refused are put off: who reads finds them there, and they are written ahead of the next.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="records")
        self._database: sqlite3.Connection | None = None
        self._put_off: deque[Callable[[sqlite3.Connection], object]] = deque(maxlen=PUT_OFF)

    async def open(self, at: str) -> Path | None:
        """Open or make the database. Returns where a damaged one was set aside, None when all was well.

        Raises StateTooNew, and Refused where the trouble is not in the file (a full disk, a lock).
        """
        return await self._run(lambda: self._open(at))

    async def close(self) -> None:
        """Write everything out and let go. Raises Refused where what was put off is lost with it."""
        try:
            await self._run(self._close)
        finally:
            self._thread.shutdown()

    @property
    def behind(self) -> bool:
        """Whether something is put off."""
        return bool(self._put_off)

    async def catch_up(self) -> None:
        """Write what was put off, if anything was. Raises Refused."""
        if self.behind:
            await self._run(self._catch_up)

    async def add_history(self, row: Mapping[str, Any], document: Mapping[str, Any]) -> None:
        """Remember an applied plan: serial, at, who, plan, result, summary, and the sealed document after it."""
        values = (*(row[k] for k in ("serial", "at", "who", "plan", "result")), _text(row["summary"]), _text(document))
        older = "delete from history where serial not in (select serial from history order by serial desc limit ?)"

        def add(database: sqlite3.Connection) -> None:
            database.execute("insert or replace into history values (?, ?, ?, ?, ?, ?, ?)", _whole(values))
            database.execute(older, (KEPT_HISTORY,))

        await self._keep(add)

    async def history(self) -> list[dict[str, Any]]:
        """The last 20 applied plans, newest first, without their documents."""
        rows = await self._read("select serial, at, who, plan, result, summary from history order by serial desc", ())
        names = ("serial", "at", "who", "plan", "result", "summary")
        return [{**dict(zip(names, row, strict=True)), "summary": json.loads(row[5])} for row in rows]

    async def document_at(self, serial: int) -> dict[str, Any] | None:
        """The sealed document as it was after `serial`."""
        rows = await self._read("select document from history where serial = ?", (serial,))
        return json.loads(rows[0][0]) if rows else None

    async def consume(self, digest: str, at: str) -> bool:
        """Mark a saved plan as used; False when it was used before."""
        oldest = "select rowid from consumed order by rowid desc limit 1 offset ?"

        def add(database: sqlite3.Connection) -> bool:
            new = database.execute("insert or ignore into consumed values (?, ?)", (digest, at)).rowcount == 1
            database.execute(f"delete from consumed where rowid <= ({oldest})", (KEPT_CONSUMED,))
            return new

        return await self.run(add)

    async def consumed(self) -> set[str]:
        """Digests of the saved plans that were used, the last 10 000 of them: an older one fits no state of today but
        where all that was applied since was taken back."""
        return {row[0] for row in await self._read("select digest from consumed", ())}

    async def add_event(self, at: str, kind: str, server: str | None, message: str, lately: str) -> Recorded:
        """Append an event. One that happened since `lately` too is counted: it moves to the end, under a new id."""
        [whole] = _whole([message])
        return await self._keep(lambda database: _add_event(database, (at, kind, server, whole), lately))

    async def events(self, after: int, limit: int, server: str | None, kind: str | None = None) -> list[dict[str, Any]]:
        """Events with an id above `after`, oldest first: the last `limit` of them."""
        rows = await self._read(
            f"select * from (select {_COLUMNS} from events "
            "where id > ? and (? is null or server = ?) and (? is null or kind = ?) order by id desc limit ?) "
            "order by id",
            (after, server, server, kind, kind, limit),
        )
        return [dict(zip(_EVENT, row, strict=True)) for row in rows]

    async def event_names(self) -> tuple[list[str], list[str]]:
        """The servers and the kinds that the kept events name, each in order."""
        servers = await self._read("select distinct server from events where server is not null order by server", ())
        kinds = await self._read("select distinct kind from events order by kind", ())
        return [row[0] for row in servers], [row[0] for row in kinds]

    async def events_from(self, after: int, limit: int) -> list[dict[str, Any]]:
        """The first `limit` events with an id above `after`, oldest first."""
        rows = await self._read(f"select {_COLUMNS} from events where id > ? order by id limit ?", (after, limit))
        return [dict(zip(_EVENT, row, strict=True)) for row in rows]

    async def kept_events(self) -> tuple[int, int]:
        """From which id on nothing is missing, and the id of the last event; zeros where there is none."""
        ids = "select coalesce(min(id), 0), coalesce(max(id), 0), count(*) from events"
        [(first, last, count)] = await self._read(ids, ())
        return first if count >= KEPT_EVENTS else 0, last

    async def add_exit(self, row: Mapping[str, Any]) -> None:
        """Remember how a session ended: server, instance, at, code, reason, stderr lines. Five are kept per server, and
        5000 in all."""
        values = (row["server"], row["instance"], row["at"], row["code"], row["reason"], _text(row["stderr"]))
        names = "server, instance, at, code, reason, stderr"
        older = (
            "delete from exits where server = ? and id not in "
            "(select id from exits where server = ? order by id desc limit ?)"
        )
        oldest = "select id from exits order by id desc limit 1 offset ?"

        def add(database: sqlite3.Connection) -> None:
            database.execute(f"insert into exits ({names}) values (?, ?, ?, ?, ?, ?)", _whole(values))
            database.execute(older, (row["server"], row["server"], KEPT_EXITS))
            database.execute(f"delete from exits where id <= ({oldest})", (KEPT_ENDINGS,))

        await self._keep(add)

    async def exits(self, server: str) -> list[dict[str, Any]]:
        """The last five endings of a server's sessions, newest first."""
        rows = await self._read(
            "select instance, at, code, reason, stderr from exits where server = ? order by id desc", (server,)
        )
        names = ("instance", "at", "code", "reason", "stderr")
        return [{**dict(zip(names, row, strict=True)), "stderr": json.loads(row[4])} for row in rows]

    async def add_hints(self, launch: str, hints: Mapping[str, bool]) -> None:
        """Remember which tools were read-only when first listed after a launch; later words are ignored."""
        rows = [(launch, tool, int(read_only)) for tool, read_only in hints.items()]
        statement = "insert or ignore into hints values (?, ?, ?)"
        # The cursor must die in the thread that made it, so only a number leaves it.
        await self._keep(lambda database: database.executemany(statement, rows).rowcount)

    async def keep_hints(self, launches: Collection[str]) -> None:
        """Forget what is known of the tools of every launch but these."""
        others = "delete from hints where launch not in (select value from json_each(?))"
        await self._write(others, (_text(sorted(launches)),))

    async def read_only_tools(self, launch: str) -> frozenset[str]:
        """The tools that were first listed as read-only after this launch."""
        rows = await self._read("select tool from hints where launch = ? and read_only = 1", (launch,))
        return frozenset(row[0] for row in rows)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` does with the database, all of it or nothing: one transaction. Raises sqlite3.Error."""
        return await self._run(lambda: _transacted(self._now(), work))

    async def _keep(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`; but what the machine refuses is put off. It is raised all the same."""
        return await self._run(lambda: self._kept(work))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise refused(error, self._path) or error from error

    async def _write(self, statement: str, values: Sequence[Any]) -> int:
        return await self._run(lambda: self._now().execute(statement, _whole(values)).rowcount)

    async def _read(self, statement: str, values: Sequence[Any]) -> list[Any]:
        return await self._run(lambda: self._found(statement, values))

    def _found(self, statement: str, values: Sequence[Any]) -> list[Any]:
        """The rows, among them what was put off: it is written for as long as it is read."""
        database = self._now()
        if not self._put_off:
            return database.execute(statement, values).fetchall()
        database.execute("begin immediate")
        try:
            for work in self._put_off:
                with suppress(sqlite3.Error):  # it will be let go
                    work(database)
                if not database.in_transaction:  # SQLite went back by itself: a further one would be written for good
                    break
            return database.execute(statement, values).fetchall()
        finally:
            if database.in_transaction:
                database.execute("rollback")

    def _now(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the records are closed")
        return self._database

    def _open(self, at: str) -> Path | None:
        try:
            self._database = connect(self._path)
            return None
        except Damaged:
            for extra in _BESIDE:  # what they held went into the file when it was closed, or fits no file
                self._path.with_name(self._path.name + extra).unlink(missing_ok=True)
            aside = set_aside(self._path, at.replace(":", ""))
            self._database = connect(self._path)
            return aside

    def _close(self) -> None:
        if self._database is not None:
            try:
                self._catch_up()
            finally:
                self._database.close()
                self._database = None

    def _kept(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._catch_up()
            return _transacted(self._now(), work)
        except sqlite3.Error as error:
            trouble = refused(error, self._path)
            if trouble is None:
                raise
            self._put_off.append(work)
            raise trouble from error

    def _catch_up(self) -> None:
        """Write what was put off, in order. Raises Refused; what cannot be written for another reason is let go."""
        while self._put_off:
            try:
                _transacted(self._now(), self._put_off[0])
            except sqlite3.Error as error:
                if trouble := refused(error, self._path):
                    raise trouble from error
            self._put_off.popleft()


def _add_event(database: sqlite3.Connection, event: tuple[str, str, str | None, str], lately: str) -> Recorded:
    at, kind, server, message = event
    before = _series(database, kind, server, message, lately)
    id, times, since = before or (None, 0, at)
    database.execute("delete from events where id is ?", (id,))
    row = database.execute(
        "insert into events (at, kind, server, message, count, since) values (?, ?, ?, ?, ?, ?)",
        (*event, times + 1, min(since, at)),
    )
    oldest = "select id from events order by id desc limit 1 offset ?"
    database.execute(f"delete from events where id <= ({oldest})", (KEPT_EVENTS,))
    return Recorded(row.lastrowid or 0, times + 1, min(since, at))


def _series(
    database: sqlite3.Connection, kind: str, server: str | None, message: str, lately: str
) -> tuple[int, int, str] | None:
    """Id, count and first time of the event that this one is counted on."""
    alike = "select id, count, since from events where server is ? and kind = ? and at >= ?"
    newest = "order by id desc limit ?"
    same = database.execute(f"{alike} and message = ? {newest}", (server, kind, lately, message, 1)).fetchall()
    if not same and kind in _ENDINGS:
        ended = database.execute(f"{alike} {newest}", (server, kind, lately, ALIKE)).fetchall()
        same = ended if len(ended) == ALIKE else []
    return same[0] if same else None


def _transacted(database: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    database.execute("begin immediate")
    try:
        result = work(database)
        database.execute("commit")
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise
    return result


def _whole(values: Sequence[Any]) -> list[Any]:
    """Half characters, which a server may have sent, as question marks: SQLite takes only whole ones."""
    return [value.encode("utf-8", "replace").decode() if isinstance(value, str) else value for value in values]


def _text(value: Any) -> str:
    return json.dumps(value)
