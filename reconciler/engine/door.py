"""The one door through which a face changes the file: a patch to its text, and exactly that patch to what is accepted.

Other edits of the file that were not taken up yet stay so. The file stays the source of truth.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.config.edit import EditRefused, edit
from reconciler.config.read import Source, read
from reconciler.engine.change import Applied, Consent, apply_apart, plan_to
from reconciler.engine.project import Project
from reconciler.gate.principal import Principal
from reconciler.merge_patch import apply, equal
from reconciler.problems import Problem, errors
from reconciler.store.files import text_digest, write_whole
from reconciler.store.sources import Snapshot


class ChangeRefused(Exception):
    """The file stays as it is. `code` is held, invalid, stale, read-only or edit-refused; the message says why.

    `problems` are all mistakes that the file would have had, where that is the reason.
    """

    def __init__(self, code: str, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Changed:
    """The file after a change. `etag` is the digest of its text, `applied` what became of the plan it caused."""

    etag: str
    applied: Applied

    @property
    def plan_id(self) -> str:
        """What seed dialects name in X-Reconciler-Plan."""
        return self.applied.plan_id


async def change(
    project: Project, patch: Mapping[str, Any], *, if_match: str | None, principal: Principal, wait: float = 120.0
) -> Changed:
    """Write a merge patch into the main file, and take up what it causes: `principal` says yes to all of it.

    `if_match` is the digest of the main file that the change was made for, None for whatever it is now. `wait` are
    the seconds that sessions have to become so. Raises ChangeRefused.
    """
    async with project.applying:
        before = await project.read()
        text = _changed_text(project, before, patch, if_match)
        accepted = project.ledger.document
        desired = replace(accepted, written=apply(accepted.written, dict(patch)))
        named = frozenset(server for server, value in (patch.get("mcpServers") or {}).items() if value is None)
        plan = plan_to(project, desired, before, named=named)
        try:
            write_whole(project.sources.main, text)
        except OSError as error:
            why = error.strerror or str(error)
            raise ChangeRefused("read-only", f"{_main(project)} cannot be written: {why}") from error
        await project.read()
        applied = await apply_apart(project, plan, Consent(principal.name, None), wait=wait)
        return Changed(text_digest(text.encode("utf-8")), applied)


def _changed_text(project: Project, before: Snapshot, patch: Mapping[str, Any], if_match: str | None) -> str:
    main, held = _main(project), project.followed.held
    if held is not None:
        raise ChangeRefused("held", f"the file is not believed: {held}")
    wrong = errors(before.reading.problems)
    if wrong or before.reading.written is None:
        raise ChangeRefused("invalid", f"{main} has errors; mend it first{f': {wrong[0].detail}' if wrong else ''}")
    if if_match is not None and text_digest(before.texts[main].encode("utf-8")) != if_match:
        raise ChangeRefused("stale", f"{main} is not what the change was made for")
    if not os.access(project.sources.main, os.W_OK):
        raise ChangeRefused("read-only", f"{main} cannot be written")
    return rewritten(project, before, patch, apply(before.reading.written, dict(patch)))


def rewritten(project: Project, before: Snapshot, patch: Mapping[str, Any], want: Any) -> str:
    """The main file's text after a patch, checked: together with the overlays it says what is wanted.

    Raises ChangeRefused.
    """
    main = _main(project)
    try:
        text = edit(before.texts[main], dict(patch), file=main)
    except EditRefused as refused:
        raise ChangeRefused("edit-refused", str(refused)) from refused
    texts = {**before.texts, main: text}
    reading = read([Source(*item) for item in texts.items()], default_project=project.sources.project)
    wrong = errors(reading.problems)
    if wrong:
        raise ChangeRefused("invalid", f"{main} would have errors after the change: {wrong[0].detail}", wrong)
    if reading.written is None or not equal(reading.written, want):
        others = ", ".join(name for name in texts if name != main)
        hides = f"an overlay ({others}) hides what the main file would say"
        raise ChangeRefused("edit-refused", hides if others else "the edit does not hold")
    return text


def _main(project: Project) -> str:
    return project.sources.shown(project.sources.main)
