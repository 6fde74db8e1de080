"""Pausing a server from its page: it does not run for a while, and the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.faces.api.access import require
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.api.own import pauses
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to

LENGTHS: Mapping[str, str] = {
    "": "until I resume it",
    "30m": "for 30 minutes",
    "1h": "for an hour",
    "8h": "for 8 hours",
}
"""What is offered, and what each is called."""


def routes() -> list[BaseRoute]:
    """Where a pause is begun, and where it is ended."""
    at = "/servers/{server}"
    return [form_route(f"{at}/pause", pause), form_route(f"{at}/resume", resume)]


async def pause(request: Request, form: FormData) -> Response:
    """Keep a server from running, for as long as was chosen."""
    require(request, "operator")
    project, length = project_of(request), str(form.get("for", ""))
    server = applied_server(request, project)
    if length not in LENGTHS:
        raise HttpProblem(400, "bad-form", "a pause is one of those that are offered")
    try:
        await pauses.pause(project, server, visit_of(request).principal.name, length or None)
        said = f"Paused {LENGTHS[length]}: its session ends, and calls to it are refused."
    except HttpProblem as problem:
        return refused_to(request, f"servers/{server}", f"Nothing was done: {problem}.")
    return back_to(request, f"servers/{server}", said)


async def resume(request: Request, _: FormData) -> Response:
    """Let a server run again."""
    require(request, "operator")
    project = project_of(request)
    server = applied_server(request, project)
    try:
        ended = await pauses.resume(project, server, visit_of(request).principal.name)
        said = "Resumed: a new session is on its way." if ended else "It was not paused."
    except HttpProblem as problem:
        return refused_to(request, f"servers/{server}", f"Nothing was done: {problem}.")
    return back_to(request, f"servers/{server}", said)
