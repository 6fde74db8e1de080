"""Back to an earlier serial: a patch to the file, then the plan it causes. The file stays the source of truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.engine.change import Applied, Consent, apply_plan, plan_to
from reconciler.engine.door import ChangeRefused, rewritten
from reconciler.engine.execute import Report
from reconciler.engine.project import Project
from reconciler.merge_patch import diff
from reconciler.model.document import hidden, masked_document
from reconciler.store.files import write_whole
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


async def roll_back(project: Project, target: Target, consent: Consent, report: Report) -> Applied:
    """Write the patch to the main file and apply what it causes. Raises Refused; then the file is as it was."""
    async with project.applying:
        before = await project.read()
        text = _edited(project, before, target)
        write_whole(project.sources.main, text)
        snapshot = await project.read()
        named = frozenset(id for id, change in (target.patch.get("mcpServers") or {}).items() if change is None)
        plan = plan_to(project, project.desired(snapshot), snapshot, named=named)
        return await apply_plan(project, plan, consent, report)


def _edited(project: Project, before: Snapshot, target: Target) -> str:
    """The main file's text after the patch, checked together with the overlays."""
    try:
        return rewritten(project, before, target.patch, target.written)
    except ChangeRefused as refused:
        raise Refused(str(refused)) from refused
