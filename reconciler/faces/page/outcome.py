"""What a plan comes to, in a sentence for each server, and the commands that it would run. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import assert_never

from reconciler.model.document import Document, hidden, masked_fields
from reconciler.plan.actions import (
    PROJECT,
    Action,
    Create,
    Delete,
    Disable,
    Enable,
    Plan,
    Reconnect,
    Regroup,
    Update,
)


def outcomes(plan: Plan, *, stored: int, rewrites: bool) -> list[str]:
    """The sentences. `stored` is how many secrets get a value; `rewrites`: the file gets another text."""
    said = [_outcome(plan, action) for action in plan.actions]
    if not said and not stored:
        said.append("Only the text of the file changes." if rewrites else "Nothing changes: the file says so already.")
    if stored:
        what = "One secret goes" if stored == 1 else f"{stored} secrets go"
        said.append(f"{what} into the vault; the file names {'it' if stored == 1 else 'them'} only.")
    return said


def _outcome(plan: Plan, action: Action) -> str:
    if action.server == PROJECT:
        return "The settings of the project change."
    name = _name(plan, action)
    match action:
        case Create():
            on = plan.desired.facts(action.server)["enabled"]
            return f"{name} will be added and {'connected' if on else 'stays off'}."
        case Reconnect():
            first = plan.desired.facts(action.server)["strategy"] == "recreate"
            return f"{name} will reconnect: its session ends {'first' if first else 'once the new one works'}."
        case Update():
            return f"{name} goes on as it is, with other settings."
        case Enable():
            return f"{name} will be connected."
        case Disable():
            return f"{name} will be disconnected."
        case Regroup():
            return f"{name} will be in another group; its session stays."
        case Delete():
            return f"{name} will be deleted, and its session ends."
        case _:
            assert_never(action)


def _name(plan: Plan, action: Action) -> str:
    document = plan.base if isinstance(action, Delete) else plan.desired
    name = document.facts(action.server)["name"]
    return f'"{name}"' if name == action.server else f'"{name}" ({action.server})'


def commands(plan: Plan) -> list[str]:
    """The full command line of everything that the plan would run for the first time; secrets are hidden."""
    return list(_commands(plan))


def _commands(plan: Plan) -> Iterator[str]:
    for action in plan.actions:
        if "launch" in action.marks and action.server in plan.desired.servers:
            line = command_line(plan.desired, action.server)
            if line is not None:
                yield line


def command_line(document: Document, server: str) -> str | None:
    """What a server runs, in full; secrets are hidden. None where it runs nothing."""
    launch = masked_fields(document.pinned_launch(server), hidden)
    return shlex.join([launch["command"], *launch.get("args", ())]) if "command" in launch else None
