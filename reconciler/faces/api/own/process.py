"""`/api/v1/stop`: the end of the process."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.description import Nothing, Says, Shown
from reconciler.faces.api.hosted import host_of


class Stopping(Shown):
    """It stops once this is answered."""

    stopping: bool


def routes() -> list[RoleRoute]:
    """The one route, with the role that it needs."""
    return [RoleRoute("/stop", post_stop, "owner", "POST", says=Says("End the engine", Stopping, body=Nothing))]


async def post_stop(request: Request) -> JSONResponse:
    host_of(request).stopping.set()
    return JSONResponse({"stopping": True})
