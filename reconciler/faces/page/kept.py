"""What is kept for a visit from one page to the next, and never in the HTML: changes to look at, what was typed."""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from starlette.requests import Request

from reconciler.faces.api.hosted import project_of
from reconciler.faces.page.entering import visit_of

MOST = 32
"""Things of one kind that are kept for one visit; the oldest goes when one more comes."""

Kind = TypeVar("Kind")


def keep(request: Request, shelf: str, thing: Any, key: str | None = None, *, most: int = MOST) -> str:
    """Keep something for later pages of this visit and project, instead of what has the same key; the key to it.
    `most` is how many of its kind may be there."""
    key, found = key or secrets.token_urlsafe(16), _shelf(request, shelf)
    found.pop(key, None)
    found[key] = thing
    while len(found) > most:
        del found[next(iter(found))]
    return key


def kept(request: Request, shelf: str, key: object, kind: type[Kind]) -> Kind | None:
    """What was kept under a key; None where it is there no more."""
    found = _shelf(request, shelf).get(str(key))
    return found if isinstance(found, kind) else None


def let_go(request: Request, shelf: str, key: str) -> None:
    """Keep it no longer."""
    _shelf(request, shelf).pop(key, None)


def _shelf(request: Request, shelf: str) -> dict[str, Any]:
    found: dict[str, Any] = visit_of(request).kept.setdefault(f"{shelf} of {project_of(request).name}", {})
    return found
