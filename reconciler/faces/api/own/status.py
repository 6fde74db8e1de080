"""`/api/v1/hello`, `projects`, `status` and `observed`: what the engine is, and what is true of a project."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.status import status
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import ProblemShown, Says, Shown
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.api.own.servers import Condition, PausedShown, ServerShown
from reconciler.model.observed import ObservedServer, Status


class EngineShown(Shown):
    """The process. `url` is where it listens on TCP, null where it does not; one that is `readOnly` changes no file."""

    pid: int
    version: str
    startedAt: str
    url: str | None
    readOnly: bool


class Hello(EngineShown):
    """The engine, and the projects that it hosts."""

    projects: list[str]


class ProjectShown(Shown):
    """One project: `path` stands before `/api/v1`, `/mcp` and the rest; `root` is the one that needs no path."""

    name: str
    path: str
    root: bool


class Projects(Shown):
    """What the engine hosts, by name."""

    projects: list[ProjectShown]


class SourceShown(Shown):
    """The files. `held` says why they are not believed, where they are not; `remark` why saves come late or never."""

    valid: bool
    files: list[str]
    problems: list[ProblemShown]
    conditions: list[Condition]
    following: bool
    held: str | None
    remark: str | None


class PendingShown(Shown):
    """An action that waits for a yes under the `id` of the plan it was first seen in.

    `by` is who wrote it, where that was somebody who may not say yes.
    """

    id: str
    server: str
    action: str
    marks: list[str]
    since: str
    by: str | None


class Calls(Shown):
    """Calls since the engine began: those that asked nobody, the others, and how many wait now."""

    free: int
    asked: int
    waiting: int


class StatusShown(Shown):
    """The status document."""

    project: str
    serial: int = Field(description="Counts what was applied.")
    engine: EngineShown | None
    source: SourceShown
    pending: list[PendingShown]
    calls: Calls
    servers: list[ServerShown]


class DriftShown(Shown):
    """One thing that is not as the lock has it."""

    kind: str
    name: str
    state: Literal["accepted", "changed", "new", "gone"]


class ObservedShown(Shown):
    """One server as it lives, as a plan sees it."""

    id: str
    status: Status
    instance: str | None
    spec: str | None
    down: str | None
    since: str | None
    drift: list[DriftShown]
    paused: PausedShown | None


class Observed(Shown):
    """What lives."""

    servers: list[ObservedShown]


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/hello", hello, "viewer", says=Says("The engine and its projects", Hello)),
        RoleRoute("/projects", get_projects, "viewer", says=Says("The projects that the engine hosts", Projects)),
        RoleRoute("/status", get_status, "viewer", says=Says("What is true of the project", StatusShown)),
        RoleRoute("/observed", get_observed, "viewer", says=Says("What lives, as a plan sees it", Observed)),
    ]


async def hello(request: Request) -> JSONResponse:
    host = host_of(request)
    if "project" in request.path_params:
        project_of(request)
    return JSONResponse({**host.facts.to_json(), "projects": sorted(host.projects)})


async def get_projects(request: Request) -> JSONResponse:
    host = host_of(request)
    rows = [{"name": name, "path": f"/p/{name}", "root": name == host.root.name} for name in sorted(host.projects)]
    return JSONResponse({"projects": rows})


async def get_status(request: Request) -> JSONResponse:
    return JSONResponse(status(project_of(request), host_of(request).facts))


async def get_observed(request: Request) -> JSONResponse:
    """What the engine's own plans see; a plan made elsewhere from this is the same plan, with the same id."""
    return JSONResponse({"servers": [_as_seen(seen) for seen in project_of(request).observer.all().servers.values()]})


def _as_seen(seen: ObservedServer) -> dict[str, Any]:
    since, paused = seen.since and seen.since.isoformat(), seen.paused and seen.paused.to_json()
    return {**asdict(replace(seen, paused=None)), "since": since, "paused": paused}
