"""`/api/v1/events`: what happened, and what happens: as lines of JSON, or as Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from reconciler.engine.events import now_text
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.asked import query_of
from reconciler.faces.api.description import EVENT_STREAM, NDJSON, Asked, Digits, Says, Shown
from reconciler.faces.api.hosted import host_of, project_of, takes
from reconciler.faces.http.problems import HttpProblem

LOOK_SECONDS = 1.0
"""How often a stream looks whether the engine stops."""
HEARTBEAT = 15
"""So many looks without an event, and the stream says that it is alive; lines do at each."""
PAGE = 500
_DIGITS = 15


class EventShown(Shown):
    """What happened. The same thing again within an hour is told with a higher `count`, under a new id: `at` is the
    last time, `since` the first.

    `id` is null where it could not be recorded. A `gap` is told where events are not kept any more, or the records
    were begun anew.
    """

    id: int | None
    at: str
    kind: str
    server: str | None
    message: str
    count: int
    since: str


class Events(Shown):
    """Events, the oldest first."""

    events: list[EventShown]


class EventsQuery(Asked):
    """Which of those that are kept."""

    after: Digits = Field(default=0, description="Only with a higher id.")
    limit: Digits = Field(default=100, description="The last so many of them.")
    server: str | None = Field(default=None, description="Only of this server.")


class StreamQuery(Asked):
    """Where it begins."""

    after: Digits | None = Field(default=None, description="The last id that was heard; without it, from now on.")


_EVENTS = Says("What happened", Events, query=EventsQuery)
_STREAM = Says(
    "What happens, until the engine stops",
    query=StreamQuery,
    media={NDJSON: EventShown, EVENT_STREAM: None},
    more="As Server-Sent Events where `Accept` names them: `id`, `event` (the kind) and `data` (the event as JSON); "
    "`Last-Event-ID` resumes from what is recorded. Else a line of JSON for each event, and empty lines between.",
)

_Event: TypeAlias = Mapping[str, Any]


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/events", get_events, "viewer", says=_EVENTS),
        RoleRoute("/events/stream", stream_events, "viewer", says=_STREAM),
    ]


async def get_events(request: Request) -> JSONResponse:
    query = query_of(request, EventsQuery)
    return JSONResponse({"events": await project_of(request).records.events(query.after, query.limit, query.server)})


async def stream_events(request: Request) -> Response:
    project, host = project_of(request), host_of(request)
    as_events = takes(request, EVENT_STREAM)
    if request.method == "HEAD":
        return Response(media_type=EVENT_STREAM if as_events else NDJSON)
    if not as_events:
        happening = _happening(project, host, query_of(request, StreamQuery).after)
        return StreamingResponse(_in_words(happening, _line, "\n", 1), media_type=NDJSON)
    happening = _happening(project, host, _last_heard(request))
    lasting = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_in_words(happening, _server_sent, ": alive\n\n", HEARTBEAT), 200, lasting, EVENT_STREAM)


def _last_heard(request: Request) -> int | None:
    text = request.headers.get("last-event-id")
    if text is None:
        return query_of(request, StreamQuery).after
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise HttpProblem(400, "bad-event-id", "Last-Event-ID must be the id of an event")
    return int(text)


async def _happening(project: Project, host: Host, after: int | None) -> AsyncIterator[_Event | None]:
    """What was recorded after an id, then what happens; None where a while passed without anything."""
    async with project.events.follow() as queue:
        last = 0
        if after is not None:
            async for event in _recorded(project, after):
                last = event["id"] or 0
                yield event
        while not host.stopping.is_set():
            try:
                news = await asyncio.wait_for(queue.get(), LOOK_SECONDS)
            except TimeoutError:
                yield None
                continue
            if news is None:
                return
            if news["id"] is None or news["id"] > last:
                yield news


async def _recorded(project: Project, after: int) -> AsyncIterator[_Event]:
    first, newest = await project.records.kept_events()
    begun_anew = after > newest
    if begun_anew or (first > after + 1):
        message = "the records were begun anew" if begun_anew else "what happened in between is not kept any more"
        at = now_text()
        yield {"id": None, "at": at, "kind": "gap", "server": None, "message": message, "count": 1, "since": at}
        after = 0
    while rows := await project.records.events_from(after, PAGE):
        for row in rows:
            yield row
        after = rows[-1]["id"]


async def _in_words(
    happening: AsyncIterator[_Event | None], say: Callable[[_Event], str], alive: str, patience: int
) -> AsyncIterator[str]:
    yield alive
    quiet = 0
    async for event in happening:
        quiet = 0 if event else quiet + 1
        if event:
            yield say(event)
        elif quiet % patience == 0:
            yield alive


def _line(event: _Event) -> str:
    return json.dumps(event, ensure_ascii=False) + "\n"


def _server_sent(event: _Event) -> str:
    id = "" if event["id"] is None else f"id: {event['id']}\n"
    return f"{id}event: {event['kind']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
