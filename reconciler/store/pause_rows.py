"""Who keeps which server from running, since when and until when: rows of the records' database."""

from __future__ import annotations

from reconciler.model.pause import Pause, pause_of
from reconciler.store.records import Records


class PauseRows:
    """The table. Methods raise sqlite3.Error; what was written is on the disk when they return."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def all(self) -> dict[str, Pause]:
        """Every pause, by server."""
        statement = "select server, who, since, until from pauses"
        rows = await self._records.run(lambda database: database.execute(statement).fetchall())
        return {server: pause_of(who, since, until) for server, who, since, until in rows}

    async def set(self, server: str, pause: Pause) -> None:
        """The server is paused from now on; a pause of before is replaced."""
        said = pause.to_json()
        values = (server, said["who"], said["since"], said["until"])
        statement = "insert or replace into pauses values (?, ?, ?, ?)"
        await self._records.run(lambda database: database.execute(statement, values).rowcount)

    async def remove(self, server: str, pause: Pause) -> None:
        """This pause is no more; one that replaced it meanwhile stays."""
        values = (server, pause.to_json()["since"])
        statement = "delete from pauses where server = ? and since = ?"
        await self._records.run(lambda database: database.execute(statement, values).rowcount)
