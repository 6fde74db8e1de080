"""Every decision about a call that asks, in the records' database: rows are added, never changed, never removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, TypeAlias

from reconciler.store.records import Records

NAMES = ("at", "principal", "server", "tool", "arguments", "decision", "outcome", "call", "who", "shown", "reason")
Entry: TypeAlias = Mapping[str, str | None]
"""One row: at, principal, server, tool, arguments (a digest), decision and outcome, all of them given; then call (the
id of a call that waited), who decided, shown (a digest of what that person saw) and reason, where there is one."""


class AuditRows:
    """The table. Methods raise sqlite3.Error."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, entry: Entry) -> None:
        """Append a row; it is on the disk when this returns."""
        await self._records.run(lambda database: add_entry(database, entry))

    async def since(self, at: str, limit: int) -> list[dict[str, Any]]:
        """The last `limit` rows from a time on, the oldest first; each with its `id`."""
        statement = f"""select * from (select id, {", ".join(NAMES)} from audit where at >= ? order by id desc limit ?)
            order by id"""
        rows = await self._records.run(lambda database: database.execute(statement, (at, limit)).fetchall())
        return [dict(zip(("id", *NAMES), row, strict=True)) for row in rows]


def add_entry(database: sqlite3.Connection, entry: Entry) -> None:
    """Append a row as part of a transaction."""
    values = [_whole(entry.get(name)) for name in NAMES]
    database.execute(f"insert into audit ({', '.join(NAMES)}) values ({', '.join('?' * len(NAMES))})", values)


def _whole(text: str | None) -> str | None:
    """Half characters as question marks: SQLite takes only whole ones."""
    return None if text is None else text.encode("utf-8", "replace").decode()
