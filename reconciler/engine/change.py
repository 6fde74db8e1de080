"""Planning and applying for a project that lives: from the file's text to what became of every action."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.engine.events import now_text
from reconciler.engine.execute import OnFailure, Outcome, Report, execute
from reconciler.engine.pending import Marks, Pending, key_of, waiting_marks
from reconciler.engine.project import Project, utc_now
from reconciler.engine.status import status
from reconciler.model.document import Document
from reconciler.model.pins import Pins
from reconciler.plan.actions import PROJECT, Action, Plan, Source
from reconciler.plan.build import make_plan
from reconciler.plan.document import plan_id
from reconciler.problems import Problem, errors
from reconciler.store.git import git_facts
from reconciler.store.observed import write_observed
from reconciler.store.refused import why_not_written
from reconciler.store.sealed import seal
from reconciler.store.sources import Snapshot


@dataclass(frozen=True, slots=True)
class Invalid:
    """The files have errors; nothing was planned."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The file as it is may not be believed; nothing was planned."""

    why: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Who said yes to what. `servers` None means the whole plan; `allow` lifts guards by name.

    `seen`: that person was shown this very plan. Only then what is held is taken up.
    """

    who: str
    servers: frozenset[str] | None = frozenset()
    allow: frozenset[str] = frozenset()
    seen: bool = False

    def to(self, plan: Plan) -> Collection[str]:
        """The servers of a plan to which it is a yes of somebody who was shown it."""
        if not self.seen:
            return ()
        return frozenset(action.server for action in plan.actions) if self.servers is None else self.servers


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan. `exit` is the exit code for it, `outcomes` one per action and repair."""

    plan: Plan
    plan_id: str
    serial: int
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def exit(self) -> int:
        """0 done, 5 in part, 6 nothing but waiting or blocked actions left (4-plan-and-apply, exit codes)."""
        if self.failed or any(outcome.status == "late" for outcome in self.outcomes):
            return 5
        return 6 if any(outcome.status == "waiting" for outcome in self.outcomes) else 0

    @property
    def refused(self) -> str | None:
        """Why the disk refused (part of) it; None where it did not."""
        return next((outcome.error for outcome in self.outcomes if outcome.code == "state"), None)

    @property
    def failed(self) -> bool:
        """Whether something was not carried out that should have been. What is on its way may still succeed."""
        return any(outcome.status in ("failed", "skipped", "rolled-back") for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """The answer to an apply."""
        counts: dict[str, int] = {}
        for outcome in self.outcomes:
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
        return {
            "format": "reconciler.apply",
            "formatVersion": "1.0",
            "id": self.plan_id,
            "project": self.plan.project,
            "serial": self.serial,
            "results": [outcome.to_json() for outcome in self.outcomes],
            "summary": {**counts, "unchanged": self.plan.unchanged},
            "exit": self.exit,
        }


async def plan_file(project: Project, *, allow: frozenset[str] = frozenset()) -> Plan | Invalid:
    """The plan from what is accepted to what the files say now, under the session's truth."""
    snapshot = await project.read()
    if errors(snapshot.reading.problems):
        return Invalid(snapshot.reading.problems)
    return plan_to(project, project.desired(snapshot), snapshot, allow=allow)


def plan_to(
    project: Project,
    desired: Document,
    snapshot: Snapshot,
    *,
    allow: frozenset[str] = frozenset(),
    named: frozenset[str] = frozenset(),
    about: Collection[str] | None = None,
    repairs: bool = True,
) -> Plan:
    """The plan from what is accepted to `desired`, with the repairs of what is down unless none are wanted; where only
    servers differ that it is `about`, nothing else is looked at, and nothing is repaired."""
    pins = read_pins(project)
    return make_plan(
        project.ledger.accepted,
        desired,
        project.observer.all(about),
        pins,
        now=utc_now(),
        place=snapshot.reading.place,
        source=Source(snapshot.digests, git_facts(project.sources.main)),
        named_deletions=named,
        allow=allow,
        repairs=repairs and about is None,
    )


def read_pins(project: Project) -> Pins:
    """The lock beside the file, as it is now."""
    project.refresh_lock()
    return project.lock.pins


async def apply_plan(
    project: Project,
    plan: Plan,
    consent: Consent,
    report: Report,
    *,
    only: frozenset[str] | None = None,
    whole: bool = True,
    on_failure: OnFailure = "continue",
    wait: float = 120.0,
) -> Applied:
    """Take up everything in `plan` that nobody has to be asked about (any more), and wait until it settled.

    The caller holds `project.applying`. What waits is kept in `project.waiting`; with `only`, nothing but these
    servers' actions is taken up. `whole`: the plan leads to all that the file says.
    """
    known = plan_id(plan)
    waiting = waiting_marks(plan, consent.servers, project.holds.keep(plan, consent.to(plan)))
    if consent.servers is not None:
        remembered = project.waiting.held(plan).items()
        waiting |= {server: marks for server, marks in remembered if server not in consent.servers}
    if only is not None:
        chosen = tuple(action for action in plan.actions if action.server in only or action.server in waiting)
        plan = replace(plan, actions=chosen, drift=())
    before = project.ledger.accepted.serial
    outcomes = await _take_up(project, plan, known, waiting, report, on_failure, wait)
    project.waiting.update(plan, known, waiting, now_text(), project.holds.writer)
    if whole:
        await project.holds.settle(plan.desired, project.ledger.accepted)
    applied = Applied(plan, known, project.ledger.accepted.serial, outcomes)
    if _taken(plan, waiting) and applied.serial > before:
        await _remember(project, applied, consent)
        await _show(project)
    for pending in project.waiting.unsaid():
        project.events.say(
            "waiting", f"{pending.action} waits for a yes: reconciler approve {pending.plan}", pending.server
        )
    project.news.tell()
    return applied


async def apply_apart(project: Project, plan: Plan, waiting: Marks, who: str, *, wait: float = 120.0) -> Applied:
    """Take up a plan that is not the file's, but for what is `waiting`. The caller holds `project.applying`."""
    known = plan_id(plan)
    before = project.ledger.accepted.serial
    outcomes = await _take_up(project, plan, known, waiting, lambda _: None, "continue", wait)
    applied = Applied(plan, known, project.ledger.accepted.serial, outcomes)
    if _taken(plan, waiting) and applied.serial > before:
        await _remember(project, applied, Consent(who, None))
    project.news.tell()
    return applied


async def show_waiting(project: Project, snapshot: Snapshot) -> None:
    """Look anew at what waits, as after a change of the file and at a start: nothing is taken up.

    What the file says besides, and nobody wanted to have applied yet, does not wait.
    """
    if errors(snapshot.reading.problems):
        return
    await project.holds.settle(project.desired(snapshot), project.ledger.accepted)
    waited = {pending.server for pending in project.waiting.all}
    if not waited and not project.holds.any:
        return
    plan = plan_to(project, project.desired(snapshot), snapshot)
    held = project.holds.keep(plan)
    others = frozenset(action.server for action in plan.actions) - waited - held.keys()
    waiting = {**waiting_marks(plan, others, held), **project.waiting.held(plan)}
    project.waiting.update(plan, plan_id(plan), waiting, now_text(), project.holds.writer)
    project.news.tell()


def _taken(plan: Plan, waiting: Mapping[str, object]) -> list[Action]:
    return [action for action in plan.actions if action.server not in waiting]


async def _take_up(
    project: Project,
    plan: Plan,
    known: str,
    waiting: Mapping[str, tuple[str, ...]],
    report: Report,
    on_failure: OnFailure,
    wait: float,
) -> list[Outcome]:
    taken = _taken(plan, waiting)
    if taken:
        project.ledger.begin()
        project.ledger.say_yes(frozenset(a.launch for a in taken if a.launch and "launch" in a.marks))
        project.events.say("applying", f"{known}: {', '.join(a.server for a in taken)}")
    outcomes = await execute(plan, project, waiting, report, on_failure=on_failure, wait=wait)
    project.note(outcomes)
    for outcome in outcomes:
        if outcome.paused is not None:
            rests = f"{outcome.action} is accepted and takes effect when the pause ends"
            project.events.say("paused", f"{rests}: {outcome.paused}", outcome.server)
    return outcomes


async def apply_file(
    project: Project,
    consent: Consent,
    report: Report,
    *,
    expected: str | None = None,
    on_failure: OnFailure = "continue",
    wait: float = 120.0,
) -> Applied | Invalid | Plan:
    """Plan the files and apply; the plan itself comes back unapplied when its digest is not the `expected` id."""
    async with project.applying:
        snapshot = await project.read()
        if errors(snapshot.reading.problems):
            return Invalid(snapshot.reading.problems)
        plan = plan_to(project, project.desired(snapshot), snapshot, allow=consent.allow)
        if expected is not None and plan_id(plan) != expected:
            return plan
        project.followed.believe(snapshot.digests)
        return await apply_plan(project, plan, consent, report, on_failure=on_failure, wait=wait)


async def approve(
    project: Project, chosen: list[Pending], who: str, report: Report, *, wait: float = 120.0
) -> Applied | Invalid | Held:
    """A person said yes to exactly these waiting actions; they are taken up, everything else stays as it is."""
    chosen = _with_settings(project, chosen)
    keys = {pending.key for pending in chosen}
    async with project.applying:
        if project.followed.held is not None:
            return Held(project.followed.held)
        snapshot = await project.read()
        if errors(snapshot.reading.problems):
            return Invalid(snapshot.reading.problems)
        named = frozenset(p.server for p in chosen if p.action == "delete" and "protected" not in p.marks)
        plan = plan_to(project, project.desired(snapshot), snapshot, named=named)
        yes = frozenset(action.server for action in plan.actions if key_of(action) in keys)
        return await apply_plan(project, plan, Consent(who, yes, seen=True), report, only=yes, wait=wait)


def _with_settings(project: Project, chosen: list[Pending]) -> list[Pending]:
    """A settings change and everything it touches are answered together."""
    if not any("with-settings" in p.marks or p.server == PROJECT for p in chosen):
        return chosen
    together = [p for p in project.waiting.all if "with-settings" in p.marks or p.server == PROJECT]
    return [*chosen, *(p for p in together if p not in chosen)]


async def remember_found(project: Project) -> None:
    """Add what is accepted to a history that does not know of it: whoever applied it was killed before that, or the
    records were damaged and begun anew."""
    serial = project.ledger.accepted.serial
    if serial > max([row["serial"] for row in await project.records.history()], default=0):
        facts = {"who": "unknown", "plan": "", "result": "found at a start", "summary": {}}
        await _add_to_history(project, serial, facts)


async def _remember(project: Project, applied: Applied, consent: Consent) -> None:
    facts = {
        "who": consent.who,
        "plan": applied.plan_id,
        "result": "applied in part" if applied.failed else "applied",
        "summary": applied.to_json()["summary"],
    }
    await _add_to_history(project, applied.serial, facts)
    with suppress(OSError, sqlite3.Error):  # the apply stands; there are a few more until the next look
        await project.yeses.review()


async def _add_to_history(project: Project, serial: int, facts: Mapping[str, Any]) -> None:
    """What the disk refuses is added later: the apply stands."""
    parts, sealed = seal({"document": project.ledger.document.written}, project.state.ensure_key())
    try:
        await project.records.add_history({**facts, "serial": serial, "at": now_text()}, {**parts, "sealed": sealed})
    except OSError as error:
        project.events.say("state", f"serial {serial} is not in the history yet: {why_not_written(error)}")


async def _show(project: Project) -> None:
    """Whoever looks at the state next sees what was applied, also where no engine goes on running."""
    with suppress(OSError):  # the apply stands; the report is written again at the next change
        await asyncio.to_thread(write_observed, project.state, status(project, None))
