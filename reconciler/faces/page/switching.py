"""The switches of the list: a server or a whole group, on or off, for everyone who has the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.on_file import file_now
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.forms import form_route
from reconciler.faces.page.review import Proposal, at_once
from reconciler.model.document import Document

SWITCHES = {
    "on": ("mcpServers", True),
    "off": ("mcpServers", False),
    "group-on": ("groups", True),
    "group-off": ("groups", False),
}
"""The names of the buttons: what of the file each changes, and to what. The value of a button is an id."""


def routes() -> list[BaseRoute]:
    """Where the form around the list is sent to."""
    return [form_route("/switch", switch)]


async def switch(request: Request, form: FormData) -> Response:
    """Write it into the file. What would run something new, or something else, is shown first."""
    pressed = [(name, str(form[name])) for name in SWITCHES if name in form]
    if len(pressed) != 1:
        raise HttpProblem(400, "bad-form", "a switch says which server or group it is of")
    [(button, id)] = pressed
    where, on = SWITCHES[button]
    document = (await file_now(project_of(request))).document
    name = _name(document, where, id, on)
    patch: Mapping[str, Any] = {where: {id: {"enabled": on}}}
    word = "on" if on else "off"
    return await at_once(request, Proposal(patch, f"Switch {word} {name}?", f"Switched {word}: {name}."))


def _name(document: Document, where: str, id: str, on: bool) -> str:
    """What people call it. Raises HttpProblem where the file has none such, or where a switch would do nothing."""
    known: Collection[str] = document.servers if where == "mcpServers" else _groups(document)
    if id not in known:
        kind = "server" if where == "mcpServers" else "group"
        raise HttpProblem(404, f"unknown-{kind}", f'the file has no {kind} "{id}"')
    if where == "groups":
        return f"the group {document.groups.get(id, {}).get('name', id)}"
    server = document.server(id)
    if on and server.group and not document.groups.get(server.group, {}).get("enabled", True):
        raise HttpProblem(409, "group-off", f"the group {server.group} is switched off: switch that on first")
    return server.name


def _groups(document: Document) -> set[str]:
    """A group need not be declared: to be named by a server is enough."""
    return {server["group"] for server in document.servers.values() if server.get("group")}
