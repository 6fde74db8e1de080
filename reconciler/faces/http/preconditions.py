"""What a client knew when it asked for a change: entity tags (RFC 9110 section 8.8.3) and If-Match."""

from __future__ import annotations

import re

from starlette.requests import Request

from reconciler.faces.http.problems import HttpProblem

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_LIST = re.compile(rf"\s*(?:{_TAG.pattern})(?:\s*,\s*(?:{_TAG.pattern}))*\s*")


def entity_tag(digest: str) -> str:
    """The digest of a text as the value of ETag."""
    return f'"{digest}"'


def expected(request: Request, current: str) -> str | None:
    """The digest that a change was made for: one of If-Match, else None for whatever there is.

    `current` is the digest as it is now. Raises HttpProblem 400 for what is no list of tags, 412 where none fits.
    """
    given = ", ".join(request.headers.getlist("if-match")).strip()
    if not given or given == "*":
        return None
    if not _LIST.fullmatch(given):
        raise HttpProblem(400, "bad-if-match", 'If-Match must hold entity tags in quotes, as ETag had them, or "*"')
    if entity_tag(current) not in _TAG.findall(given):  # a weak tag never fits
        raise HttpProblem(412, "stale", "the file is not what the change was made for; read it again")
    return current
