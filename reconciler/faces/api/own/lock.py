"""`/api/v1/lock`: what differs from the lock, and accepting it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.pinning import (
    Accepted,
    MovedOn,
    ReadOnly,
    Standing,
    Standings,
    UnknownServer,
    Unusable,
    accept,
    survey,
)
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Digits, Flag, ProblemShown, Says, Seconds, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.pins import State
from reconciler.model.server import Lock
from reconciler.problems import Problem
from reconciler.store.lock_file import LockTooLarge

LONGEST_WAIT = 120.0
"""Seconds that sessions on their way are waited for at most."""


class LockFile(Shown):
    """The lock beside the file."""

    file: str
    exists: bool
    digest: str | None
    problems: list[ProblemShown]


class ChangeShown(Shown):
    """One member of a definition that differs."""

    path: str
    state: Literal["changed", "new", "gone"]
    before: Any
    after: Any


class DifferenceShown(Shown):
    """One thing that is not as the lock has it. `hidden` counts characters in it that nobody sees."""

    kind: str
    name: str | None
    state: State
    changes: list[ChangeShown]
    hidden: dict[str, int]


class Unpinnable(Shown):
    """What cannot be pinned, because it repeats a secret."""

    kind: str
    name: str


class StandingShown(Shown):
    """One server against the lock. `offered` is the digest of what would be pinned now."""

    id: str
    mode: Lock
    standing: Standing
    why: str | None
    offered: str | None
    drift: list[DifferenceShown]
    unpinnable: list[Unpinnable]


class LockShown(Shown):
    """The lock, and every server against it."""

    lock: LockFile
    servers: list[StandingShown]


class LockQuery(Asked):
    """Which, and how much of it."""

    server: str | None = Field(default=None, description="Only this server.")
    wait: Digits = Field(default=0, description="Seconds that sessions on their way are waited for, at most 120.")
    changes: Flag = Field(default=False, description="With what differs in each definition.")


class AcceptBody(Asked):
    """What to write into the lock."""

    server: str | None = Field(default=None, description="Only this server.")
    expected: dict[str, str] | None = Field(default=None, description="The `offered` of what was looked at.")
    wait: Seconds = Field(default=60, description="Seconds that sessions on their way are waited for, at most 120.")


class AcceptedShown(Shown):
    """What was written. `kept` could not be looked at, with the reason; `unpinned` of them have no pins."""

    file: str
    written: bool
    accepted: list[str]
    removed: list[str]
    kept: dict[str, str]
    unpinned: list[str]


_LOCK = Says("What differs from the lock", LockShown, query=LockQuery, refusals={404: ("unknown-server",)})
_ACCEPT = Says(
    "Write what live servers show into the lock",
    AcceptedShown,
    body=AcceptBody,
    refusals={
        403: ("read-only",),
        404: ("unknown-server",),
        409: ("stale",),
        413: ("lock-too-large",),
        422: ("lock-unusable",),
        503: ("not-written",),
    },
)


def routes() -> list[RoleRoute]:
    """The routes of the lock, each with the role that it needs at least."""
    return [
        RoleRoute("/lock", get_lock, "viewer", says=_LOCK),
        RoleRoute("/lock", post_lock, "operator", "POST", says=_ACCEPT),
    ]


async def get_lock(request: Request) -> JSONResponse:
    """`?server=ID&changes=true&wait=SECONDS` -> `{"lock": {...}, "servers": [...]}`."""
    project, query = project_of(request), query_of(request, LockQuery)
    try:
        standings = await survey(project, query.server, wait=min(query.wait, LONGEST_WAIT))
    except UnknownServer as error:
        raise HttpProblem(404, "unknown-server", str(error)) from error
    return JSONResponse(report(project, standings, changes=query.changes))


def report(project: Project, standings: list[Standings], *, changes: bool) -> dict[str, Any]:
    """The lock as it is, and every server against it."""
    pins = project.lock.pins
    return {
        "lock": {
            "file": project.sources.shown(project.sources.lock),
            "exists": pins.exists,
            "digest": pins.digest,
            "problems": [problem.to_json() for problem in pins.problems],
        },
        "servers": [each.to_json(changes=changes) for each in standings],
    }


async def post_lock(request: Request) -> JSONResponse:
    """`{"server": ID or null, "expected": {ID: offered}, "wait"}` -> `{"written", "accepted", "removed", "kept"}`."""
    project, body = project_of(request), body_of(request, AcceptBody)
    try:
        done = await accept(project, body.server, expected=body.expected, wait=min(body.wait, LONGEST_WAIT))
    except UnknownServer as error:
        raise HttpProblem(404, "unknown-server", str(error)) from error
    except Unusable as error:
        raise unusable(error.problems) from error
    except MovedOn as error:
        raise HttpProblem(409, "stale", str(error)) from error
    except ReadOnly as error:
        raise HttpProblem(403, "read-only", str(error)) from error
    except LockTooLarge as error:
        raise HttpProblem(413, "lock-too-large", str(error)) from error
    except OSError as error:
        message = f"{project.sources.shown(project.sources.lock)} cannot be written: {error.strerror or error}"
        raise HttpProblem(503, "not-written", message) from error
    return JSONResponse(_accepted(project, done))


def unusable(problems: tuple[Problem, ...]) -> HttpProblem:
    """422 with everything that is wrong with the file."""
    found = [problem.to_json() for problem in problems]
    return HttpProblem(422, "lock-unusable", "the lock file cannot be used", problems=found)


def _accepted(project: Project, done: Accepted) -> dict[str, Any]:
    return {
        "file": project.sources.shown(project.sources.lock),
        "written": done.written,
        "accepted": list(done.accepted),
        "removed": list(done.removed),
        "kept": dict(done.kept),
        "unpinned": list(done.unpinned),
    }
