"""`/ui/new/paste`: a piece of a client's file. One server fills the form of a new one; several are an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.config.explorer import Remark
from reconciler.config.snippet import NotASnippet, servers_in
from reconciler.config.unpack import BadPayload, check_payload
from reconciler.faces.api.access import require
from reconciler.faces.page.editing import NEW, form_again
from reconciler.faces.page.fields import TRANSPORTS, Entry, fields_of, known
from reconciler.faces.page.form import Sheet, sheet_of, with_spare_rows
from reconciler.faces.page.forms import back_to, form_route
from reconciler.faces.page.importing import MOST_FILES, Coming
from reconciler.faces.page.kept import keep
from reconciler.faces.page.mistakes import Wrong, mistakes_of
from reconciler.store.portable import Opened

INPUT = "snippet"


def routes() -> list[BaseRoute]:
    """Where a snippet is sent to, in an earlier visit too: it changes nothing but what is shown."""
    return [form_route("/new/paste", paste, again=paste)]


async def paste(request: Request, form: FormData) -> Response:
    """Read it. It may hold secrets, so it is never sent back."""
    try:
        servers = servers_in(str(form.get(INPUT, "")))
        if len(servers) > 1:
            require(request, "operator")
            return back_to(request, f"import/{_import(request, servers)}")
        [(id, entry)] = servers.items()
        sheet = _sheet(id, entry)
    except (NotASnippet, BadPayload) as error:
        details = [Wrong("", each.detail) for each in error.problems] if isinstance(error, BadPayload) else []
        return await form_again(request, sheet_of(NEW), mistakes_of([Wrong(INPUT, str(error)), *details]))
    left_out = _left_out(entry)
    more = f" This form has no place for: {', '.join(left_out)}." if left_out else ""
    key = keep(request, "typed", with_spare_rows(sheet))
    return back_to(request, f"new?typed={key}", f"Filled in from the snippet.{more}")


def _sheet(id: str, entry: Entry) -> Sheet:
    """The form of a new server that says the same. Raises NotASnippet."""
    try:
        fields = fields_of(known(entry))
        fields["name"] = fields["name"] or id
        if fields["transport"] in TRANSPORTS and all(isinstance(text, str) for text in fields.values()):
            return sheet_of(NEW, fields, id)
    except (TypeError, AttributeError, ValueError, KeyError):
        pass
    raise NotASnippet("it is not an entry that this form can hold: its values are others than a client's would be")


def _import(request: Request, servers: Mapping[str, Mapping[str, Any]]) -> str:
    """The key to the preview of several. Raises BadPayload."""
    payload = {"servers": {id: known(entry) for id, entry in servers.items()}}
    remarks = tuple(Remark(id, name, "is not taken over") for id, entry in servers.items() for name in _left_out(entry))
    check_payload(payload)
    return keep(request, "imports", Coming("the snippet", Opened(payload, remarks)), most=MOST_FILES)


def _left_out(entry: Entry) -> list[str]:
    return sorted(entry.keys() - known(entry).keys())
