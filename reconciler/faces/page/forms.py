"""What a form of ours sends: only from our own pages, with the visit's word, and no more than it may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reconciler.engine.host import Host
from reconciler.engine.visits import Visit
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import HEADERS

LARGEST = 1024 * 1024
"""Bytes that a form may have."""
FIELDS = 20_000
"""One for each of many thousand servers."""

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Write: TypeAlias = Callable[[Request, FormData], Awaitable[Response]]


def form_route(path: str, write: Write, largest: int = LARGEST, *, again: Write | None = None) -> Route:
    """Where a form is sent to. `write` gets its fields and answers with `back_to`, or a page.

    `again` gets those of a form of an earlier visit: it shows them anew, and does nothing else.
    """

    async def endpoint(request: Request) -> Response:
        check_origin(request, host_of(request))
        form = await fields_of(request, largest)
        try:
            if _is_of(form, visit_of(request)):
                return await write(request, form)
            if again is None:
                raise HttpProblem(
                    403, "old-form", "this form is of an earlier visit: open the page again and repeat it"
                )
            return await again(request, form)
        finally:
            await form.close()  # a file that came with it is on the disk until then

    return Route(path, endpoint, methods=["POST"], name=getattr(write, "__name__", path))


@dataclass(frozen=True, slots=True)
class Said:
    """What a form came to, in a sentence. `refused`: it was not done, or not all of it."""

    text: str
    refused: bool = False


def say_refused(request: Request, why: str) -> None:
    """Say on the next page of the visit why something was not done."""
    visit_of(request).kept["said"] = Said(why, refused=True)


def back_to(request: Request, below: str, said: str | None = None) -> Response:
    """Have the browser get a page of the project, which shows what was `said` once."""
    return _back_to(request, below, Said(said) if said else None)


def refused_to(request: Request, below: str, why: str) -> Response:
    """The same where what was asked for was not done, or not all of it."""
    return _back_to(request, below, Said(why, refused=True))


def _back_to(request: Request, below: str, said: Said | None) -> Response:
    if said:
        visit_of(request).kept["said"] = said
    return RedirectResponse(f"{base_of(request)}/{below.lstrip('/')}", 303, HEADERS)


def check_origin(request: Request, host: Host) -> None:
    """The front lets pages of this machine in; a form must come from one of ours. A proxy may ask under its own name
    for us."""
    origin = request.headers.get("origin")
    ours = (request.headers.get("host", ""), urlsplit(host.facts.url or "").netloc)
    if origin is not None and origin.lower().partition("://")[2] not in (each.lower() for each in ours if each):
        raise HttpProblem(403, "wrong-origin", "a page of another origin sent this form")


def _is_of(form: FormData, visit: Visit) -> bool:
    return form.get("form_token") == visit.form_token


async def fields_of(request: Request, largest: int, most: int = FIELDS) -> FormData:
    """What a form sends. Raises HttpProblem 413, and HTTPException 400."""
    limited = Request(request.scope, _limited(request.receive, largest))
    return await limited.form(max_files=1, max_fields=most, max_part_size=largest)


def _limited(receive: Receive, largest: int) -> Receive:
    left = largest

    async def next_piece() -> MutableMapping[str, Any]:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HttpProblem(413, "too-large", f"more than {largest // 1024 // 1024} MiB is too much")
        return message

    return next_piece
