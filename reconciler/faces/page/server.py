"""`/ui/servers/{server}`: one server, what it is and does, what it offers, and how it stands to the lock."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.change import plan_to
from reconciler.engine.pending import Pending
from reconciler.engine.project import Project
from reconciler.engine.status import server_status, status
from reconciler.faces.api.access import require
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.api.own.servers import restart, tail
from reconciler.faces.api.own.tools import tool_rows
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page import pausing, server_lock, sign_in
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.marks import MARKS
from reconciler.faces.page.moments import ago_of
from reconciler.faces.page.part import Part
from reconciler.faces.page.view import Page, view_route
from reconciler.plan.render.words import Speaker, Words
from reconciler.problems import errors
from reconciler.sessions.listing import Listing
from reconciler.store.sources import Snapshot

LINES = 50
"""Lines of stderr that are shown."""
HAPPENED = 20
"""Events that are shown."""
MOST = 100
"""Tools, prompts and resources that are shown at first, of each."""


def routes() -> list[BaseRoute]:
    """The view, and where its forms are sent to."""
    at = "/servers/{server}"
    forms = [*pausing.routes(), *server_lock.routes(), *sign_in.routes()]
    return [view_route(at, server), form_route(f"{at}/restart", start_anew), *forms]


async def server(request: Request) -> Page:
    """One server; also one that waits for its first yes. Raises HttpProblem 404."""
    project, server_id = project_of(request), request.path_params["server"]
    row, snapshot = _row(project, server_id), await project.read()
    project.refresh_lock()
    around = {
        "base": base_of(request),
        "form_token": visit_of(request).form_token,
        "read_only": project.read_only,
        "row": row,
        "applied": server_id in project.ledger.document.servers,
        "everything": "all" in request.query_params,
        "most": MOST,
        "hide": project.environment.hide,
        "ago": ago_of,
        "lengths": pausing.LENGTHS,
    }
    parts = {
        "server-status": Part(lambda: markup("server/status.html", **around), row),
        "server-waits": _waits(project, server_id, snapshot, around),
        "server-conditions": Part(lambda: markup("server/conditions.html", **around), row["conditions"]),
        "server-sign-in": sign_in.shown(project, server_id, around),
        "server-tools": _tools(project, server_id, snapshot, around),
        "server-offers": _offers(project, server_id, around),
        "server-lock": server_lock.shown(project, server_id, around),
        "server-logs": await _logs(project, server_id, around),
    }
    return Page("server/server.html", row["name"], parts)


async def start_anew(request: Request, _: FormData) -> Response:
    """Have a server's session replaced, the new one first."""
    require(request, "operator")
    project = project_of(request)
    server_id = applied_server(request, project)
    try:
        restart(project, server_id)
        said = "A new session is on its way; it takes the place of the other when it is ready."
    except HttpProblem as problem:
        return refused_to(request, f"servers/{server_id}", f"Nothing was done: {problem}.")
    return back_to(request, f"servers/{server_id}", said)


def _row(project: Project, server_id: str) -> dict[str, Any]:
    if server_id in project.ledger.document.servers:
        return server_status(project, server_id)
    if any(pending.server == server_id for pending in project.waiting.all):
        rows: list[dict[str, Any]] = status(project, None)["servers"]
        found = [row for row in rows if row["id"] == server_id]
        if found:
            return found[0]
    raise HttpProblem(404, "unknown-server", f'the project "{project.name}" has no server "{server_id}"')


def _waits(project: Project, server_id: str, snapshot: Snapshot, around: Mapping[str, Any]) -> Part:
    """What waits for a yes, as the plan says it."""
    waiting = [pending for pending in project.waiting.all if pending.server == server_id]

    def html() -> Any:
        why = [(pending, [MARKS.get(mark, mark) for mark in pending.marks]) for pending in waiting]
        return markup("server/waits.html", **around, waiting=why, words=_words(project, snapshot, waiting))

    return Part(html, (waiting, snapshot.digests))


def _words(project: Project, snapshot: Snapshot, waiting: list[Pending]) -> list[Words]:
    if not waiting or errors(snapshot.reading.problems):
        return []
    about = {pending.server for pending in waiting}
    plan = plan_to(project, project.desired(snapshot), snapshot, about=about)
    speaker = Speaker(plan.created)
    return [words for action in plan.actions if action.server in about for words in speaker.details(action)]


def _tools(project: Project, server_id: str, snapshot: Snapshot, around: Mapping[str, Any]) -> Part:
    rows = tool_rows(project, server_id, snapshot.reading.place)
    withheld = project.offers.listed(server_id).withheld
    return Part(
        lambda: markup("server/tools.html", **around, tools=rows, withheld=withheld),
        (around["applied"], rows, withheld),
    )


def _offers(project: Project, server_id: str, around: Mapping[str, Any]) -> Part:
    """Prompts and resources, as far as the lock lets them be seen."""
    offer = project.offers.of(server_id)
    listing = offer.listing if offer is not None else Listing()
    lists = {
        "Prompts": listing.prompts,
        "Resources": listing.resources,
        "Resource templates": listing.resource_templates,
    }

    def html() -> Any:
        shown = {title: [_entry(each, project) for each in entries] for title, entries in lists.items()}
        return markup("server/offers.html", **around, lists=shown)

    return Part(html, lists)


def _entry(said: Mapping[str, Any], project: Project) -> dict[str, str]:
    """What is shown of a prompt or a resource; whatever is no text there is left out."""
    texts = {key: value for key, value in said.items() if isinstance(value, str)}
    address = texts.get("uri", texts.get("uriTemplate", ""))
    shown = {"name": texts.get("name", ""), "address": address, "about": texts.get("description", "")}
    return {key: project.environment.hide(text) for key, text in shown.items()}


async def _logs(project: Project, server_id: str, around: Mapping[str, Any]) -> Part:
    """What happened to a server lately, and what its processes said of it."""
    lines = await asyncio.to_thread(tail, project, server_id, LINES)
    exits = await project.records.exits(server_id)
    happened = (await project.records.events(0, HAPPENED, server_id))[::-1]
    return Part(
        lambda: markup("server/logs.html", **around, lines=lines, exits=exits, happened=happened),
        (around["applied"], lines, exits, happened),
    )
