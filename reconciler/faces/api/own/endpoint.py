"""`/api/v1`, `/openapi.json`, `/readyz`, `/metrics`: our own dialect, said noun by noun in the modules named here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Router

from reconciler.engine.host import Host
from reconciler.faces.api.access import RoleRoute, with_all_methods
from reconciler.faces.api.own import (
    applying,
    approvals,
    calls,
    configuration,
    events,
    history,
    lock,
    metrics,
    openapi,
    pauses,
    portable,
    process,
    readiness,
    sealed,
    secrets,
    servers,
    sign_in,
    status,
    tokens,
    tools,
    visits,
)
from reconciler.faces.http.face import Face
from reconciler.faces.http.problems import HttpProblem, show_problem

NOUNS = (
    status,
    servers,
    pauses,
    sign_in,
    configuration,
    portable,
    sealed,
    applying,
    history,
    events,
    tools,
    calls,
    lock,
    approvals,
    secrets,
    tokens,
    visits,
    process,
)


def routes() -> list[RoleRoute]:
    """The routes below `/api/v1` of one project, each with the role that it needs at least."""
    return with_all_methods([route for noun in NOUNS for route in noun.routes()])


def root_routes() -> list[RoleRoute]:
    """Those of the whole engine, and of its first project."""
    return with_all_methods([*openapi.routes(), *readiness.routes(), *metrics.routes()])


def application(host: Host) -> Starlette:
    """The app; the front said who asks. Every project under `/p/<project>`, the first by name also at the root."""
    below = [_exactly("/api/v1", routes()), *with_all_methods(metrics.routes())]
    app = Starlette(
        routes=[_exactly("/p/{project}", below), _exactly("/api/v1", routes()), *root_routes()],
        exception_handlers={Exception: show_problem, HttpProblem: show_problem, HTTPException: show_problem},
    )
    app.router.redirect_slashes = False
    app.state.host = host
    app.state.describe = cache(lambda: openapi.document(routes(), root_routes()))
    return app


def _exactly(path: str, routes: Sequence[BaseRoute]) -> Mount:
    """Routes below a path, under no other spelling."""
    return Mount(path, app=Router(routes, redirect_slashes=False))


def face(host: Host) -> Face:
    """The face of every project of a host."""
    every = {(method, route.path) for route in root_routes() if route.least is None for method in route.methods or ()}
    return Face(application(host), open=frozenset(every))
