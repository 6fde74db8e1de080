"""Which project a request of the list-servers dialect is about, where its path has no place for one.

One token may hold in several projects, with a role in each: what counts is who it is in the project that is meant.
"""

from __future__ import annotations

from starlette.requests import Request

from reconciler.engine.project import Project
from reconciler.faces.api.access import principal, require
from reconciler.faces.api.hosted import host_of
from reconciler.faces.api.seen import Seen, servers_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal, Role


def named_project(request: Request, name: str | None, least: Role) -> Project | None:
    """The project of this name, if whoever asks is somebody there. Raises HttpProblem 400, 403."""
    if not name:
        raise HttpProblem(400, "no-project", "projectId is required")
    project = host_of(request).projects.get(name)
    if project is None or _principal_in(request, project) is None:
        return None
    return _enter(request, project, least)


def meant_project(request: Request, least: Role) -> Project:
    """The project of `?projectId=`, else the root's or the first in which whoever asks is somebody.

    Raises HttpProblem 403, 404.
    """
    return _enter(request, _candidates(request)[0], least)


async def known_server(request: Request, least: Role, server_id: str | None = None) -> tuple[Project, Seen]:
    """The server of this id, else of the path's or of `?id=`. Raises HttpProblem 400, 403, 404."""
    wanted = server_id or request.path_params.get("id") or request.query_params.get("id")
    if not wanted:
        raise HttpProblem(400, "no-id", "id is required")
    for project in _candidates(request):
        for seen in await servers_of(project):
            if seen.server.id == wanted:
                return _enter(request, project, least), seen
    raise HttpProblem(404, "unknown-server", "MCP server not found")


def _candidates(request: Request) -> list[Project]:
    """The projects that a request without a project in its path can be about, the root's first."""
    host, named = host_of(request), request.query_params.getlist("projectId")
    if len(named) > 1:
        raise HttpProblem(400, "no-project", "projectId is wanted once")
    others = (host.projects[name] for name in sorted(host.projects))
    wanted = [host.projects[name] for name in named if name in host.projects] if named else [host.root, *others]
    found = [project for project in wanted if _principal_in(request, project) is not None]
    if not found:
        raise HttpProblem(404, "unknown-project", "Project not found")
    return found


def _principal_in(request: Request, project: Project) -> Principal | None:
    """Who asks, as that project knows them. The owner's socket knows everybody without a token as one."""
    shown = request.headers.get("authorization")
    return principal(request) if shown is None else project.tokens.check(shown[len("bearer ") :].encode("latin-1"))


def _enter(request: Request, project: Project, least: Role) -> Project:
    """Go on as who one is there. Raises HttpProblem 403."""
    request.scope["principal"] = _principal_in(request, project)
    require(request, least)
    return project
