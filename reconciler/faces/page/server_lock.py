"""How a server stands to the lock, and accepting what it shows: a section of its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.pinning import MovedOn, ReadOnly, UnknownServer, Unusable, accept, stand
from reconciler.engine.project import Project
from reconciler.faces.api.access import require
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part
from reconciler.plan.lock_diff import differences
from reconciler.plan.render.lines import Line
from reconciler.plan.render.lock import difference_lines, drift_text
from reconciler.store.lock_file import LockTooLarge

MOST_LINES = 200
"""Lines of differences that are shown; `reconciler lock --diff` shows all."""
MOST_CHARACTERS = 64 * 1024

SAID: Mapping[str, str] = {
    "accepted": "What it shows is what the lock has.",
    "off": "It is kept out of the lock",
    "disabled": "It is not compared",
    "not-live": "It cannot be compared now",
}


def routes() -> list[BaseRoute]:
    """Where the yes to what a server shows is sent to."""
    return [form_route("/servers/{server}/lock", accept_shown)]


def shown(project: Project, server_id: str, around: Mapping[str, Any]) -> Part:
    """The section; made anew when the lock or what the server shows is another."""
    offers, pins = project.offers, project.lock.pins
    state = project.status_of(server_id)
    listed = (offers.listed(server_id), offers.handshake(server_id))
    mark = (listed, pins.digest, pins.problems, project.wanted(server_id), state)
    return Part(lambda: _html(project, server_id, around), mark)


async def accept_shown(request: Request, form: FormData) -> Response:
    """Write what the server shows into the lock, if that is what was looked at."""
    require(request, "operator")
    project = project_of(request)
    server_id, offered = applied_server(request, project), form.get("offered")
    standing = stand(project, server_id)
    at = f"servers/{server_id}"
    if standing.offered is None:
        return refused_to(request, at, f"Nothing was pinned: {standing.why}.")
    try:
        await accept(project, server_id, expected={server_id: str(offered)}, wait=0)
    except (UnknownServer, Unusable, MovedOn, ReadOnly, LockTooLarge) as error:
        return refused_to(request, at, f"Nothing was written: {error}.")
    except OSError as error:
        why = f"{project.sources.shown(project.sources.lock)}: {error.strerror or error}"
        return refused_to(request, at, f"Nothing was written: {why}.")
    finally:
        project.news.tell()
    return back_to(request, at, "The lock has what it shows now.")


def _html(project: Project, server_id: str, around: Mapping[str, Any]) -> Any:
    standing = stand(project, server_id)
    drifted = standing.standing == "drift"
    found = differences(standing.pinned, standing.shows) if drifted and standing.pinned is not None else ()
    hide = project.environment.hide
    lines, left = _fitting(list(difference_lines(found)))
    return markup(
        "server/lock.html",
        **around,
        standing=standing,
        said=SAID.get(standing.standing),
        offered=standing.offered if drifted else None,
        summary=hide(drift_text(standing.drift)),
        lines=[[(span.role, hide(span.text)) for span in line] for line in lines],
        left=left,
        unpinnable=standing.unpinnable,
        file=project.sources.shown(project.sources.lock),
        pinned=standing.pinned is not None,
        problems=[problem.detail for problem in project.lock.pins.problems],
    )


def _fitting(lines: list[Line]) -> tuple[list[Line], int]:
    """The first lines, as many as fit, and how many do not."""
    room, kept = MOST_CHARACTERS, list[Line]()
    for line in lines[:MOST_LINES]:
        room -= sum(len(span.text) for span in line)
        if room < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)
