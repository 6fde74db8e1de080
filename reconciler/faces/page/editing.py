"""`/ui/new` and `/ui/servers/<id>/edit`: a server as a form. What others changed meanwhile goes together with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.config.ids import id_of
from reconciler.engine.project import Project
from reconciler.engine.trial import Tried
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.api.on_file import file_now
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.fields import (
    BadField,
    Entry,
    Fields,
    clashes,
    entry_of,
    fields_of,
    known,
    merged,
    patch_of,
    shown_field,
)
from reconciler.faces.page.form import (
    Sheet,
    base_text,
    mistakes,
    read_sheet,
    sheet_of,
    with_spare_rows,
)
from reconciler.faces.page.forms import back_to, form_route, say_refused
from reconciler.faces.page.grouping import in_a_group, names_of_groups
from reconciler.faces.page.kept import keep, kept
from reconciler.faces.page.mistakes import Mistakes, Wrong, mistakes_of
from reconciler.faces.page.review import Declined, Proposal, propose
from reconciler.faces.page.trial import SHELF, Trial, begin
from reconciler.faces.page.view import Page, show, view_route
from reconciler.model.document import Document, hidden, masked_fields

NEW: Entry = {"type": "stdio"}
_MORE_ROWS = 6
_TYPED_BEFORE = (
    "Your visit had ended. Here is what you typed, and nothing was saved. Look whether each value and secret that you"
    " typed is still there: the field says so."
)
_STILL = Page("form.html", "")
"""Nothing in a form changes while somebody types."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A form whose entry somebody else changed meanwhile."""

    base: Entry
    mine: Fields
    theirs: Entry


def routes() -> list[BaseRoute]:
    """The two forms, and the question whose change stays."""
    server = "/servers/{server}"
    return [
        view_route("/new", new),
        form_route("/new", save_new, again=typed_before),
        view_route(f"{server}/edit", edit),
        form_route(f"{server}/edit", save_edit, again=typed_before),
        view_route(f"{server}/merge/{{clash}}", clashing),
        form_route(f"{server}/merge/{{clash}}", choose),
    ]


async def new(request: Request) -> Page:
    """The form of a server that is not there yet, or what was typed into it before."""
    if takes(request, EVENT_STREAM):
        return _STILL
    return await _form(request, _earlier(request) or sheet_of(NEW))


async def save_new(request: Request, form: FormData) -> Response:
    """A new server: what it would do is shown next."""
    sheet = _read(request, form)
    if "more" in form:
        return await form_again(request, sheet, more=_MORE_ROWS)
    testing = "test" in form
    if not sheet.texts["name"] and not testing:
        return await form_again(request, sheet, mistakes_of([Wrong("name", "a name is needed: what people call it")]))
    document = (await file_now(project_of(request))).document
    server = sheet.id or id_of(sheet.texts["name"], _taken(project_of(request), document))
    sheet = sheet if testing else replace(sheet, id=server)
    try:
        entry = entry_of(sheet.fields, {})
    except BadField as bad:
        return await form_again(request, sheet, mistakes_of([Wrong(bad.name, str(bad))]))
    name = entry.get("name", server)
    title = f'Add "{name}" as {server}?'
    proposal = Proposal({"mcpServers": {server: entry}}, title, f'"{name}" is in the file.', fresh=(server,))
    return await _propose(request, sheet, server, proposal, "new", testing=testing)


async def typed_before(request: Request, form: FormData) -> Response:
    """The form that was typed in an earlier visit. What only that visit knew is gone with it."""
    say_refused(request, _TYPED_BEFORE)
    return await form_again(request, _read(request, form))


def _taken(project: Project, document: Document) -> set[str]:
    return {*document.servers, *project.ledger.document.servers}


async def edit(request: Request) -> Page:
    """The form of a server of the file, or what was typed into it before."""
    if takes(request, EVENT_STREAM):
        return _STILL
    return await _form(request, _earlier(request) or sheet_of(await _entry(request)))


async def save_edit(request: Request, form: FormData) -> Response:
    """A change of a server. What somebody else changed since the form was opened stays, or is asked about."""
    sheet = _read(request, form)
    if "more" in form:
        return await form_again(request, sheet, more=_MORE_ROWS)
    try:
        mine, theirs = sheet.fields, await _entry(request)
    except BadField as bad:
        return await form_again(request, sheet, mistakes_of([Wrong(bad.name, str(bad))]))
    except HttpProblem as gone:
        return await form_again(
            request, sheet, mistakes_of([Wrong("", f"{gone}; what was typed can be added as a new one")])
        )
    both = clashes(fields_of(sheet.base), mine, fields_of(theirs))
    if "test" in form:
        return await _save(request, sheet, merged(fields_of(sheet.base), mine, fields_of(theirs), both), theirs, True)
    if both:
        key = keep(request, "clashes", Clash(sheet.base, mine, theirs))
        return back_to(request, f"servers/{_server(request)}/merge/{key}")
    return await _save(request, sheet, merged(fields_of(sheet.base), mine, fields_of(theirs)), theirs)


