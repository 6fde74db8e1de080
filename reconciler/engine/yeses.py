"""Which yeses are kept: those to what is applied, and to what the history leads back to. More than that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from reconciler.engine.ledger import Ledger
from reconciler.model.document import Document
from reconciler.store.records import Records
from reconciler.store.sealed import unseal
from reconciler.store.state_dir import StateDir

MOST: Final = 500
"""So many are kept without a look at what they were said to."""


class Yeses:
    """The yeses of one project. What comes back after its yes was forgotten asks again, as anything new does."""

    def __init__(self, state: StateDir, ledger: Ledger, records: Records, most: int = MOST) -> None:
        self._state = state
        self._ledger = ledger
        self._records = records
        self._least = self._most = most

    async def review(self) -> None:
        """Where they are many, forget those to what is neither applied nor in the history, with what was known of the
        tools behind them. As long as more lead somewhere, there may be twice as many before the next look.

        Raises OSError, sqlite3.Error.
        """
        if len(self._ledger.accepted.yeses) <= self._most:
            return
        rows = [await self._records.document_at(row["serial"]) for row in await self._records.history()]
        past = await asyncio.to_thread(_launches_then, [row for row in rows if row], self._document, self._state.key())
        kept = past | _launches(self._document)
        self._ledger.keep_yeses(kept)
        self._most = max(self._least, 2 * len(self._ledger.accepted.yeses))
        await self._ledger.commit()
        specs = {self._document.spec_digest(server_id) for server_id in self._document.servers}
        await self._records.keep_hints(kept | specs)

    @property
    def _document(self) -> Document:
        return self._ledger.document


def _launches_then(rows: Sequence[Mapping[str, Any]], now: Document, key: bytes | None) -> set[str]:
    """Of all that the history holds; what cannot be opened any more is nothing that a rollback leads to."""
    found: set[str] = set()
    for row in rows:
        with suppress(ValueError, KeyError, TypeError):
            opened = unseal({"document": row["document"]}, row["sealed"], key)
            found |= _launches(Document(opened["document"], now.default_project, now.hide))
    return found


def _launches(document: Document) -> set[str]:
    asleep = {document.dormant_digest(server_id) for server_id in document.servers}
    return {launch for launch in asleep if launch is not None}
