"""A change of one file of a project, whatever the others say: of the main one, or of the overlay of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from reconciler.engine.project import Project
from reconciler.engine.rewrite import ChangeRefused, Rewritten, rewrite_one
from reconciler.store.git_exclude import NotKeptOut, keep_out
from reconciler.store.sources import Snapshot

Into: TypeAlias = Literal["deciding", "main", "own"]
"""Which file a patch is of: of all together, each value in the file that decides it; of the main one alone; or of the
git-ignored overlay beside it, for this machine alone. Null takes back what one file alone says."""


def rewrite_into(project: Project, before: Snapshot, into: Into, patch: Mapping[str, Any]) -> Rewritten:
    """One file as the patch has it. What is for this machine alone has to show here. Raises ChangeRefused."""
    sources = project.sources
    path = sources.main if into == "main" else sources.own
    if path is None:
        raise ChangeRefused("edit-refused", f"nothing is laid over {sources.shown(sources.main)} here")
    file = rewrite_one(sources, before, path, patch)
    if into == "own" and file.hidden_at is not None:
        raise ChangeRefused("edit-refused", f"{file.hidden_at} says otherwise, and hides what {path.name} would say")
    return file


async def keep_own_out(project: Project, file: Rewritten) -> None:
    """What is for this machine alone must not go along with the next commit."""
    own = project.sources.own
    if own is None or own not in file.texts:
        return
    try:
        exclude = await asyncio.to_thread(keep_out, own)
    except NotKeptOut as error:
        project.events.say("changed", str(error))
    else:
        if exclude is not None:
            project.events.say(
                "changed", f"git ignores {own.name} from now on: {project.sources.shown(exclude)} says so"
            )


def name_of(project: Project, into: Into) -> str:
    """What somebody changed, as people know it."""
    sources = project.sources
    path = sources.own if into == "own" else None
    return sources.shown(path or sources.main)
