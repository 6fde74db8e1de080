"""What a request is about: the engine, and the one of its projects that the address names."""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.http.problems import HttpProblem


def host_of(request: HTTPConnection) -> Host:
    """The engine."""
    host: Host = request.app.state.host
    return host


def project_of(request: HTTPConnection) -> Project:
    """The project under `/p/<project>`, the first by name where none is named. Raises HttpProblem 404."""
    host = host_of(request)
    name = request.path_params.get("project") or host.root.name
    project = host.projects.get(name)
    if project is None:
        raise HttpProblem(404, "unknown-project", f'this engine does not host "{name}"')
    return project


def takes(request: Request, kind: str) -> bool:
    """Whether a client names a media type among those that it takes."""
    named = ",".join(request.headers.getlist("accept")).lower().split(",")
    kinds = [each.partition(";") for each in named]
    return any(each.strip() == kind and rest.replace(" ", "") != "q=0" for each, _, rest in kinds)


def applied_server(request: Request, project: Project) -> str:
    """The id of the server that the address names. Raises HttpProblem 404 where none such was applied."""
    server: str = request.path_params["server"]
    if server not in project.ledger.document.servers:
        raise HttpProblem(404, "unknown-server", f'no server "{server}" was applied')
    return server
