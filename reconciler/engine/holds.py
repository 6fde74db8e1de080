"""What was written by somebody who may not say yes to it waits until a person who may has seen it.

No yes to everything lifts a hold: not that of `watch --auto-approve`, nor a restart, nor a rollback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from reconciler.merge_patch import apply, equal
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.plan.actions import PROJECT, Action, Plan
from reconciler.plan.strictness import compare_rules
from reconciler.store.hold_rows import Hold, HoldRows
from reconciler.store.records import Records

Marks = Mapping[str, tuple[str, ...]]
"""Servers that wait, with why."""

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
        return {a.server: _marks(a) for a in plan.actions if a.server not in seen and self._holds_back(a)}

    def _holds_back(self, action: Action) -> bool:
        is_named = action.server in self.servers or ANY in self.servers
        return (is_named and bool(action.marks or action.server == PROJECT)) or self.holds_launch(action)

    def holds_launch(self, action: Action) -> bool:
        """Whether it is exactly this launch that nobody said yes to."""
        return "launch" in action.marks and action.launch in self.launches

    async def settle(self, file: Document, accepted: Accepted) -> None:
        """Let go of every server of which the file says nothing any more that waits."""
        servers = {server for server in self.servers if _is_settled(server, file, accepted)}
        launches = self.launches & accepted.yeses
        if servers or launches:
            await self._rows.release(servers, launches)
            await self.start()


def _marks(action: Action) -> tuple[str, ...]:
    return tuple(sorted(action.marks)) or ("launch",)


def _is_settled(server: str, file: Document, accepted: Accepted) -> bool:
    """Whether the file says of it what is accepted, and a person said yes to what it would run."""
    applied = accepted.document
    if server == PROJECT:
        return equal(file.settings, applied.settings)
    if server == ANY:
        return _is_settled(PROJECT, file, accepted) and equal(file.servers, applied.servers)
    if server not in file.servers:
        return True
    if server not in applied.servers:
        return False
    launch = file.dormant_digest(server)
    return (launch is None or launch in accepted.yeses) and equal(file.facts(server), applied.facts(server))


def held_by(
    plan: Plan,
    before: Document,
    after: Document,
    patch: Mapping[str, Any],
    yeses: Collection[str],
    *,
    who: str,
    at: str,
) -> list[Hold]:
    """What has to be held of a write by somebody who may not say yes.

    `plan` is what it causes; `before` and `after` are the file. What a server would run is held also while it is off.
    """
    holds = [Hold(a.server, a.launch or "", who, at, ", ".join(a.notes)) for a in plan.actions if a.marks]
    for server in _touched(patch, after):
        launch, words = _news(server, before, after, yeses)
        if words:
            holds.append(Hold(server, launch, who, at, ", ".join(words)))
    if before.settings.get("envFile") != after.settings.get("envFile"):
        holds.append(Hold(PROJECT, "", who, at, "new environment"))
    return holds


def _touched(patch: Mapping[str, Any], after: Document) -> Iterable[str]:
    """The servers that a patch may make different."""
    if patch.keys() & _SHARED:
        return after.servers
    return [server for server in patch.get("mcpServers") or {} if server in after.servers]


def _news(server: str, before: Document, after: Document, yeses: Collection[str]) -> tuple[str, list[str]]:
    """The launch that is new in the file, "" for none, and what is new in words."""
    launch = after.dormant_digest(server)
    known = server in before.servers
    was = before.dormant_digest(server) if known else None
    is_new = launch is not None and launch not in yeses and launch != was
    rules = compare_rules(before.facts(server), after.facts(server)).notes() if known else ()
    return (launch or "") if is_new else "", [*(["new launch"] if is_new else []), *rules]


def unseen(holds: Holds, accepted: Accepted, plan: Plan, patch: Mapping[str, Any]) -> Marks:
    """What waits of a write by somebody who may say yes: launches that were seen neither before nor in this very patch.

    It would start what another wrote, as by enabling it.
    """
    kept = holds.keep(plan)
    return {
        action.server: kept[action.server]
        for action in plan.actions
        if action.server in kept
        and (holds.holds_launch(action) or ("launch" in action.marks and _sleeps_unseen(action.server, accepted)))
        and not _shows(patch, action, plan.desired)
    }


def _sleeps_unseen(server: str, accepted: Accepted) -> bool:
    launch = accepted.document.dormant_digest(server) if server in accepted.document.servers else None
    return launch is not None and launch not in accepted.yeses


def _shows(patch: Mapping[str, Any], action: Action, desired: Document) -> bool:
    """Whether the patch itself says all that the server would run or contact."""
    value = (patch.get("mcpServers") or {}).get(action.server)
    if not isinstance(value, dict):
        return False
    alone = Document({**desired.settings, "mcpServers": {action.server: apply({}, value)}}, hide=desired.hide)
    return alone.launch_digest(action.server) == action.launch
