"""`/ui/events`: what happened, the newest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute

from reconciler.faces.api.hosted import project_of
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part
from reconciler.faces.page.view import Page, view_route

MOST = 200
"""Events that are shown."""


def routes() -> list[BaseRoute]:
    """The one address; `?server=` and `?kind=` choose."""
    return [view_route("/events", events)]


async def events(request: Request) -> Page:
    """What happened, all of it or that of one server or kind."""
    project = project_of(request)
    server, kind = (request.query_params.get(name) or None for name in ("server", "kind"))
    await project.events.flush()  # what is told of is on record before it is looked up
    rows = (await project.records.events(0, MOST, server, kind))[::-1]
    servers, kinds = await project.records.event_names()
    known = project.ledger.document.servers
    around = {"base": base_of(request), "chosen": server is not None or kind is not None, "most": MOST, "known": known}
    parts = {"events": Part(lambda: markup("events/timeline.html", **around, rows=rows), rows)}
    choices = {
        "servers": sorted({*servers, *known, *([server] if server else [])}),
        "kinds": sorted({*kinds, *([kind] if kind else [])}),
    }
    return Page("events/events.html", "Events", parts, {**choices, "server": server, "kind": kind})
