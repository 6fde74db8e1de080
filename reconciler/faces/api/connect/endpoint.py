"""The connect dialect's routes, under `/connect` and at the root."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount

from reconciler.engine.host import Host
from reconciler.faces.api.connect import connections, mcp, namespaces, tokens, tools, triggers
from reconciler.faces.api.connect.mcp import Mcp
from reconciler.faces.api.connect.writes import Turns
from reconciler.faces.http.face import Face
from reconciler.faces.http.problems import HttpProblem, as_problem

_HEALTH = (("GET", "/health"), ("GET", "/connect/health"))
_CLIENTS_REPEAT = (408, 409)


def face(host: Host, gateway: Mcp) -> Face:
    """The face of every project of a host. `gateway` serves the MCP of each connection."""
    handlers = dict.fromkeys((Exception, HttpProblem, HTTPException), _show)
    app = Starlette(routes=[Mount("/connect", routes=routes(gateway)), *routes(gateway)], exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.host = host
    app.state.turns = Turns()
    return Face(app, _said, open=frozenset(_HEALTH))


def routes(gateway: Mcp) -> list[BaseRoute]:
    """The routes of one layout: what has a name of its own first, then namespaces by theirs."""
    return [
        *namespaces.routes(),
        *tokens.routes(),
        *connections.routes(),
        *tools.routes(),
        *triggers.routes(),
        *mcp.routes(gateway),
    ]


async def _show(_: Request, error: Exception) -> Response:
    return _said(as_problem(error))


def _said(problem: HttpProblem) -> Response:
    """Clients repeat some answers unless they are told not to; a tool call that failed must not be made twice."""
    body = {"error": problem.body["error"]["code"], "message": str(problem)}
    again = problem.status < 500 and problem.status not in _CLIENTS_REPEAT
    headers = problem.headers if again else {"x-should-retry": "false", **problem.headers}
    return JSONResponse(body, problem.status, headers)
