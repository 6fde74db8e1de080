"""What every HTTP face shares: who asks, what an error looks like, and answers that come line by line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from reconciler.gate.gate import Principal, Refused
from reconciler.sessions.hub import NotLive
from reconciler.sessions.session import RpcError, SessionError

MAX_BODY = 4 * 1024 * 1024
OWNER = Principal("owner", "owner")
"""Whoever can use the local socket: its mode and the peer's uid were checked when the connection was made."""


class HttpProblem(Exception):
    """An answer other than success: HTTP status, a code, a sentence, and more members for the body."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}, **more}


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
            return HttpProblem(error.status_code, "http", error.detail)
        case _:
            return HttpProblem(500, "internal", f"{type(error).__name__}: this is a defect of the reconciler")


async def show_problem(_: Request, error: Exception) -> Response:
    """Exception handler of every app: a JSON body in our own shape."""
    problem = as_problem(error)
    return JSONResponse(problem.body, problem.status)


async def json_body(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises HttpProblem 400, 413."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise HttpProblem(413, "too-large", f"a body may have {MAX_BODY} bytes")
    try:
        body = json.loads(data or b"{}")
    except ValueError as error:
        raise HttpProblem(400, "bad-json", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise HttpProblem(400, "bad-json", "the body must be an object")
    return body


Work = Callable[[Callable[[Mapping[str, Any]], None]], Awaitable[Mapping[str, Any]]]
"""Gets where to report progress, answers the result."""


def in_lines(work: Work) -> StreamingResponse:
    """Lines of JSON: `{"progress": ...}` as they come, then `{"result": ...}` or `{"error": ..., "status": ...}`.

    The work goes on when the caller goes away: what was asked for is not left half done.
    """
    queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
    task = asyncio.create_task(_run(work, queue))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return StreamingResponse(_lines(queue), media_type="application/x-ndjson")


_running: set[asyncio.Task[None]] = set()


async def _run(work: Work, queue: asyncio.Queue[Mapping[str, Any] | None]) -> None:
    try:
        queue.put_nowait({"result": await work(lambda progress: queue.put_nowait({"progress": progress}))})
    except Exception as error:
        problem = as_problem(error)
        queue.put_nowait({**problem.body, "status": problem.status})
    finally:
        queue.put_nowait(None)


async def _lines(queue: asyncio.Queue[Mapping[str, Any] | None]) -> AsyncIterator[str]:
    while (message := await queue.get()) is not None:
        yield json.dumps(message, ensure_ascii=False) + "\n"
