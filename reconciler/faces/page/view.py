"""A view: one page, and the parts of it that change while somebody looks at it.

The same address answers HTML, and to `Accept: text/event-stream` the parts of that HTML as they change.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import host_of, project_of, takes
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.kept import keep, kept
from reconciler.faces.page.layout import frame
from reconciler.faces.page.look import HEADERS, answer, markup
from reconciler.faces.page.part import Part

PACE_SECONDS = 0.1
"""What changes within this time is sent together."""
HEARTBEAT_SECONDS = 15.0

_MOST_SHOWN = 8
"""Pages of one visit whose parts are remembered; the stream of an older one brings all of them anew."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a view shows: a template, its title, the live parts by the id of their element, and what else it says."""

    template: str
    title: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


View: TypeAlias = Callable[[Request], Awaitable[Page]]


def view_route(path: str, view: View) -> Route:
    """The address of a view."""

    async def endpoint(request: Request) -> Response:
        if takes(request, EVENT_STREAM):
            lasting = {**HEADERS, "x-accel-buffering": "no"}
            stream = _stream(request, view)
            first = await anext(stream, ": alive\n\n")  # what is not there is refused before anything is answered
            return StreamingResponse(_begun(first, stream), 200, lasting, EVENT_STREAM)
        return show(request, await view(request))

    return Route(path, endpoint, methods=["GET"], name=getattr(view, "__name__", path))


def show(request: Request, page: Page, status: int = 200) -> Response:
    """A whole page. Parts that hold others are left out for a browser to which the stream brings them
    anyway (`Prefer: return=minimal`)."""
    parts = {**frame(request).parts, **page.parts}
    at = _remember(request, parts)
    minimal = request.headers.get("prefer") == "return=minimal"
    left_out = {part.within for part in parts.values()} if minimal else set()
    live = {id: part.html() if id not in left_out else Markup() for id, part in parts.items() if not part.within}
    said = visit_of(request).kept.pop("said", None) if _stays(request) else None
    values = {**frame(request).values, **page.values, "title": page.title, "parts": live, "at": at, "said": said}
    return answer(markup(page.template, **values), status)


def _stays(request: Request) -> bool:
    """Whether what is answered is what somebody sees: the script says in `x-at` where it asks from, and opens another
    address anew."""
    return request.headers.get("x-at", request.url.path) == request.url.path


async def _stream(request: Request, view: View) -> AsyncIterator[str]:
    """The parts that are not as the page has them, then each as it changes; until the engine or the visit ends.

    The id of an event says what a browser shows with it: of several that belong together the last one has a new id.
    """
    host, project, visit = host_of(request), project_of(request), visit_of(request)
    at = request.headers.get("last-event-id") or request.query_params.get("at")
    known: dict[str, Any] | None = None
    while not host.stopping.is_set() and host.visits.holds(visit) and project.name in host.projects:
        number = project.news.number
        parts = {**frame(request).parts, **(await view(request)).parts}
        if known is None:
            yield ": alive\n\n"
            known = kept(request, "shown", at, dict)
        if known is None:
            at, known = _remember(request, {}), {}
        if changed := [json.dumps({"id": id, "html": html}) for id, html in _changed(known, parts)]:
            before, at, known = at, _remember(request, parts), _marks(parts)
            for data in changed[:-1]:
                yield f"id: {before}\nevent: part\ndata: {data}\n\n"
            yield f"id: {at}\nevent: part\ndata: {changed[-1]}\n\n"
        try:
            await asyncio.wait_for(project.news.after(number), HEARTBEAT_SECONDS)
            await asyncio.sleep(PACE_SECONDS)
        except TimeoutError:
            yield ": alive\n\n"


async def _begun(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    """A stream whose first piece was taken. It ends when what it shows is gone; whoever asks again is told so."""
    yield first
    with suppress(HttpProblem):
        async for piece in rest:
            yield piece


def _changed(known: Mapping[str, Any], parts: Mapping[str, Part]) -> Iterator[tuple[str, Markup | None]]:
    """What has to be shown anew; None for what is there no more. What comes within another part comes with that."""
    anew = {id for id, part in parts.items() if known.get(id) != part.mark}
    for id, part in parts.items():
        if id in anew and part.within not in anew:
            yield id, part.html()
    for id in known:
        if id not in parts:
            yield id, None


def _remember(request: Request, parts: Mapping[str, Part]) -> str:
    """Keep what a browser shows now; the word for it, by which a stream goes on from there."""
    return keep(request, "shown", _marks(parts), most=_MOST_SHOWN)


def _marks(parts: Mapping[str, Part]) -> dict[str, Any]:
    return {id: part.mark for id, part in parts.items()}