async def _save(request: Request, sheet: Sheet, fields: Fields, theirs: Entry, testing: bool = False) -> Response:
    server = _server(request)
    try:
        patch = patch_of(fields, theirs)
    except BadField as bad:
        return await form_again(request, sheet, mistakes_of([Wrong(bad.name, str(bad))]))
    if not patch and not testing:
        return back_to(request, "", "Nothing was changed.")
    name = fields["name"] or server
    proposal = Proposal({"mcpServers": {server: patch}}, f'Change "{name}"?', f'"{name}" was changed.')
    shown = sheet if testing else sheet_of(theirs, fields)
    return await _propose(request, shown, server, proposal, f"servers/{server}/edit", testing=testing)


async def _propose(
    request: Request, sheet: Sheet, server: str, proposal: Proposal, form: str, *, testing: bool
) -> Response:
    """Show what it would do, or try it; where the door does not take it, the form with its mistakes."""
    key = keep(request, "typed", with_spare_rows(sheet))
    document = (await file_now(project_of(request))).document
    proposal = replace(proposal, patch=in_a_group(document, proposal.patch))
    try:
        if testing:
            return await begin(request, Trial(proposal, server, f"{form}?typed={key}"))
        return await propose(request, replace(proposal, form=f"{form}?typed={key}"))
    except Declined as declined:
        if declined.problems:
            return await form_again(request, sheet, mistakes(sheet, server, declined.problems))
        return await _refused(request, sheet, declined)
    except HttpProblem as problem:
        return await _refused(request, sheet, problem)


async def _refused(request: Request, sheet: Sheet, problem: HttpProblem) -> Response:
    spot = "id" if problem.code == "exists" else ""
    return await form_again(request, sheet, mistakes_of([Wrong(spot, str(problem))], problem.body.get("patch", "")))


async def clashing(request: Request) -> Page:
    """Whose change is to stay, field by field."""
    if takes(request, EVENT_STREAM):
        return _STILL
    clash = _clash(request)
    base, theirs = fields_of(clash.base), fields_of(clash.theirs)
    rows = [
        {"name": name, "theirs": _side(theirs, name), "mine": _side(clash.mine, name)}
        for name in clashes(base, clash.mine, theirs)
    ]
    return Page("clash.html", f"{_server(request)} was changed meanwhile", values={"rows": rows, **_about(request)})


def _side(fields: Fields, name: str) -> str:
    if name not in fields:
        return "(removed)"
    text = shown_field(name, fields[name])
    return f"{fields['transport']}: {text}" if name == "endpoint" else text or "(nothing)"


async def choose(request: Request, form: FormData) -> Response:
    """What of a form stays, beside what is in the file by now; that may have been changed once more."""
    clash, now = _clash(request), await _entry(request)
    base, theirs = fields_of(clash.base), fields_of(clash.theirs)
    mine = [name for name in clashes(base, clash.mine, theirs) if form.get(f"keep.{name}") == "mine"]
    fields = merged(base, clash.mine, theirs, mine)
    if clashes(theirs, fields, fields_of(now)):
        key = keep(request, "clashes", Clash(clash.theirs, fields, now))
        return back_to(request, f"servers/{_server(request)}/merge/{key}")
    return await _save(request, sheet_of(now, fields), merged(theirs, fields, fields_of(now)), now)


def _clash(request: Request) -> Clash:
    clash = kept(request, "clashes", request.path_params["clash"], Clash)
    if clash is None:
        raise HttpProblem(409, "old-form", "what was typed is too old: open the form again")
    return clash


async def _entry(request: Request) -> dict[str, Any]:
    """The server as the file has it, masked. Raises HttpProblem."""
    server, document = _server(request), (await file_now(project_of(request))).document
    if server not in document.servers:
        raise HttpProblem(404, "unknown-server", f'there is no server "{server}" in the file')
    return known(masked_fields(document.servers[server], hidden))


def _server(request: Request) -> str:
    server: str = request.path_params["server"]
    return server


def _read(request: Request, form: FormData) -> Sheet:
    return read_sheet(form, kept(request, "typed", form.get("typed"), Sheet))


def _earlier(request: Request) -> Sheet | None:
    return kept(request, "typed", request.query_params.get("typed"), Sheet)


async def form_again(request: Request, sheet: Sheet, wrong: Mistakes | None = None, *, more: int = 0) -> Response:
    """The form with all that was typed, and what is wrong with it."""

    return show(request, await _form(request, sheet, wrong, more=more), 422 if wrong else 200)


async def _form(request: Request, sheet: Sheet, wrong: Mistakes | None = None, *, more: int = 0) -> Page:
    shown = with_spare_rows(sheet, more) if more else with_spare_rows(sheet)
    document = (await file_now(project_of(request))).document
    values = {
        **_about(request),
        "sheet": shown,
        "stored": fields_of(sheet.base),
        "base_text": base_text(sheet),
        "typed": keep(request, "typed", shown),
        "groups": names_of_groups(document),
        "wrong": wrong or Mistakes(),
        "tested": kept(request, SHELF, request.query_params.get("tested"), Tried),
    }
    title = f"Edit {values['server']}" if values["server"] else "New connection"
    return Page("form.html", title, values=values)


def _about(request: Request) -> dict[str, Any]:
    return {"server": request.path_params.get("server", "")}
