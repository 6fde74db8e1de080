"""`.triggers`: no server of ours has any."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.connect.entries import entry_of
from reconciler.faces.http.problems import HttpProblem

_ONE = "/{namespace}/{connection}/.triggers/{trigger}"


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [
        RoleRoute("/{namespace}/{connection}/.triggers", list_triggers, "viewer"),
        RoleRoute(_ONE, get_trigger, "viewer"),
        RoleRoute(_ONE, get_trigger, "client", "POST"),
        RoleRoute(_ONE, get_trigger, "client", "DELETE"),
    ]


async def list_triggers(request: Request) -> JSONResponse:
    """An empty list, for a connection that is there."""
    await entry_of(request)
    return JSONResponse([])


async def get_trigger(request: Request) -> JSONResponse:
    """Whatever is asked about one: there is none."""
    entry = await entry_of(request)
    name = request.path_params["trigger"][:63]
    raise HttpProblem(404, "not-found", f'"{entry.id}" has no trigger "{name}": this engine serves none')
