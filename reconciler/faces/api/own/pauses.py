"""`/api/v1/servers/{server}/pause` and `resume`: a server is kept from running for a while, the file left as it is."""

from __future__ import annotations

from datetime import timedelta
from sqlite3 import Error as DatabaseError

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.loop import Worker
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import body_of
from reconciler.faces.api.description import FAILED, Says
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.api.own.servers import ServerShown, driver, outcome, server_now
from reconciler.faces.api.said import Said, who_says_it
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.pause import lasting
from reconciler.model.written import Duration


class PauseBody(Said):
    """For how long; without it the pause lasts until somebody ends it."""

    length: Duration | None = Field(
        default=None, alias="for", description="After that it ends by itself: 30m, 8h; a year at most."
    )


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/servers/{server}/pause", post_pause, "operator", "POST", says=_PAUSE),
        RoleRoute("/servers/{server}/resume", post_resume, "operator", "POST", says=_RESUME),
    ]


_PAUSE = Says(
    "Keep the server from running",
    ServerShown,
    body=PauseBody,
    refusals={
        404: ("unknown-server",),
        409: ("disabled",),
        422: ("bad-length",),
        503: ("not-recorded",),
        504: ("late",),
    },
    more="Calls in flight have ten seconds; every other is refused, with who paused it and until when. The file is not "
    "changed, and a restart of the engine ends no pause. A pause of before is replaced.",
)
_RESUME = Says(
    "End the pause of the server",
    ServerShown,
    body=Said,
    refusals={404: ("unknown-server",), 502: (FAILED,), 503: ("not-recorded",), 504: ("late",)},
    more="Answers once it is connected. One that was not paused is left as it is.",
)


async def post_pause(request: Request) -> JSONResponse:
    """The answer comes when its session is closed."""
    project, body = project_of(request), body_of(request, PauseBody)
    server = applied_server(request, project)
    worker, seconds = await pause(project, server, who_says_it(request, body), body.length)
    await outcome(server, worker, seconds)
    return server_now(request, project)


async def pause(project: Project, server: str, who: str, length: str | None) -> tuple[Worker, float]:
    """Pause a server, for a duration as written or until somebody ends it: who closes its session, and the seconds that
    it may take. Raises HttpProblem 409 for one that is disabled, 422 for no time or more than a year, 503."""
    lasts = _lasting(length) if length is not None else None
    worker, seconds = driver(project, server)
    try:
        await project.pauses.add(server, who, lasts)
    except DatabaseError as error:
        raise HttpProblem(503, "not-recorded", f"it cannot be written down, so nothing changed: {error}") from error
    if project.wanted(server) is None:  # it was deleted meanwhile, and another may come under its id
        await project.pauses.forget(server)
    return worker, seconds


def _lasting(length: str) -> timedelta:
    try:
        return lasting(length)
    except ValueError as error:
        raise HttpProblem(422, "bad-length", f"for: {error}") from None


async def post_resume(request: Request) -> JSONResponse:
    project, body = project_of(request), body_of(request, Said)
    server = applied_server(request, project)
    if await resume(project, server, who_says_it(request, body)) and (wanted := project.wanted(server)):
        worker = project.worker(server)
        failure = await outcome(server, worker, wanted.timeouts.start + 30) if worker is not None else None
        if failure is not None:
            raise HttpProblem(502, failure.code, f"it is paused no more, and does not connect: {failure}")
    return server_now(request, project)


async def resume(project: Project, server: str, who: str) -> bool:
    """End the pause of a server; False where it was not paused. Raises HttpProblem 503."""
    try:
        return await project.pauses.end(server, who)
    except DatabaseError as error:
        raise HttpProblem(503, "not-recorded", f"it cannot be written down, so nothing changed: {error}") from error
