"""`/ui/export`: servers with their secrets into a file that a passphrase opens, to be downloaded."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reconciler.engine.portable import export_servers
from reconciler.faces.api.access import require
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.api.on_file import file_now
from reconciler.faces.api.own.sealed import said
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route
from reconciler.faces.page.kept import keep, kept
from reconciler.faces.page.look import HEADERS
from reconciler.faces.page.mistakes import Mistakes, Wrong, mistakes_of, refusal
from reconciler.faces.page.view import Page, show, view_route
from reconciler.store.export_kinds import Kind
from reconciler.store.portable import FILE_NAME, SealedServers

KINDS: dict[Kind, str] = {"reconciler": "mcp-reconciler", "mcp-explorer": "MCP Explorer"}
"""Who is to read the file."""
_MOST_FILES = 2
"""Files that wait to be downloaded, of one visit: each may have many megabytes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to go into the file: all servers where `ids` is None."""

    ids: frozenset[str] | None = None
    kind: Kind = "reconciler"


def routes() -> list[BaseRoute]:
    """The form, and the file that it makes."""
    return [
        view_route("/export", exporting),
        form_route("/export", export),
        view_route("/export/{file}", exported),
        Route(f"/export/{{file}}/{FILE_NAME}", download, methods=["GET"]),
    ]


async def exporting(request: Request) -> Page:
    """Which servers, for whom, and under which passphrase."""
    return await _form(request, Asked(), Mistakes())


async def _form(request: Request, asked: Asked, wrong: Mistakes) -> Page:
    if takes(request, EVENT_STREAM):
        return Page("export.html", "")  # nothing in a form changes while somebody types
    document = (await file_now(project_of(request))).document
    servers = {id: document.facts(id)["name"] for id in document.servers}
    values = {"servers": servers, "asked": asked, "kinds": KINDS, "file": FILE_NAME, "wrong": wrong}
    return Page("export.html", "Export connections", values=values)


async def export(request: Request, form: FormData) -> Response:
    """Make the file. No passphrase is ever sent back."""
    require(request, "operator")
    asked, passphrase = _asked(form), str(form.get("passphrase", ""))
    if passphrase != form.get("again"):
        return await _again(request, asked, mistakes_of([Wrong("again", "the two passphrases are not the same")]))
    project = project_of(request)
    try:
        with said(project):
            sealed = await export_servers(project, asked.ids, passphrase, asked.kind, visit_of(request).principal)
    except HttpProblem as problem:
        where = "passphrase" if problem.code == "weak-passphrase" else ""
        return await _again(request, asked, refusal(where, problem))
    return back_to(request, f"export/{keep(request, 'exports', sealed, most=_MOST_FILES)}")


def _asked(form: FormData) -> Asked:
    kind = next((each for each in KINDS if each == form.get("format")), None)
    if kind is None or form.get("which") not in ("all", "some"):
        raise HttpProblem(400, "bad-form", "this is not what the form sends: open it again")
    ids = None if form["which"] == "all" else frozenset(map(str, form.getlist("server")))
    return Asked(ids, kind)


async def _again(request: Request, asked: Asked, wrong: Mistakes) -> Response:
    return show(request, await _form(request, asked, wrong), 422)


async def exported(request: Request) -> Page:
    """What is in the file, and what is not, with the link that downloads it."""
    if takes(request, EVENT_STREAM):
        return Page("exported.html", "")
    sealed = _file(request)
    values = {"sealed": sealed, "key": request.path_params["file"], "file": FILE_NAME}
    return Page("exported.html", f"{FILE_NAME} is ready", values=values)


async def download(request: Request) -> Response:
    """The file itself."""
    attached = {**HEADERS, "content-disposition": f'attachment; filename="{FILE_NAME}"'}
    return Response(_file(request).data, 200, attached, "application/json")


def _file(request: Request) -> SealedServers:
    sealed = kept(request, "exports", request.path_params["file"], SealedServers)
    if sealed is None:
        raise HttpProblem(404, "old-form", "this file is not kept any more: export again")
    return sealed
