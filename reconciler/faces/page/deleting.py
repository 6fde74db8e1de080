"""`/ui/servers/<id>/delete`: the question and the deletion, and `/ui/undo`, the way back from it."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.project import Project
from reconciler.engine.put_back import Deleted, put_back
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.api.on_file import file_now
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route
from reconciler.faces.page.kept import keep, kept, let_go
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.review import Declined, Proposal, foresee, make, propose
from reconciler.faces.page.view import Page, view_route

_TRIES = 5
"""Others may be saving the file meanwhile; what they wrote is never undone."""


def routes() -> list[BaseRoute]:
    """The question, the answer, and the way back."""
    path = "/servers/{server}/delete"
    return [view_route(path, question), form_route(path, delete), form_route("/undo/{undo}", undo)]


async def question(request: Request) -> Page:
    """What would go, or why nothing can."""
    if takes(request, EVENT_STREAM):
        return Page("delete.html", "")
    project, server = project_of(request), request.path_params["server"]
    name = await _name(project, server)
    why_not = None
    try:
        await foresee(request, _deletion(server, name))
    except Declined as declined:
        why_not = str(declined)
    values: dict[str, Any] = {
        "server": server,
        "name": name,
        "why_not": why_not,
        "file": project.sources.shown(project.sources.main),
        "lives": project.serving(server) is not None,
    }
    return Page("delete.html", f"Delete {name}?", values=values)


async def delete(request: Request, _: FormData) -> Response:
    """Take the server out of the file. Its end is said with the way back."""
    project, server = project_of(request), request.path_params["server"]
    name = await _name(project, server)
    held, said = server in project.holds.servers, f"Deleted: {name}."
    deleted = await _deleted(request, project, _deletion(server, name))
    if held:  # somebody else wrote some of it, and it would come back as if nobody had to look at that
        return back_to(request, "", said)
    values = {"said": said, "base": base_of(request), "undo": keep(request, "deleted", deleted)}
    token = visit_of(request).form_token
    return back_to(request, "", markup("deleted.html", **values, form_token=token))


def _deletion(server: str, name: str) -> Proposal:
    return Proposal({"mcpServers": {server: None}}, f"Delete {name}?", f"Deleted: {name}.", yes="Delete")


async def _deleted(request: Request, project: Project, proposal: Proposal) -> Deleted:
    """Delete it from exactly the texts that are remembered."""
    (server,) = proposal.patch["mcpServers"]
    for left in reversed(range(_TRIES)):
        before = await project.read()
        try:
            changed = await make(request, proposal, None, if_match=before.etag)
            return Deleted(server, before, changed.etag)
        except Declined as declined:
            if declined.code != "stale" or not left:
                raise
    raise AssertionError("the last try returns or raises")


async def undo(request: Request, _: FormData) -> Response:
    """Bring back what was deleted: as it was to the letter, or else by a patch, which is shown first."""
    key, project = request.path_params["undo"], project_of(request)
    deleted = kept(request, "deleted", key, Deleted)
    if deleted is None:
        raise HttpProblem(409, "old-form", "this was undone already, or is too old; the plan's page leads further back")
    name = deleted.entry.get("name", deleted.server)
    said = f"{name} is back as it was."
    if await put_back(project, deleted, visit_of(request).principal.name):
        let_go(request, "deleted", key)
        return back_to(request, "", said)
    patch = {"mcpServers": {deleted.server: deleted.entry}}
    return await propose(request, Proposal(patch, f"Bring {name} back?", said, fresh=(deleted.server,)))


async def _name(project: Project, server: str) -> str:
    document = (await file_now(project)).document
    if server not in document.servers:
        raise HttpProblem(404, "unknown-server", f'there is no server "{server}" in the file')
    name: str = document.facts(server)["name"]
    return name
