"""Which project a request of the list-servers dialect is about, where its path has no place for one."""

from __future__ import annotations

from starlette.requests import Request

from reconciler.engine.project import Project
from reconciler.faces.api.access import principal
from reconciler.faces.api.hosted import host_of
from reconciler.faces.api.seen import Seen, servers_of
from reconciler.faces.http.problems import HttpProblem


def is_theirs(request: Request, project: Project) -> bool:
    """Whether whoever asks has a token of this very project, or is the owner, whose are all."""
    asks = principal(request)
    return asks.role == "owner" or project.tokens.check(_bearer(request)) is asks


def _bearer(request: Request) -> bytes:
    return request.headers.get("authorization", "")[7:].encode("latin-1")


def asked_project(request: Request) -> Project:
    """The project of `projectId`, else the one whose token is shown. Raises HttpProblem 404."""
    named, host = request.query_params.getlist("projectId"), host_of(request)
    chosen = [host.projects[name] for name in named if name in host.projects] if named else [host.root]
    if not named and not is_theirs(request, host.root):
        chosen = [project for project in host.projects.values() if is_theirs(request, project)]
    if len(chosen) != 1 or len(named) > 1 or not is_theirs(request, chosen[0]):
        raise HttpProblem(404, "unknown-project", "Project not found")
    return chosen[0]


async def known_server(request: Request, server_id: str | None = None) -> tuple[Project, Seen]:
    """The server of this id, else of the path's or of `?id=`. Raises HttpProblem 400, 404."""
    project = asked_project(request)
    wanted = server_id or request.path_params.get("id") or request.query_params.get("id")
    if not wanted:
        raise HttpProblem(400, "no-id", "id is required")
    found = next((seen for seen in await servers_of(project) if seen.server.id == wanted), None)
    if found is None:
        raise HttpProblem(404, "unknown-server", "MCP server not found")
    return project, found
