"""`/readyz`: whether what must live does, for whoever watches over the process. It needs no token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import Says, Shown
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.problems import errors


class Ready(Shown):
    """All files are valid, and every server that is `required` is ready."""

    status: Literal["ready"]


_READY = Says("Whether everything that is required is ready", Ready, refusals={503: ("not-ready",)})


def routes() -> list[RoleRoute]:
    """The one route; it needs no token."""
    return [RoleRoute("/readyz", get_ready, None, says=_READY)]


async def get_ready(request: Request) -> JSONResponse:
    """200, or 503 with the reasons: which project and which server, and nothing that a server said."""
    projects = host_of(request).projects
    reasons = [f"{name}: {reason}" for name in sorted(projects) for reason in _missing(projects[name])]
    if reasons:
        raise HttpProblem(503, "not-ready", "not everything that is required is ready", reasons=reasons)
    return JSONResponse({"status": "ready"})


def _missing(project: Project) -> Iterator[str]:
    if errors(project.followed.problems):
        yield "the files have errors"
    if project.followed.held is not None:
        yield "the file is not believed"
    for server_id in sorted(project.ledger.document.servers):
        server = project.wanted(server_id)
        if server is not None and server.required and server.enabled and project.serving(server_id) is None:
            word = "paused" if project.paused(server_id) else project.status_of(server_id)[0]
            yield f'the required server "{server_id}" is {word}'
