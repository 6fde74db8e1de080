"""The servers as rows: each a value, so that what did not change is neither made nor sent again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TypeAlias

from reconciler.config.read import Reading
from reconciler.engine.project import Project
from reconciler.engine.status import transport_word
from reconciler.faces.api.seen import Seen, servers_of
from reconciler.faces.page.whose import Look, whose
from reconciler.model.observed import Status
from reconciler.model.server import Approval

Health: TypeAlias = Status | Literal["sign-in"]

HEALTH: Mapping[Health, str] = {
    "error": "error",
    "sign-in": "sign-in needed",
    "connecting": "connecting",
    "disconnected": "disconnected",
    "connected": "connected",
}
"""What each is called; what needs somebody comes first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One server as the list shows it. `why` is a sentence where there is one, `tools` their number while it serves.

    `file` is where its switch writes to, and `badge` says what of that is of this machine alone. `group_on` is false
    where its whole group is switched off. `waits` says what of it waits for a yes; somebody keeps it from running where
    it is `paused`.
    """

    id: str
    name: str
    description: str
    group: str
    transport: str
    health: Health
    why: str
    tools: int | None
    approval: Approval
    enabled: bool
    group_on: bool
    paused: bool
    waits: str
    file: str
    badge: str

    def matches(self, text: str, health: str) -> bool:
        """Whether a search finds it: `text` in what it is called, and its health, "" for any."""
        said = f"{self.name} {self.id} {self.description}".casefold()
        return health in ("", self.health) and text.casefold() in said


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are switched together; the id is "" for those without a group. `file` is where its switch writes to,
    and `badge` says what of that is of this machine alone."""

    id: str
    name: str
    description: str
    colour: str
    on: bool
    file: str
    badge: str
    rows: tuple[Row, ...]

    @property
    def healths(self) -> tuple[tuple[Health, int], ...]:
        """How many rows there are of each health, what needs somebody first."""
        found = [row.health for row in self.rows]
        return tuple((health, found.count(health)) for health in HEALTH if health in found)


async def groups_of(project: Project) -> list[Group]:
    """The servers of a project by group, those without one last; in each by id."""
    seen = await servers_of(project)
    reading = (await project.read()).reading
    where, look = _where(project, reading), whose(project.sources, reading)
    said: Mapping[str, Any] = (reading.written or project.ledger.document.written).get("groups") or {}
    switched_off = {id for id, group in said.items() if not group.get("enabled", True)}
    rows = [_row(project, one, (one.server.group or "") not in switched_off, where, look) for one in seen]
    rows.sort(key=lambda row: (not row.group, row.group))
    return [
        _group(id, said.get(id, {}), where(("groups", id, "enabled")), look, tuple(members))
        for id, members in groupby(rows, key=lambda row: row.group)
    ]


def _group(id: str, said: Mapping[str, Any], file: str, look: Look, rows: tuple[Row, ...]) -> Group:
    colour, description, on = said.get("color", ""), said.get("description", ""), said.get("enabled", True)
    return Group(id, said.get("name", id), description, colour, on, file, look("groups", id, on).badge, rows)


def _row(project: Project, seen: Seen, group_on: bool, where: Callable[[tuple[str, ...]], str], look: Look) -> Row:
    server = seen.server
    status, reason = project.status_of(server.id)
    live = project.serving(server.id)
    opens = server.enabled and project.paused(server.id) is None
    needs_sign_in = opens and live is None and project.sign_ins.auth_url(server.id) is not None
    return Row(
        id=server.id,
        name=server.name,
        description=server.description or "",
        group=server.group or "",
        transport=transport_word(server),
        health="sign-in" if needs_sign_in else status,
        why=project.environment.hide(reason) if seen.accepted else "it was never started",
        tools=len(live.listing.tools) if live is not None else None,
        approval=server.approval,
        enabled=server.enabled,
        group_on=group_on,
        paused=project.paused(server.id) is not None,
        waits=seen.pending.action if seen.pending is not None else "",
        file=where(("mcpServers", server.id, "enabled")),
        badge=look("mcpServers", server.id, server.enabled).badge,
    )


def _where(project: Project, reading: Reading) -> Callable[[tuple[str, ...]], str]:
    """What tells the file that a change of a path goes into: the one that decides it, else the main one."""
    main = project.sources.shown(project.sources.main)
    if len(reading.sources) < 2:
        return lambda _: main
    names = [source.name for source in reading.sources]

    def where(path: tuple[str, ...]) -> str:
        patch: Any = True
        for step in reversed(path):
            patch = {step: patch}
        return next((name for name, part in zip(names, reading.split(patch), strict=True) if part), main)

    return where
