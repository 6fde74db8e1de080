"""A server that was deleted comes back to the letter, comments and all, while the files are what the deletion made."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from reconciler.engine.apart import accepted_with
from reconciler.engine.change import apply_apart, plan_to, show_waiting
from reconciler.engine.project import Project
from reconciler.engine.rewrite import MovedOn, Rewritten, is_writable, with_bom, write
from reconciler.plan.actions import Plan
from reconciler.store.sources import Snapshot


@dataclass(frozen=True, slots=True)
class Deleted:
    """A server that was deleted: what the files were `before`, and the ETag that they had after it."""

    server: str
    before: Snapshot
    after: str

    @property
    def entry(self) -> Any:
        """What the file said of it, secrets and all."""
        written = self.before.reading.written
        return written["mcpServers"][self.server] if written else None


async def put_back(project: Project, deleted: Deleted, who: str) -> bool:
    """Write the texts as they were and take the server up again; False where that has to be done by a patch: the files
    say something else by now or cannot be written, or somebody has to say yes to what would run."""
    async with project.applying:
        now = await project.read()
        if now.etag != deleted.after or project.read_only or project.followed.held is not None:
            return False
        file = _texts(project, now, deleted.before)
        plan = _plan(project, file, deleted)
        if plan.blocked or any(action.marks for action in plan.actions) or not is_writable(file.texts):
            return False
        project.writes(file.after)
        try:
            await asyncio.to_thread(write, file, project.sources)
        except (MovedOn, OSError):
            return False
        project.took(file.after)
        project.events.say("changed", f"{who} put {deleted.server} back", deleted.server)
        await apply_apart(project, plan, {}, who, wait=0)
        await show_waiting(project, file.after)
        return True


def _texts(project: Project, now: Snapshot, before: Snapshot) -> Rewritten:
    paths = {project.sources.shown(path): path for path in project.sources.paths}
    changed = {name: text for name, text in before.texts.items() if text != now.texts[name]}
    return Rewritten(now, before, {paths[name]: with_bom(text, now, name) for name, text in changed.items()})


def _plan(project: Project, file: Rewritten, deleted: Deleted) -> Plan:
    """What comes back, and nothing besides."""
    patch = {"mcpServers": {deleted.server: deleted.entry}}
    accepted, old, new = project.ledger.accepted.document, project.desired(file.before), project.desired(file.after)
    return plan_to(project, accepted_with(accepted, old, new, patch), file.after, about={deleted.server})
