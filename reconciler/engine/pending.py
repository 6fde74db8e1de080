"""What waits for a person: actions with an unanswered mark, and deletions that are guarded. Derived from every plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import digest
from reconciler.plan.actions import PROJECT, Action, Create, Plan, ProjectChanged, word

Marks = Mapping[str, tuple[str, ...]]
"""Servers that wait, with why."""
GUARDED = {"mass-delete", "protected"}
"""Marks of a deletion that the guard stopped."""


@dataclass(frozen=True, slots=True)
class Pending:
    """One action that waits. `plan` is the id of the plan in which it was first seen, so that it can be answered.

    `by` is who wrote it, where that was somebody who may not say yes.
    """

    plan: str
    server: str
    action: str
    marks: tuple[str, ...]
    since: str
    key: str
    by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of `pending` in status."""
        return {
            "id": self.plan,
            "server": self.server,
            "action": self.action,
            "marks": list(self.marks),
            "since": self.since,
            "by": self.by,
        }


class Waiting:
    """The waiting actions of one project, and those a person said no to."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._denied: set[str] = set()
        self._said: set[str] = set()

    @property
    def all(self) -> list[Pending]:
        """Everything that waits, by server."""
        return [self._pending[server] for server in sorted(self._pending)]

    def update(
        self, plan: Plan, plan_id: str, marks: Marks, now: str, writer: Callable[[str], str | None] = lambda _: None
    ) -> None:
        """`marks` are the waiting servers of `plan` with why; one that waited before keeps its id and its time."""
        self._denied &= {key_of(action) for action in plan.actions}
        pending = {}
        for action in plan.actions:
            if action.server not in marks:
                continue
            key = key_of(action)
            if key in self._denied:
                continue
            known, server = self._pending.get(action.server), action.server
            pending[server] = (
                known
                if known and known.key == key
                else Pending(plan_id, server, word(action), marks[server], now, key, writer(server))
            )
        self._pending = pending

    def unsaid(self) -> list[Pending]:
        """Those that wait and were not answered here before: each is told once, for as long as it waits."""
        unsaid = [pending for pending in self.all if pending.key not in self._said]
        self._said = {pending.key for pending in self.all}
        return unsaid

    def chosen(self, plan_id: str, servers: Iterable[str]) -> list[Pending]:
        """The waiting actions of a plan id, all of them or only those of `servers`."""
        wanted = set(servers)
        return [p for p in self.all if p.plan == plan_id and (not wanted or p.server in wanted)]

    def held(self, plan: Plan) -> dict[str, tuple[str, ...]]:
        """What goes on waiting whatever the guard counts now: deletions that it stopped once, and what was denied."""
        found: dict[str, tuple[str, ...]] = {}
        for action in plan.actions:
            known = self._pending.get(action.server)
            if key_of(action) in self._denied:
                found[action.server] = ("denied",)
            elif known and known.key == key_of(action) and GUARDED & set(known.marks):
                found[action.server] = known.marks
        return found

    def deny(self, pending: Iterable[Pending]) -> None:
        """Do not ask for these again until the file says something else."""
        for one in pending:
            self._denied.add(one.key)
            self._pending.pop(one.server, None)


def waiting_marks(plan: Plan, yes: frozenset[str] | None, held: Marks | None = None) -> dict[str, tuple[str, ...]]:
    """Servers of `plan` whose actions may not be taken up yet, with their marks.

    `yes` are the servers somebody said yes to; None means everything. What is `held`, and a guarded or protected
    deletion, waits whatever was said: lifting the guard is done when the plan is made. When a server that a settings
    change touches waits, the whole settings change waits with everything it touches, and with new servers, which would
    begin under other settings than a person was shown.
    """
    marks: dict[str, tuple[str, ...]] = {
        server: (blocked.code,) for blocked in plan.blocked for server in blocked.servers
    }
    marks |= {server: why for server, why in (held or {}).items() if server not in marks}
    for action in plan.actions:
        if action.marks and yes is not None and action.server not in yes:
            marks.setdefault(action.server, tuple(sorted(action.marks)))
    project = next((action for action in plan.actions if action.server == PROJECT), None)
    touched = [action for action in plan.actions if action.with_settings]
    if project is not None and any(action.server in marks for action in [project, *touched]):
        for action in [project, *touched, *(a for a in plan.actions if isinstance(a, Create))]:
            marks.setdefault(action.server, ("with-settings",))
    return marks


def key_of(action: Action) -> str:
    """What a person is shown of an action, as a digest: a yes holds for exactly this."""
    settings = [[r.path, r.field, r.before, r.after] for r in action.because if isinstance(r, ProjectChanged)]
    shown = [action.server, word(action), action.patch, action.launch, sorted(action.marks), settings]
    return digest(shown)
