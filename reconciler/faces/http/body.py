"""The body of a request: read to its limit, and made JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from reconciler.faces.http.problems import HttpProblem

MAX_BODY = 4 * 1024 * 1024


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
