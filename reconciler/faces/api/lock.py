"""`/api/v1/lock`: what differs from the lock, and accepting it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.pinning import Accepted, MovedOn, Standings, UnknownServer, Unusable, accept, survey
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.body import body_number, json_body, query_number
from reconciler.faces.http.problems import HttpProblem
from reconciler.problems import Problem
from reconciler.store.lock_file import LockTooLarge

LONGEST_WAIT = 120.0
"""Seconds that sessions on their way are waited for at most."""


def routes() -> list[RoleRoute]:
    """The routes of the lock, each with the role that it needs at least."""
    return [
        RoleRoute("/lock", get_lock, "viewer"),
        RoleRoute("/lock", post_lock, "operator", "POST"),
    ]


async def get_lock(request: Request) -> JSONResponse:
    """`?server=ID&changes=1&wait=SECONDS` -> `{"lock": {...}, "servers": [...]}`."""
    project, query = project_of(request), request.query_params
    wait = min(query_number(request, "wait", 0), LONGEST_WAIT)
    try:
        standings = await survey(project, query.get("server"), wait=wait)
    except UnknownServer as error:
        raise HttpProblem(404, "unknown-server", str(error)) from error
    return JSONResponse(report(project, standings, changes=query.get("changes") == "1"))


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
    project, body = project_of(request), await json_body(request)
    server, expected = body.get("server"), body.get("expected")
    if not isinstance(server, str | None) or not isinstance(expected, dict | None):
        raise HttpProblem(400, "bad-body", '"server" is an id or null, "expected" an object')
    wait = min(body_number(body, "wait", 60), LONGEST_WAIT)
    try:
        done = await accept(project, server, expected=expected, wait=wait)
    except UnknownServer as error:
        raise HttpProblem(404, "unknown-server", str(error)) from error
    except Unusable as error:
        raise unusable(error.problems) from error
    except MovedOn as error:
        raise HttpProblem(409, "stale", str(error)) from error
    except LockTooLarge as error:
        raise HttpProblem(413, "lock-too-large", str(error)) from error
    except OSError as error:
        message = f"{project.sources.shown(project.sources.lock)} cannot be written: {error.strerror or error}"
        raise HttpProblem(500, "not-written", message) from error
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
