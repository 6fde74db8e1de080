"""`/api/v1/servers`: the servers of a project, one of them, a new session for it, and what it wrote on stderr."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.loop import Worker
from reconciler.engine.project import Project
from reconciler.engine.status import server_status, status
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import query_of
from reconciler.faces.api.description import FAILED, Asked, Digits, Nothing, Says, Shown
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.observed import Status
from reconciler.sessions.session import SessionError


class Condition(Shown):
    """One thing that is so or not, since when, and why. `observedGeneration` is what was looked at then."""

    type: str
    status: Literal["True", "False"]
    reason: str
    message: str
    observedGeneration: int
    lastTransitionTime: str | None


class PausedShown(Shown):
    """Who keeps a server from running, since when, and until when where that ends by itself."""

    who: str
    since: str
    until: str | None


class ServerShown(Shown):
    """One server: what was applied, what lives, and why. Times are RFC 3339 in UTC."""

    id: str
    name: str
    transport: Literal["stdio", "http", "sse", "uplink", "mock"] | None
    group: str | None
    enabled: bool
    requireApproval: bool | Literal["writes"] | None
    status: Status
    sync: Literal["Synced", "OutOfSync"]
    health: Literal["Healthy", "Degraded", "Progressing", "Suspended", "Missing"]
    generation: int = Field(description="The serial that changed the server last; a condition has seen it, or not yet.")
    conditions: list[Condition]
    paused: PausedShown | None
    reason: str | None = Field(description="Why it is so, in a sentence.")
    pid: int | None
    instance: str | None
    restarts: int
    nextRetryAt: str | None
    toolCount: int | None
    capabilities: dict[str, bool] | None
    serverInfo: dict[str, Any] | None
    protocolVersion: str | None
    authUrl: str | None = Field(description="Where a person signs in, while that is needed.")
    createdAt: str | None
    updatedAt: str | None
    lastConnectedAt: str | None


class Servers(Shown):
    """The servers, by id."""

    servers: list[ServerShown]


class Exit(Shown):
    """How a session ended, with the last lines of its process."""

    instance: str
    at: str
    code: int | None
    reason: str
    stderr: list[str]


class Logs(Shown):
    """What the processes of a server wrote on stderr, and how its last sessions ended, the newest first."""

    lines: list[str]
    exits: list[Exit]


class LogsQuery(Asked):
    """How much."""

    lines: Digits = Field(default=50, description="How many of the last lines.")


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/servers", get_servers, "viewer", says=Says("The servers of the project", Servers)),
        RoleRoute("/servers/{server}", get_server, "viewer", says=_ONE),
        RoleRoute("/servers/{server}/restart", post_restart, "operator", "POST", says=_RESTART),
        RoleRoute("/servers/{server}/logs", get_logs, "viewer", says=_LOGS),
    ]


_UNKNOWN = {404: ("unknown-server",)}
_ONE = Says("One server", ServerShown, refusals=_UNKNOWN)
_RESTART = Says(
    "Replace the server's session, the new one first",
    ServerShown,
    body=Nothing,
    refusals={**_UNKNOWN, 409: ("disabled", "paused"), 502: (FAILED,), 504: ("late",)},
)
_LOGS = Says("What the server wrote on stderr", Logs, query=LogsQuery, refusals=_UNKNOWN)


async def get_servers(request: Request) -> JSONResponse:
    return JSONResponse({"servers": status(project_of(request), None)["servers"]})


async def get_server(request: Request) -> JSONResponse:
    """Also one that waits for its first yes."""
    wanted = request.path_params["server"]
    for row in status(project_of(request), None)["servers"]:
        if row["id"] == wanted:
            return JSONResponse(row)
    raise HttpProblem(404, "unknown-server", "the project has no such server")


async def post_restart(request: Request) -> JSONResponse:
    project = project_of(request)
    server = applied_server(request, project)
    failure = await outcome(server, *restart(project, server))
    if failure is not None:
        raise HttpProblem(502, failure.code, str(failure))
    return server_now(request, project)


def server_now(request: Request, project: Project) -> JSONResponse:
    """The server that the address names, as it is by now. Raises HttpProblem 404: it may have gone meanwhile."""
    return JSONResponse(server_status(project, applied_server(request, project)))


async def outcome(server: str, worker: Worker, seconds: float) -> SessionError | None:
    """Why a server could not become as it should be; None where it did. Raises HttpProblem 504."""
    try:
        return await asyncio.wait_for(worker.settled(), seconds)
    except TimeoutError:
        raise HttpProblem(504, "late", f'"{server}" is still on its way') from None


def restart(project: Project, server: str) -> tuple[Worker, float]:
    """Begin to replace a server's session: who does it, and the seconds that it may take.

    Raises HttpProblem 409 for one that is disabled or paused.
    """
    worker, seconds = driver(project, server)
    if (paused := project.pauses.why(server)) is not None:
        raise HttpProblem(409, "paused", paused)
    worker.restart()
    return worker, seconds


def driver(project: Project, server: str) -> tuple[Worker, float]:
    """Who drives a server, and the seconds that a session of it may take to open. Raises HttpProblem 409: disabled."""
    worker, wanted = project.worker(server), project.wanted(server)
    if worker is None or wanted is None or not wanted.enabled:
        raise HttpProblem(409, "disabled", f'server "{server}" is disabled')
    return worker, wanted.timeouts.start + 30


async def get_logs(request: Request) -> JSONResponse:
    project, query = project_of(request), query_of(request, LogsQuery)
    server = applied_server(request, project)
    lines = await asyncio.to_thread(tail, project, server, query.lines)
    return JSONResponse({"lines": lines, "exits": await project.records.exits(server)})


def tail(project: Project, server: str, count: int) -> list[str]:
    """The last lines that the processes of a server wrote on stderr, without secrets. Reads files."""
    path = project.state.server_logs / f"{server}.log"
    texts = [p.read_text(encoding="utf-8", errors="replace") for p in (path.with_suffix(".log.1"), path) if p.is_file()]
    lines = "".join(texts).splitlines()
    return [project.environment.hide(line) for line in lines[max(len(lines) - count, 0) :]]
