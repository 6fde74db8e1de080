"""accepted x desired x observed x pins -> Plan: the one way a plan is made."""

from __future__ import annotations

from datetime import datetime

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.actions import Check, Delete, Plan, Source
from reconciler.plan.changes import FindPlace, Sides
from reconciler.plan.decide import Question, decide_actions, decide_repairs
from reconciler.plan.drift import paused_servers
from reconciler.plan.lock_checks import lock_changes, lock_checks, seen_drift
from reconciler.plan.patches import patches
from reconciler.plan.pointers import Path
from reconciler.plan.safety import blocked_deletions
from reconciler.problems import Place


def nowhere(_: Path) -> Place | None:
    """The places of a document that was not read from a file."""
    return None


def make_plan(
    accepted: Accepted,
    desired: Document,
    observed: Observed,
    pins: Pins,
    *,
    now: datetime,
    place: FindPlace = nowhere,
    source: Source = Source(),  # noqa: B008  # frozen
    named_deletions: frozenset[str] = frozenset(),
    allow: frozenset[str] = frozenset(),
    against: str | None = None,
    checks: tuple[Check, ...] = (),
    base_pins: Pins | None = None,
    repairs: bool = True,
) -> Plan:
    """What must happen so that `desired` holds.

    `place` says where the file writes a path. `named_deletions` are servers whose removal a person named one by one;
    `allow` may hold `mass-delete`. `against` names the base in words when it is not the state (see `base_of`);
    `base_pins` is then the lock there. Without `repairs` the plan is that of
    the file alone: no session is looked at, and one that is down stays so.
    """
    patch, reverse = patches(accepted.document, desired)
    sessions = observed if repairs else Observed()
    question = Question(accepted, Sides(accepted.document, desired, place), sessions, named_deletions, patch)
    actions = decide_actions(question)
    drift = decide_repairs(question, {action.server for action in actions})
    deleted = {action.server for action in actions if isinstance(action, Delete)}
    touched = len(drift) + sum(action.server in desired.servers for action in actions)
    return Plan(
        project=desired.project,
        base=accepted.document,
        lineage=accepted.lineage,
        serial=accepted.serial,
        desired=desired,
        actions=actions,
        drift=drift,
        unchanged=len(desired.servers) - touched,
        patch=patch,
        reverse=reverse,
        lock_digest=(pins if base_pins is None else base_pins).digest,
        created=now,
        source=source,
        checks=(*checks, *lock_checks(desired, pins, actions, place)),
        paused=paused_servers(observed, desired),
        tool_drift=seen_drift(desired, observed),
        lock_changes=lock_changes(base_pins, pins) if base_pins is not None else (),
        blocked=blocked_deletions(accepted, deleted, named_deletions, allow),
        has_state=accepted.exists,
        against=against,
    )


def base_of(document: Document) -> Accepted:
    """A document of another place or time as the base: nobody is known to have said yes, so new launches are marked."""
    return Accepted(document=document)
