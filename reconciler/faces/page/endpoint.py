"""The app of the page: every view and every form, below `/ui/` and `/p/<project>/ui/`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router

from reconciler.engine.host import Host
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.problems import HttpProblem, as_problem
from reconciler.faces.page import (
    approvals,
    clients,
    connections,
    deleting,
    doorway,
    editing,
    events,
    exporting,
    importing,
    pasting,
    plan,
    review,
    server,
    tools,
    trial,
)
from reconciler.faces.page.back import back_from
from reconciler.faces.page.face import STATIC
from reconciler.faces.page.forms import form_route
from reconciler.faces.page.look import HEADERS, HERE, problem_page

PAGES = (
    *(approvals, clients, connections, deleting, editing, events, exporting, importing, plan, review, server, tools),
    *(pasting, trial),
)
"""The modules that have addresses; each says them in `routes()`, below `/ui`."""


def routes() -> list[BaseRoute]:
    """The addresses of one project's page."""
    return [route for page in PAGES for route in page.routes()]


def application(host: Host) -> Starlette:
    """The app; the front said who visits."""
    enter = Route("/enter", doorway.enter)
    free = [enter, *(Route(f"/static/{name}", _static) for name in STATIC)]
    found = [*free, form_route("/leave", doorway.leave), *routes()]
    project = Router(_below_ui([enter, *routes()]), redirect_slashes=False)
    app = Starlette(
        routes=[Mount("/p/{project}", app=project), *_below_ui(found)],
        exception_handlers={Exception: _show, HttpProblem: _show, HTTPException: _show},
    )
    app.router.redirect_slashes = False
    app.state.host = host
    return app


def _below_ui(found: list[BaseRoute]) -> list[BaseRoute]:
    """Routes below `/ui`. No address leads to one with another end, which would be an answer without our headers."""
    return [Route("/ui", _into), Mount("/ui", app=Router(found, redirect_slashes=False))]


async def _into(request: Request) -> Response:
    """Without the slash at its end it is what people type."""
    return RedirectResponse(f"{request.url.path}/", 303, HEADERS)


async def _static(request: Request) -> Response:
    return FileResponse(HERE / "static" / request.url.path.rpartition("/")[2], headers=HEADERS)


async def _show(request: Request, error: Exception) -> Response:
    path = request.url.path
    return problem_page(as_problem(error), path, back_from(path, host_of(request)))
