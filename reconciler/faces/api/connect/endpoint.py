"""The connect dialect's routes, under `/connect` and at the root."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Router

from reconciler.engine.host import Host
from reconciler.faces.api.access import with_all_methods
from reconciler.faces.api.changing import by_hand
from reconciler.faces.api.connect import connections, mcp, namespaces, tokens, tools, triggers, uplink
from reconciler.faces.api.connect.holders import strongest
from reconciler.faces.api.connect.mcp import Mcp
from reconciler.faces.api.connect.writes import Turns
from reconciler.faces.http.face import Face
from reconciler.faces.http.problems import HttpProblem, as_problem

_HEALTH = (("GET", "/health"), ("GET", "/connect/health"))
_OF_NO_NAMESPACE = ("health", "namespaces", "tokens")
_CLIENTS_REPEAT = (408, 409)


def face(host: Host, gateway: Mcp) -> Face:
    """The face of every project of a host. `gateway` serves the MCP of each connection."""
    handlers = dict.fromkeys((Exception, HttpProblem, HTTPException), _show)
    below = Router(routes(gateway), redirect_slashes=False)
    app = Starlette(routes=[Mount("/connect", below), *routes(gateway)], exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.host = host
    app.state.turns = Turns()
    return Face(_Entrance(host, app), _said, open=frozenset(_HEALTH), sockets=True)


def routes(gateway: Mcp) -> list[BaseRoute]:
    """The routes of one layout: what has a name of its own first, then namespaces by theirs."""
    found = [
        *namespaces.routes(),
        *tokens.routes(),
        *connections.routes(),
        *tools.routes(),
        *triggers.routes(),
        *mcp.routes(gateway),
        *uplink.routes(),
    ]
    return with_all_methods(found)


class _Entrance:
    """Before any route: is there such a namespace, and as whom does somebody ask where the path names none?"""

    def __init__(self, host: Host, app: Starlette) -> None:
        self._host = host
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        first, _, below = scope["path"][1:].partition("/")
        if first == "connect":
            first = below.partition("/")[0]
        if first not in _OF_NO_NAMESPACE:
            self._check(first)
        elif "principal" in scope:
            scope["principal"] = strongest(scope, self._host)
        await self._app(scope, receive, send)

    def _check(self, name: str) -> None:
        if name not in self._host.projects:
            raise HttpProblem(404, "not-found", f'there is no namespace "{name[:63]}" here, and nothing else either')


async def _show(_: Request, error: Exception) -> Response:
    return _said(as_problem(error))


def _said(problem: HttpProblem) -> Response:
    """Clients repeat some answers unless they are told not to; a tool call that failed must not be made twice."""
    body = {"error": problem.body["error"]["code"], "message": str(problem), **by_hand(problem)}
    again = problem.status < 500 and problem.status not in _CLIENTS_REPEAT
    headers = problem.headers if again else {"x-should-retry": "false", **problem.headers}
    return JSONResponse(body, problem.status, headers)
