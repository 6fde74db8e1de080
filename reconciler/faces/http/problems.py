"""What went wrong, in HTTP's words: one shape of error for every HTTP face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.gate.gate import Refused
from reconciler.sessions.instance import NotLive
from reconciler.sessions.session import RpcError, SessionError
from reconciler.store.refused import way_out, why_not_written


class HttpProblem(Exception):
    """An answer other than success: HTTP status, a code, a sentence, headers, and more members for the body."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.body = {"error": {"code": code, "message": message}, **more}

    def response(self) -> Response:
        """The answer; an ASGI app as well."""
        return JSONResponse(self.body, self.status, self.headers)


def as_problem(error: Exception) -> HttpProblem:
    """What went wrong below, in HTTP's words. A defect of ours is 500 and says nothing but its kind."""
    match error:
        case HttpProblem():
            return error
        case Refused():
            return HttpProblem(403, error.code, str(error))
        case NotLive():
            return HttpProblem(503, "not-live", str(error))
        case RpcError():
            return HttpProblem(502, "rpc", str(error), rpc=error.error)
        case SessionError():
            return HttpProblem(504 if error.code == "deadline" else 502, error.code, str(error))
        case HTTPException():
            code = "not-found" if error.status_code == 404 else "http"
            return HttpProblem(error.status_code, code, error.detail, headers=error.headers)
        case OSError() if error.filename and way_out(error):
            return HttpProblem(507, "not-written", why_not_written(error))
        case _:
            return HttpProblem(500, "internal", f"{type(error).__name__}: this is a defect of the reconciler")


async def show_problem(_: Request, error: Exception) -> Response:
    """Exception handler of every app: a JSON body in our own shape."""
    return as_problem(error).response()
