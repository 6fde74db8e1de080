"""What is answered to who is not in: how to come in, and what was typed, in a form that goes on with it from there.

A visit ends while somebody types, or the engine was started anew. What is sent then is kept in the page alone.
"""

from __future__ import annotations

from typing import Any

from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from reconciler.engine.host import Host
from reconciler.faces.http.access import Scope
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.back import back_from
from reconciler.faces.page.forms import check_origin, fields_of
from reconciler.faces.page.look import problem_page

AGAIN = "again"
"""The field of a form that may be sent in a later visit: then it is shown anew (`form_route`)."""
LARGEST = 128 * 1024
FIELDS = 1000
_FORM = "application/x-www-form-urlencoded"


async def refusal(problem: HttpProblem, host: Host, scope: Scope, receive: Any) -> Response:
    """The page of a problem that came up before any view was asked."""
    path, back = scope["path"], back_from(scope["path"], host)
    if problem.status != 401 or scope["type"] != "http" or scope["method"] != "POST":
        return problem_page(problem, path, back)
    return problem_page(problem, path, back, await _typed(Request(scope, receive), host))


async def _typed(request: Request, host: Host) -> list[tuple[str, str]]:
    """What a page of ours sent to be gone on with, but for the word of its visit; nothing where it is too much."""
    if request.headers.get("content-type", "").partition(";")[0] != _FORM:
        return []
    try:
        check_origin(request, host)
        form = await fields_of(request, LARGEST, FIELDS)
    except (HttpProblem, MultiPartException, ClientDisconnect):
        return []
    pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name != "form_token"]
    return pairs if AGAIN in form else []
