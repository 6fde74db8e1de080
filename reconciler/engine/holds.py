"""What was written by somebody who may not say yes to it waits until a person who may has seen it.

No yes to everything lifts a hold: not that of `watch --auto-approve`, nor a restart, nor a rollback.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from reconciler.engine.pending import Marks
from reconciler.merge_patch import apply, equal
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.plan.actions import PROJECT, Action, Plan
from reconciler.plan.strictness import compare_rules
from reconciler.store.hold_rows import Hold, HoldRows
from reconciler.store.records import Records

ANY = "*"
"""The server of a hold on whatever the file says that was not taken up yet."""
_SHARED = frozenset({"defaults", "groups", "envFile", "lock", "timeouts", "approvals"})
"""Settings that many servers depend on."""


class Holds:
    """The holds of one project, in memory as on the disk. Methods raise sqlite3.Error."""

    def __init__(self, records: Records) -> None:
        self._rows = HoldRows(records)
        self._holds: dict[tuple[str, str], Hold] = {}
        self._set({})

    async def start(self) -> None:
        """Read them."""
        self._set({(hold.server, hold.launch): hold for hold in await self._rows.all()})

    async def lost(self, accepted: Accepted, at: str) -> None:
        """The records are gone, and nobody knows any more who wrote what: hold all that has no yes yet."""
        asleep = [(server, accepted.document.dormant_digest(server)) for server in accepted.document.servers]
        unseen = [(server, launch) for server, launch in asleep if launch and launch not in accepted.yeses]
        await self.add([Hold(server, launch, "unknown", at, "records lost") for server, launch in [(ANY, ""), *unseen]])

    def _set(self, holds: dict[tuple[str, str], Hold]) -> None:
        self._holds = holds
        self.servers = frozenset(hold.server for hold in holds.values() if hold.waits)
        """Of these the file may say something that nobody who may has seen."""
        self.launches = frozenset(launch for _, launch in holds if launch)
        """What nobody said yes to, wherever it comes back."""

    @property
    def any(self) -> bool:
        """Whether anything is held."""
        return bool(self._holds)

    def writer(self, server: str) -> str | None:
        """Who wrote last what waits of a server."""
        found = [hold for hold in self._holds.values() if hold.server in (server, ANY) and hold.waits]
        return max(found, key=lambda hold: hold.at).who if found else None

    async def add(self, holds: Collection[Hold]) -> None:
        """Hold these; on the disk when this returns. Raises TooManyHolds too; then none of them is held."""
        if holds:
            await self._rows.add(tuple(holds))
            self._set(self._holds | {(hold.server, hold.launch): hold for hold in holds})

    def keep(self, plan: Plan, seen: Collection[str] = ()) -> Marks:
        """What of a plan stays as it is whoever said yes to everything; `seen` are servers that a person was shown."""
        return {a.server: _marks(a) for a in plan.actions if a.server not in seen and self._holds_back(plan, a)}

    def _holds_back(self, plan: Plan, action: Action) -> bool:
        if self.holds_launch(action):
            return True
        if action.server not in self.servers and ANY not in self.servers:
            return False
        return bool(action.marks) or action.server == PROJECT or _runs_other(plan.base, plan.desired, action.server)

    def holds_launch(self, action: Action) -> bool:
        """Whether it is exactly this launch that nobody said yes to."""
        return "launch" in action.marks and action.launch in self.launches

    async def settle(self, file: Document, accepted: Accepted) -> None:
        """Let go of every server of which the file says nothing any more that waits."""
        servers = {server for server in self.servers if _is_settled(server, file, accepted)}
        launches = self.launches & accepted.yeses
        if servers or launches:
            with suppress(sqlite3.Error):  # what cannot be let go of stays held
                await self._rows.release(servers, launches)
                await self.start()


def _marks(action: Action) -> tuple[str, ...]:
    return tuple(sorted(action.marks)) or ("launch",)


def _is_settled(server: str, file: Document, accepted: Accepted) -> bool:
    """Whether the file says of it no more than what is accepted, which a person said yes to."""
    applied = accepted.document
    if server == PROJECT:
        return equal(file.settings, applied.settings)
    if server == ANY:
        return _is_settled(PROJECT, file, accepted) and equal(file.servers, applied.servers)
    if server not in file.servers:
        return True
    return server in applied.servers and equal(file.facts(server), applied.facts(server))


def _runs_other(before: Document, after: Document, server: str) -> bool:
    """Whether a server would run or contact something else, were it enabled; a new one does."""
    launch = after.dormant_digest(server) if server in after.servers else None
    return launch is not None and launch != (before.dormant_digest(server) if server in before.servers else None)


def held_by(
    plan: Plan,
    before: Document,
    after: Document,
    patch: Mapping[str, Any],
    yeses: Collection[str],
    by: tuple[str, str],
) -> list[Hold]:
    """What has to be held of a write by somebody who may not say yes: everything that runs, contacts or allows more.

    `plan` is what it causes; `before` and `after` are the file, and `by` is who wrote when. A launch that is known is
    held too: what holds for one server may be looser than what holds for the one it was allowed for.
    """
    who, at = by
    holds = [Hold(a.server, a.launch or "", who, at, ", ".join(a.notes)) for a in plan.actions if a.marks]
    for server in _touched(patch, after):
        known, launch = server in before.servers, after.dormant_digest(server)
        runs = ("new launch",) if _runs_other(before, after, server) else ()
        rules = compare_rules(before.facts(server), after.facts(server)).notes() if known else ()
        if runs or rules:
            digest = launch if runs and launch and launch not in yeses else ""
            holds.append(Hold(server, digest, who, at, ", ".join((*runs, *rules))))
    if before.settings.get("envFile") != after.settings.get("envFile"):
        holds.append(Hold(PROJECT, "", who, at, "new environment"))
    return holds


def _touched(patch: Mapping[str, Any], after: Document) -> Iterable[str]:
    """The servers that a patch may make different."""
    if patch.keys() & _SHARED:
        return after.servers
    return [server for server in patch.get("mcpServers") or {} if server in after.servers]


def unseen(holds: Holds, plan: Plan, patch: Mapping[str, Any]) -> Marks:
    """What waits of a write by somebody who may say yes: launches of others that this very patch does not show."""
    return {
        action.server: _marks(action)
        for action in plan.actions
        if holds.holds_launch(action) and not _shows(patch, action, plan.desired)
    }


def _shows(patch: Mapping[str, Any], action: Action, desired: Document) -> bool:
    """Whether the patch itself says all that the server would run or contact."""
    value = (patch.get("mcpServers") or {}).get(action.server)
    if not isinstance(value, dict):
        return False
    alone = Document({**desired.settings, "mcpServers": {action.server: apply({}, value)}}, hide=desired.hide)
    return alone.launch_digest(action.server) == action.launch
