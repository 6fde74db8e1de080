"""What was written by somebody who may not say yes to it: rows of the records' database, there before the file is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from reconciler.store.records import Records

MOST = 100_000
"""Rows; whoever writes so many launches gets no further until somebody answers."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One server of which nobody who may has seen what was written.

    `launch` is the digest of what it would run or contact, "" where it is about rules. `who` wrote it, `shown` says in
    words what is new. While `waits` holds, the file may still say so, and whatever launches the server or makes its
    rules weaker is held; afterwards only exactly this launch is, should it come back.
    """

    server: str
    launch: str
    who: str
    at: str
    shown: str
    waits: bool = True


_COLUMNS = tuple(field.name for field in fields(Hold))
_ALL = ", ".join(_COLUMNS)


class TooManyHolds(Exception):
    """No more is held; the message says how many are."""


class HoldRows:
    """The table. Methods raise sqlite3.Error."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def all(self) -> list[Hold]:
        """Every row, the oldest first."""
        statement = f"select {_ALL} from holds order by at, server, launch"
        rows = await self._records.run(lambda database: database.execute(statement).fetchall())
        return [Hold(server, launch, who, at, shown, bool(waits)) for server, launch, who, at, shown, waits in rows]

    async def add(self, holds: Sequence[Hold]) -> None:
        """On the disk when this returns, all of them or none; one of the same content is replaced. Raises
        TooManyHolds."""
        await self._records.run(lambda database: _add(database, holds))

    async def release(self, servers: Collection[str], launches: Collection[str]) -> None:
        """Nothing of these servers waits any more, and these launches have their yes."""
        await self._records.run(lambda database: _release(database, servers, launches))


def _add(database: sqlite3.Connection, holds: Sequence[Hold]) -> None:
    values = [[getattr(hold, column) for column in _COLUMNS] for hold in holds]
    marks = ", ".join("?" * len(_COLUMNS))
    for row in values:
        database.execute(f"insert or replace into holds ({_ALL}) values ({marks})", row)
    [count] = database.execute("select count(*) from holds").fetchone()
    if count > MOST:
        raise TooManyHolds(f"{count} things wait for a yes already")


def _release(database: sqlite3.Connection, servers: Collection[str], launches: Collection[str]) -> None:
    for server in servers:
        database.execute("update holds set waits = 0 where server = ?", (server,))
    for launch in launches:
        database.execute("delete from holds where launch = ?", (launch,))
    database.execute("delete from holds where launch = '' and waits = 0")
