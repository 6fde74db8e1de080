"""`/api/v1`: our own dialect. What it has is said noun by noun, in the modules named here."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount

from reconciler.engine.host import Host
from reconciler.faces.api import (
    applying,
    approvals,
    calls,
    configuration,
    events,
    history,
    lock,
    process,
    secrets,
    servers,
    sign_in,
    status,
    tokens,
    tools,
)
from reconciler.faces.api.access import RoleRoute, with_all_methods
from reconciler.faces.http.problems import HttpProblem, show_problem

NOUNS = (
    status,
    servers,
    sign_in,
    configuration,
    applying,
    history,
    events,
    tools,
    calls,
    lock,
    approvals,
    secrets,
    tokens,
    process,
)


def routes() -> list[RoleRoute]:
    """The routes below `/api/v1` of one project, each with the role that it needs at least."""
    return with_all_methods([route for noun in NOUNS for route in noun.routes()])


def application(host: Host) -> Starlette:
    """The app; the front said who asks. Every project under `/p/<project>`, the first by name also at the root."""
    app = Starlette(
        routes=[Mount("/p/{project}/api/v1", routes=routes()), Mount("/api/v1", routes=routes())],
        exception_handlers={Exception: show_problem, HttpProblem: show_problem, HTTPException: show_problem},
    )
    app.state.host = host
    return app
