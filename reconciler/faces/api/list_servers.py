"""`/api/mcp/servers`: the list-servers dialect."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.engine.host import Host
from reconciler.faces.http.face import Face
from reconciler.faces.http.problems import HttpProblem, as_problem


def face(host: Host) -> Face:
    """The face of every project of a host."""
    app = Starlette(exception_handlers={Exception: _show, HttpProblem: _show, HTTPException: _show})
    app.state.host = host
    return Face(app, _said)


async def _show(_: Request, error: Exception) -> Response:
    return _said(as_problem(error))


def _said(problem: HttpProblem) -> Response:
    body = {"success": False, "message": "Unauthorized" if problem.status == 401 else str(problem)}
    return JSONResponse(body, problem.status, problem.headers)
