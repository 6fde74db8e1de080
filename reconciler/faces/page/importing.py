"""`/ui/import`: the servers of a sealed file, shown before anything changes, and then beside those that are here."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.config.unpack import Merged
from reconciler.engine.portable import Preview, import_servers, preview_import
from reconciler.faces.api.access import require
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.api.own.sealed import said
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import LARGEST, back_to, form_route, refused_to
from reconciler.faces.page.kept import keep, kept, let_go
from reconciler.faces.page.mistakes import Mistakes, Wrong, mistakes_of, refusal
from reconciler.faces.page.view import Page, show, view_route
from reconciler.plan.render.text import plan_lines
from reconciler.store.export_json import LARGEST_FILE
from reconciler.store.portable import Opened, open_servers

MOST_FILES = 2
"""Opened files that wait for a yes, of one visit: their secrets are in memory so long."""
_MOVED = "The file changed meanwhile: this is what would come now."


@dataclass(frozen=True, slots=True)
class Coming:
    """An opened file. `run` are the servers that are wanted on, by their ids here."""

    file: str
    opened: Opened
    run: frozenset[str] = frozenset()


def routes() -> list[BaseRoute]:
    """The form, what it leads to, and the yes to that."""
    return [
        view_route("/import", importing),
        form_route("/import", open_file, LARGEST_FILE + LARGEST),
        view_route("/import/{coming}", preview),
        form_route("/import/{coming}", answered),
    ]


async def importing(request: Request) -> Page:
    """Which file, and its passphrase."""
    return _upload(Mistakes())


def _upload(wrong: Mistakes) -> Page:
    return Page("import.html", "Import connections", values={"wrong": wrong})


def _again(request: Request, wrong: Mistakes) -> Response:
    return show(request, _upload(wrong), 422)


async def open_file(request: Request, form: FormData) -> Response:
    """Open it; what would come is shown next. No passphrase is ever sent back."""
    require(request, "operator")
    file, passphrase = form.get("file"), str(form.get("passphrase", ""))
    if not isinstance(file, UploadFile) or not file.filename:
        return _again(request, mistakes_of([Wrong("file", "choose the file")]))
    try:
        with said(project_of(request)):
            opened = await asyncio.to_thread(open_servers, await file.read(), passphrase)
    except HttpProblem as problem:
        where = "passphrase" if problem.code == "wrong-passphrase" else "file"
        return _again(request, refusal(where, problem))
    key = keep(request, "imports", Coming(file.filename, opened), most=MOST_FILES)
    return back_to(request, f"import/{key}")


async def preview(request: Request) -> Page:
    """What would come, in three lists: what is ready, what needs somebody, what runs commands."""
    if takes(request, EVENT_STREAM):
        return Page("preview.html", "")  # what somebody is about to say yes to stays as it is
    coming, found = await _now(request, _coming(request))
    values = {
        "came": found.merged,
        "was": {row.id: row.was for row in found.merged.rows if row.was != row.id},
        "remarks": coming.opened.remarks,
        "run": coming.run,
        "shown": found.id,
        "lines": plan_lines(found.prospect.plan),
        "host": socket.gethostname(),
        "key": request.path_params["coming"],
        "yes": _yes(found.merged),
    }
    return Page("preview.html", f"Import {coming.file}?", values=values)


async def _now(request: Request, coming: Coming) -> tuple[Coming, Preview]:
    """What would come of it as the file is now. Where something comes no more that was wanted on, nothing is: what has
    its place may be something else."""
    try:
        return coming, await _preview(request, coming)
    except HttpProblem as problem:
        if problem.code != "unknown-server" or not coming.run:
            raise
    coming = replace(coming, run=frozenset())
    keep(request, "imports", coming, request.path_params["coming"], most=MOST_FILES)
    return coming, await _preview(request, coming)


async def _preview(request: Request, coming: Coming) -> Preview:
    project = project_of(request)
    with said(project):
        return await preview_import(project, coming.opened, visit_of(request).principal, coming.run)


def _yes(came: Merged) -> str:
    """What the button says; "" where nothing comes."""
    count = len(came.rows)
    if count:
        return f"Import {count} connection{'s' if count != 1 else ''}"
    return "Import the secrets" if came.secrets else ""


async def answered(request: Request, form: FormData) -> Response:
    """One server switched on or off, or the yes to all of it as it was shown."""
    require(request, "operator")
    key, coming = request.path_params["coming"], _coming(request)
    if coming.run and (await _now(request, coming))[0] is not coming:
        return refused_to(request, f"import/{key}", _MOVED)
    run = (coming.run | _pressed(form, "run")) - _pressed(form, "off")
    if run != coming.run:
        changed = replace(coming, run=run)
        await _preview(request, changed)  # what does not come cannot be switched on
        keep(request, "imports", changed, key, most=MOST_FILES)
        return back_to(request, f"import/{key}")
    return await _take(request, coming, str(form.get("shown")))


async def _take(request: Request, coming: Coming, shown: str) -> Response:
    key, project, who = request.path_params["coming"], project_of(request), visit_of(request).principal
    try:
        with said(project):
            came, _ = await import_servers(project, coming.opened, who, coming.run, expected=shown)
    except HttpProblem as problem:
        if problem.code not in ("moved", "unknown-server"):
            raise
        return refused_to(request, f"import/{key}", _MOVED)
    let_go(request, "imports", key)
    return back_to(request, "", _said(came))


def _pressed(form: FormData, button: str) -> frozenset[str]:
    return frozenset(map(str, form.getlist(button)))


def _said(came: Merged) -> str:
    count, off = len(came.rows), sum(row.off for row in came.rows)
    if not count:
        return "The secrets came."
    came_in = "One connection came." if count == 1 else f"{count} connections came."
    if not off:
        return came_in
    stays = "1 stays off until you switch it on." if off == 1 else f"{off} stay off until you switch them on."
    return f"{came_in} {stays}"


def _coming(request: Request) -> Coming:
    coming = kept(request, "imports", request.path_params["coming"], Coming)
    if coming is None:
        raise HttpProblem(409, "old-form", "this file was imported already, or is not kept any more: open it again")
    return coming
