"""`/ui/`: the list of servers, by group, as they live."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.routing import BaseRoute

from reconciler.engine.status import status
from reconciler.faces.api.hosted import project_of
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part, part
from reconciler.faces.page.view import Page, view_route


def routes() -> list[BaseRoute]:
    """The one address."""
    return [view_route("/", connections)]


async def connections(request: Request) -> Page:
    """The servers; each row is a part, and so is the whole list, which is shown anew when rows come, go or move."""
    rows = sorted(status(project_of(request), None)["servers"], key=lambda row: (row["group"] or "", row["id"]))
    base = base_of(request)
    shown = {f"row-{row['id']}": markup("row.html", row=row, base=base) for row in rows}
    parts = {"list": Part(lambda: _list(rows, shown), [(row["group"], row["id"]) for row in rows])}
    parts |= {id: part(html, "list") for id, html in shown.items()}
    return Page("connections.html", "Connections", parts)


def _list(rows: list[Mapping[str, Any]], shown: Mapping[str, Markup]) -> Markup:
    return markup("list.html", groups=list(_groups(rows, shown)))


def _groups(rows: list[Mapping[str, Any]], shown: Mapping[str, Markup]) -> Iterator[tuple[str, list[Markup]]]:
    for group, members in groupby(rows, key=lambda row: row["group"] or ""):
        yield group, [shown[f"row-{row['id']}"] for row in members]
