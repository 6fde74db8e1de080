"""Back to an earlier serial: a patch to the file, then the plan it causes. The file stays the source of truth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.engine.change import Applied, Consent, apply_plan, plan_to
from reconciler.engine.execute import Report
from reconciler.engine.project import Project
from reconciler.engine.rewrite import ChangeRefused, MovedOn, Rewritten, rewrite, write
from reconciler.merge_patch import diff
from reconciler.model.document import hidden, masked_document
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id
from reconciler.store.sealed import unseal
from reconciler.store.sources import Snapshot


class NoSuchSerial(Exception):
    """History does not hold this serial (any more)."""


class Refused(Exception):
    """The file cannot be brought back by an edit; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rollback leads: the document as it was, and the patch to the files as they are."""

    serial: int
    written: Mapping[str, Any]
    patch: Mapping[str, Any]

    @property
    def masked(self) -> dict[str, Any]:
        """The patch for people."""
        return masked_document(self.patch, hidden)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a rollback would do: the `plan` that it causes, made for the files with this `etag`."""

    plan: Plan
    etag: str

    @property
    def id(self) -> str:
        """Names exactly this: what somebody says yes to."""
        return f"{plan_id(self.plan)}-{self.etag}"


async def patch_to(project: Project, serial: int | None) -> Target:
    """The way back to `serial`, or to the serial before the last. Raises NoSuchSerial, Refused for a broken file."""
    known = [row["serial"] for row in await project.records.history()]
    chosen = serial if serial is not None else next(iter(known[1:]), None)
    packed = await project.records.document_at(chosen) if chosen is not None else None
    if packed is None or chosen is None:
        listed = ", ".join(map(str, known)) or "none"
        raise NoSuchSerial(
            f"serial {chosen} is not in the history; there are: {listed}" if chosen else "nothing before"
        )
    opened = unseal({"document": packed["document"]}, packed["sealed"], project.state.key())
    snapshot = await project.read()
    if snapshot.reading.written is None:
        raise Refused("the file has errors; mend it first, or check out an earlier version")
    return Target(chosen, opened["document"], diff(snapshot.reading.written, opened["document"]))


async def foresee(project: Project, target: Target) -> Foreseen:
    """What the way back would do; nothing is changed. Raises Refused where it cannot be gone."""
    return _foreseen(project, _edited(project, await project.read(), target), target)


async def roll_back(
    project: Project,
    target: Target,
    consent: Consent,
    report: Report,
    *,
    expected: str | None = None,
    wait: float = 120.0,
) -> Applied:
    """Write the patch to the main file and apply what it causes. `expected` is the id of what somebody was shown.

    Raises Refused; then the file is as it was.
    """
    async with project.applying:
        file = _edited(project, await project.read(), target)
        found = _foreseen(project, file, target)
        if expected not in (None, found.id):
            raise Refused("the way back is another than the one that was shown: look again")
        await _write(project, file)
        return await apply_plan(project, found.plan, consent, report, wait=wait)


def _foreseen(project: Project, file: Rewritten, target: Target) -> Foreseen:
    named = frozenset(id for id, change in (target.patch.get("mcpServers") or {}).items() if change is None)
    plan = plan_to(project, project.desired(file.after), file.after, named=named)
    return Foreseen(plan, file.before.etag)


def _edited(project: Project, before: Snapshot, target: Target) -> Rewritten:
    """The texts after the patch, checked together."""
    try:
        return rewrite(project.sources, before, target.written)
    except ChangeRefused as refused:
        raise Refused(str(refused)) from refused


async def _write(project: Project, file: Rewritten) -> None:
    main = project.sources.shown(project.sources.main)
    if project.read_only:
        raise Refused(f"{main} is not changed from here (--read-only): commit the patch")
    project.writes(file.after)
    try:
        await asyncio.to_thread(write, file, project.sources)
    except MovedOn as error:
        raise Refused(f"{main} was saved by somebody else meanwhile: look again") from error
    project.took(file.after)
