"""What a request brings: a body read to its limit and made JSON, and numbers that are numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.requests import Request

from reconciler.faces.http.problems import HttpProblem
from reconciler.sessions.frames import begins_more, is_deeper, may_hold_surrogates, strict_decoder

MAX_BODY = 4 * 1024 * 1024
DEEPEST = 64
"""Levels that arrays and objects of a body may nest."""
_DIGITS = 15
"""Digits of a number in a query: as many as are exact everywhere."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read_body(scope: Mapping[str, Any], receive: Receive, most: int = MAX_BODY) -> bytes:
    """The whole body, of an ASGI request. Raises HttpProblem 413, and 400 when the caller went away before its end."""
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > most:
            raise _too_large(most)
    data = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise HttpProblem(400, "incomplete", "the body ended before its end")
        data += message.get("body", b"")
        if len(data) > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return bytes(data)


def _too_large(most: int) -> HttpProblem:
    return HttpProblem(413, "too-large", f"a body may have {most} bytes")


async def json_body(request: Request, *, required: bool = False, most: int = MAX_BODY) -> dict[str, Any]:
    """The body as a JSON object; none at all is an empty one unless it is `required`. Raises HttpProblem 400, 413."""
    data = await read_body(request.scope, request.receive, most)
    body = read_json(data) if data or required else {}
    if not isinstance(body, dict):
        raise HttpProblem(400, "bad-json", "the body must be an object")
    return body


def read_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises HttpProblem 400, also for the same member twice and deep nesting."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if begins_more(data, DEEPEST) and is_deeper(value, DEEPEST):
            raise RecursionError
        if may_hold_surrogates(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise HttpProblem(400, "bad-json", "the body is not JSON: nested too deeply") from error
    except UnicodeEncodeError as error:
        raise HttpProblem(400, "bad-json", "the body is not JSON: half a surrogate pair") from error
    except UnicodeDecodeError as error:
        raise HttpProblem(400, "bad-json", "the body is not JSON: it is not UTF-8") from error
    except ValueError as error:
        raise HttpProblem(400, "bad-json", f"the body is not JSON: {error}") from error
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Whoever reads the first of two members of one name sees something else than whoever reads the last."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same member twice")
    return members


_DECODER = strict_decoder(_members)


def query_number(request: Request, name: str, default: int) -> int:
    """A whole number of the query, not negative. Raises HttpProblem 400."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise HttpProblem(400, "bad-number", f'"{name}" must be a whole number')
    return int(text)


def body_number(body: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A finite number of the body, not negative. Raises HttpProblem 400."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise HttpProblem(400, "bad-number", f'"{name}" must be a number')
    return value
