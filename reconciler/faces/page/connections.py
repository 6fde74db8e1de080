"""`/ui/`: the list of servers, by group, as they live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from markupsafe import Markup
from starlette.requests import Request
from starlette.routing import BaseRoute

from reconciler.faces.api.hosted import project_of
from reconciler.faces.page import switching, whose
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part
from reconciler.faces.page.rows import HEALTH, Group, Row, groups_of
from reconciler.faces.page.view import Page, view_route

MOST_KEPT = 4096
"""Rows whose HTML is kept, over all projects and visits."""
LONGEST_SEARCH = 200


@dataclass(frozen=True, slots=True)
class _Look:
    """What a row's HTML depends on beside the row; `hidden` is one that the search does not find."""

    base: str
    read_only: bool
    hidden: bool = False


def routes() -> list[BaseRoute]:
    """The list, where its switches are sent to, and where it is asked for whom they are."""
    return [view_route("/", connections), *switching.routes(), *whose.routes()]


async def connections(request: Request) -> Page:
    """The servers. Each row is a part, and so is what its group says of itself; the list is shown anew when rows or
    groups come, go or move. What a search (`?q=`, `?health=`) does not find is there and hidden: the script of the page
    searches in all of it."""
    project = project_of(request)
    groups = await groups_of(project)
    text, health = request.query_params.get("q", "")[:LONGEST_SEARCH], request.query_params.get("health", "")
    look = _Look(base_of(request), project.read_only)
    unseen = replace(look, hidden=True)
    shown = {
        f"row-{row.id}": (row, look if row.matches(text, health) else unseen) for group in groups for row in group.rows
    }
    found = sum(not look.hidden for _, look in shown.values())
    order = [(group.id, tuple(row.id for row in group.rows)) for group in groups]
    parts = {"list": Part(partial(_list, groups, shown, look), order)}
    parts |= {id: Part(partial(_row, *of), of, "list") for id, of in shown.items()}
    for group in groups:
        head = replace(group, rows=()), group.healths
        parts[f"head-{group.id}"] = Part(partial(_head, group), head, "list")
        parts[f"all-{group.id}"] = Part(partial(_all, group, look), head, "list")
    values = {"q": text, "health": health, "healths": HEALTH, "found": found, "count": len(shown)}
    return Page("connections.html", "Connections", parts, values)


@lru_cache(maxsize=MOST_KEPT)
def _row(row: Row, look: _Look) -> Markup:
    return markup("row.html", row=row, look=look, word=HEALTH[row.health])


def _head(group: Group) -> Markup:
    return markup("group_head.html", group=group, words=HEALTH)


def _all(group: Group, look: _Look) -> Markup:
    return markup("group_switch.html", group=group, look=look)


def _list(groups: list[Group], shown: Mapping[str, tuple[Row, _Look]], look: _Look) -> Markup:
    made = [
        {
            "id": group.id,
            "head": _head(group),
            "switch": _all(group, look),
            "rows": [_row(*shown[f"row-{row.id}"]) for row in group.rows],
            "hidden": all(shown[f"row-{row.id}"][1].hidden for row in group.rows),
        }
        for group in groups
    ]
    return markup("list.html", groups=made, base=look.base)
