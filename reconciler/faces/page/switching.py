"""The switches of the list: a server or a whole group, on or off, in the file that decides it or in the one named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.door import Into
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.on_file import file_now
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.forms import form_route
from reconciler.faces.page.review import Proposal, at_once
from reconciler.faces.page.whose import Kind
from reconciler.model.document import Document


@dataclass(frozen=True, slots=True)
class Switch:
    """What a button does: `kind` is what of the file it changes, and `on` to what; None takes one's own back."""

    kind: Kind
    on: bool | None
    into: Into


_KINDS: Mapping[str, Kind] = {"": "mcpServers", "group-": "groups"}
_INTO: Mapping[str, Into] = {"": "deciding", "mine-": "own", "all-": "main"}
_WHOSE: Mapping[Into, str] = {"deciding": "", "own": " for you alone", "main": " for everyone"}
SWITCHES = {
    f"{whose}{what}{word}": Switch(kind, on, into)
    for whose, into in _INTO.items()
    for what, kind in _KINDS.items()
    for word, on in (("on", True), ("off", False), ("back", None))
    if on is not None or into == "own"
}
"""The buttons by their names. The value of a button is an id."""
_UNSAID = {"enabled": None, "disabled": None}
"""Files of other clients say the second."""


def routes() -> list[BaseRoute]:
    """Where the form around the list is sent to."""
    return [form_route("/switch", switch)]


async def switch(request: Request, form: FormData) -> Response:
    """Write it into the file. What would run something new, or something else, is shown first."""
    pressed = [(name, str(form[name])) for name in SWITCHES if name in form]
    if len(pressed) != 1:
        raise HttpProblem(400, "bad-form", "a switch says which server or group it is of")
    [(button, id)] = pressed
    switch = SWITCHES[button]
    document = (await file_now(project_of(request))).document
    name = _name(document, switch.kind, id, bool(switch.on) and switch.into != "main")
    said = _UNSAID if switch.on is None else {"enabled": switch.on}
    patch: Mapping[str, Any] = {switch.kind: {id: said}}
    return await at_once(request, Proposal(patch, *_words(switch, name), into=switch.into))


def _words(switch: Switch, name: str) -> tuple[str, str]:
    """The question, and what is said when it is done."""
    if switch.on is None:
        return f"Take back your own setting of {name}?", f"Taken back: {name} is as everyone has it."
    how, whose = "on" if switch.on else "off", _WHOSE[switch.into]
    return f"Switch {how} {name}{whose}?", f"Switched {how}{whose}: {name}."


def _name(document: Document, kind: Kind, id: str, on: bool) -> str:
    """What people call it. Raises HttpProblem where the file has none such, or where a switch would do nothing."""
    known: Collection[str] = document.servers if kind == "mcpServers" else _groups(document)
    if id not in known:
        word = "server" if kind == "mcpServers" else "group"
        raise HttpProblem(404, f"unknown-{word}", f'the file has no {word} "{id}"')
    if kind == "groups":
        return f"the group {document.groups.get(id, {}).get('name', id)}"
    server = document.server(id)
    if on and server.group and not document.groups.get(server.group, {}).get("enabled", True):
        raise HttpProblem(409, "group-off", f"the group {server.group} is switched off: switch that on first")
    return server.name


def _groups(document: Document) -> set[str]:
    """A group need not be declared: to be named by a server is enough."""
    return {server["group"] for server in document.servers.values() if server.get("group")}
