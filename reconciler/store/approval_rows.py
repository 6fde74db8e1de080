"""Calls that wait for a person, and what became of them: rows of the records' database.

Every change of a state is one transaction with its audit row: there is no decision that is not on record.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from reconciler.store.audit_rows import Entry, add_entry
from reconciler.store.records import Records
from reconciler.store.sealed import open_text, seal_text

State: TypeAlias = Literal["waiting", "allowed", "denied", "expired", "started", "done", "failed", "unknown"]
OPEN: tuple[State, ...] = ("waiting", "allowed", "started")
CLOSED: tuple[State, ...] = ("denied", "expired", "done", "failed", "unknown")
MOST_WAITING = 100
MOST_WAITING_OF_ONE = 32
"""Of one server."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call that asked. `arguments` is their canonical JSON, `hash` binds everything it is about.

    Times are ISO texts in UTC with milliseconds, so that they compare as texts. `changed` is when it came into its
    state, `who` and `reason` say how. `result` is JSON: `{"result": ...}` or `{"error": text}`, None when not kept.
    """

    id: str
    server: str
    tool: str
    arguments: str
    hash: str
    principal: str
    spec: str
    definition: str
    created: str
    expires: str
    state: State
    changed: str
    who: str | None = None
    reason: str | None = None
    result: str | None = None

    def entry(self, at: str, decision: str, outcome: str, **more: str | None) -> Entry:
        """An audit row about this call."""
        arguments = "sha256:" + hashlib.sha256(self.arguments.encode("utf-8")).hexdigest()
        about = {"principal": self.principal, "server": self.server, "tool": self.tool, "arguments": arguments}
        return {"at": at, **about, "decision": decision, "outcome": outcome, "call": self.id, **more}


_COLUMNS = tuple(field.name for field in fields(CallRow))
_ALL = ", ".join(_COLUMNS)


class TooMany(Exception):
    """So many calls wait already that no other may; the message says how many."""


class ApprovalRows:
    """The table. `key` gives what seals arguments and results, which may hold secrets. Methods raise sqlite3.Error."""

    def __init__(self, records: Records, key: Callable[[], bytes]) -> None:
        self._records = records
        self._key = key

    async def join(self, row: CallRow, entry: Entry) -> tuple[CallRow, bool]:
        """The open row of the same content, or else this one, added with its audit row; and whether it is new.

        Raises TooMany.
        """
        joined = await self._records.run(lambda database: _join(database, self._sealed(row), entry))
        return (row, True) if joined is None else (self._opened(joined), False)

    async def move(
        self, call_id: str, states: Sequence[State], changes: Mapping[str, Any], entry: Entry, *, now: str = ""
    ) -> CallRow | None:
        """Compare and set: the row as it is now, when it was in one of `states`; else None, and nothing happened.

        With `now`, a row that expired by then counts as none.
        """
        if changes.get("result") is not None:
            changes = {**changes, "result": seal_text(changes["result"], self._key(), f"{call_id}/result")}
        moved = await self._records.run(lambda database: _move(database, call_id, states, changes, entry, now))
        return self._opened(moved) if moved else None

    async def get(self, call_id: str) -> CallRow | None:
        """One row, None when there is none (any more)."""
        rows = await self._select("id = ?", (call_id,))
        return rows[0] if rows else None

    async def all(self, *states: State) -> list[CallRow]:
        """The rows in one of `states`, the oldest first."""
        return await self._select(f"state in ({_marks(states)}) order by created, id", states)

    async def expire(self, now: str, overdue: Collection[str], reason: str) -> list[CallRow]:
        """Close what nobody answered or used in time: by its own text, or because its id is among `overdue`."""
        condition = f"state in ('waiting', 'allowed') and (expires <= ? or id in ({_marks(overdue)}))"
        return await self._close("expired", now, reason, condition, (now, *overdue))

    async def interrupt(self, now: str, reason: str) -> list[CallRow]:
        """What had been started when an engine ended without saying how it came out: nobody knows."""
        return await self._close("unknown", now, reason, "state = 'started'", ())

    async def _close(self, state: State, now: str, reason: str, condition: str, values: Sequence[str]) -> list[CallRow]:
        statement = f"update calls set state = ?, changed = ?, reason = ? where {condition} returning {_ALL}"

        def work(database: sqlite3.Connection) -> list[CallRow]:
            rows = database.execute(statement, (state, now, reason, *values)).fetchall()
            closed = [self._opened(CallRow(*row)) for row in rows]
            for row in closed:
                outcome = "unknown" if state == "unknown" else "not run"
                add_entry(database, row.entry(now, state, outcome, reason=reason))
            return closed

        return await self._records.run(work)

    async def trim(self, before: str) -> None:
        """Forget the closed rows that came into their state before a time."""
        statement = f"delete from calls where state in ({_marks(CLOSED)}) and changed < ?"
        await self._records.run(lambda database: database.execute(statement, (*CLOSED, before)).rowcount)

    async def _select(self, condition: str, values: Sequence[str]) -> list[CallRow]:
        statement = f"select {_ALL} from calls where {condition}"
        rows = await self._records.run(lambda database: database.execute(statement, values).fetchall())
        return [self._opened(CallRow(*row)) for row in rows]

    def _sealed(self, row: CallRow) -> CallRow:
        return replace(row, arguments=seal_text(row.arguments, self._key(), row.id))

    def _opened(self, row: CallRow) -> CallRow:
        """What cannot be opened has no arguments that anybody said yes to, so it does not fit its hash either."""
        arguments = self._text(row.arguments, row.id) or ""
        result = self._text(row.result, f"{row.id}/result") if row.result is not None else None
        return replace(row, arguments=arguments, result=result)

    def _text(self, sealed: str, place: str) -> str | None:
        try:
            return open_text(sealed, self._key(), place)
        except ValueError:
            return None


def _join(database: sqlite3.Connection, row: CallRow, entry: Entry) -> CallRow | None:
    same = f"select {_ALL} from calls where hash = ? and state in ({_marks(OPEN)}) order by created limit 1"
    found = database.execute(same, (row.hash, *OPEN)).fetchone()
    if found:
        return CallRow(*found)
    counts = "select count(*), count(*) filter (where server = ?) from calls where state = 'waiting'"
    everything, of_server = database.execute(counts, (row.server,)).fetchone()
    if of_server >= MOST_WAITING_OF_ONE:
        raise TooMany(f'{of_server} calls of "{row.server}" wait for approval already')
    if everything >= MOST_WAITING:
        raise TooMany(f"{everything} calls wait for approval already")
    values = [getattr(row, column) for column in _COLUMNS]
    database.execute(f"insert into calls ({_ALL}) values ({_marks(_COLUMNS)})", values)
    add_entry(database, entry)
    return None


def _move(
    database: sqlite3.Connection,
    call_id: str,
    states: Sequence[State],
    changes: Mapping[str, Any],
    entry: Entry,
    now: str,
) -> CallRow | None:
    settings = ", ".join(f"{column} = ?" for column in changes)
    condition = f"id = ? and state in ({_marks(states)}) and expires > ?"
    statement = f"update calls set {settings} where {condition} returning {_ALL}"
    moved = database.execute(statement, (*changes.values(), call_id, *states, now)).fetchone()
    if moved is None:
        return None
    add_entry(database, entry)
    return CallRow(*moved)


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
