"""Applying a plan that was saved: only once, only on the state it was made for, with the secrets of today's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.engine.change import Applied, Consent, Invalid, apply_plan, plan_to, read_pins
from reconciler.engine.events import now_text
from reconciler.engine.execute import OnFailure, Report
from reconciler.engine.project import Project
from reconciler.model.document import Document
from reconciler.plan.saved import SavedPlan, read_saved, staleness, target_of
from reconciler.problems import errors


@dataclass(frozen=True, slots=True)
class Stale:
    """The saved plan does not fit any more; each reason is a sentence."""

    reasons: tuple[str, ...]


async def apply_saved(
    project: Project,
    document: Mapping[str, Any],
    consent: Consent,
    report: Report,
    *,
    on_failure: OnFailure = "continue",
    wait: float = 120.0,
) -> Applied | Invalid | Stale:
    """Apply a plan document as `plan --out` wrote it."""
    saved = read_saved(json.dumps(document))
    if not isinstance(saved, SavedPlan):
        return Stale(tuple(problem.detail for problem in saved))
    async with project.applying:
        accepted = project.ledger.accepted
        stale = staleness(saved, accepted, read_pins(project), await project.records.consumed())
        if stale:
            return Stale(tuple(stale))
        snapshot = await project.read()
        if errors(snapshot.reading.problems):
            return Invalid(snapshot.reading.problems)
        target = target_of(saved, accepted, project.desired(snapshot))
        if not isinstance(target, Document):
            return Stale(tuple(problem.detail for problem in target))
        if not await project.records.consume(saved.digest, now_text()):
            return Stale(("the plan was applied before",))
        plan = plan_to(project, target, snapshot, allow=consent.allow)
        return await apply_plan(project, plan, consent, report, whole=False, on_failure=on_failure, wait=wait)
