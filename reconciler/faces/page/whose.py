"""For whom a switch is: for everyone who has the file, or for this machine alone. `/ui/servers/<id>/whose` asks it.

What is for this machine alone stands in the overlay beside the file, which is kept out of git.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from starlette.requests import Request
from starlette.routing import BaseRoute

from reconciler.config.read import Reading
from reconciler.engine.project import Project
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.view import Page, view_route
from reconciler.store.sources import Sources

Kind: TypeAlias = Literal["mcpServers", "groups"]


@dataclass(frozen=True, slots=True)
class Whose:
    """What is said of one switch. `everyone` is what the main file says, None of a server that is in the overlay of
    this machine alone; `mine` what that overlay says, None where it says nothing; `here` what comes of all of it."""

    everyone: bool | None
    mine: bool | None
    here: bool

    @property
    def badge(self) -> str:
        """What a row says of it, "" where there is nothing of this machine in it."""
        if self.everyone is None:
            return "only here"
        return "" if self.mine is None else f"{'on' if self.mine else 'off'} for me"


Look: TypeAlias = Callable[[Kind, str, bool], Whose]
"""What is said of a switch that is on or off here."""


def routes() -> list[BaseRoute]:
    """Where it is asked."""
    return [view_route("/servers/{id}/whose", of_server), view_route("/groups/{id}/whose", of_group)]


def whose(sources: Sources, reading: Reading) -> Look:
    """Looks into the main file and into the overlay of this machine, as they were read."""
    names = [source.name for source in reading.sources]
    values = [tree.value if tree is not None else {} for tree in reading.trees]
    own = names.index(sources.shown(sources.own)) if sources.own and sources.shown(sources.own) in names[1:] else None

    def said(kind: Kind, id: str, here: bool) -> Whose:
        main = _entry(values[0], kind, id) if values else None
        mine = _entry(values[own], kind, id) if own is not None else None
        alone = kind == "mcpServers" and main is None and mine is not None
        return Whose(None if alone else _enabled(main or {}, True), _enabled(mine or {}, None), here)

    return said


def _entry(value: Any, kind: Kind, id: str) -> Mapping[str, Any] | None:
    members = value.get(kind)
    found = members.get(id) if isinstance(members, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _enabled(entry: Mapping[str, Any], unsaid: Any) -> Any:
    """As the file says it, or one of another client does."""
    found = entry.get("enabled", not entry["disabled"] if isinstance(entry.get("disabled"), bool) else unsaid)
    return found if isinstance(found, bool) else unsaid


async def of_server(request: Request) -> Page:
    """For whom a server is to be switched."""
    return await _page(request, "mcpServers")


async def of_group(request: Request) -> Page:
    """For whom a group is to be switched."""
    return await _page(request, "groups")


async def _page(request: Request, kind: Kind) -> Page:
    if takes(request, EVENT_STREAM):
        return Page("whose.html", "")
    project, id = project_of(request), request.path_params["id"]
    reading = (await project.read()).reading
    if reading.written is None:
        raise HttpProblem(409, "invalid", "the file has errors: mend it first")
    name, here = _named(reading, kind, id)
    values = {
        "id": id,
        "group": kind == "groups",
        "whose": whose(project.sources, reading)(kind, id, here),
        **_files(project),
    }
    return Page("whose.html", f"Switch {name}", values=values)


def _files(project: Project) -> dict[str, str]:
    sources = project.sources
    own = sources.own
    return {"file": sources.shown(sources.main), "own_file": sources.shown(own) if own is not None else ""}


def _named(reading: Reading, kind: Kind, id: str) -> tuple[str, bool]:
    """What people call it, and whether it is on. Raises HttpProblem where the file has none such."""
    document = reading.document()
    if kind == "mcpServers" and id in document.servers:
        return str(document.facts(id)["name"]), _enabled(document.servers[id], True)
    if kind == "groups" and (id in document.groups or any(one.get("group") == id for one in document.servers.values())):
        group = document.groups.get(id, {})
        return f"the group {group.get('name', id)}", _enabled(group, True)
    raise HttpProblem(404, "not-found", f'the file has no {"group" if kind == "groups" else "server"} "{id}"')
