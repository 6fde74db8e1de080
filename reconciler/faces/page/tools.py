"""`/ui/servers/{server}/try?tool=NAME`: one tool, a form for its arguments, and what it answered to this visit.

A call goes through the gate with the visitor as principal, as one of the API does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.events import now_text
from reconciler.engine.project import Project
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.api.own.tools import tool_rows
from reconciler.faces.http.problems import as_problem
from reconciler.faces.page.arguments import arguments_of, choice_text, fields_of
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.kept import keep, kept
from reconciler.faces.page.lasting import to_the_end
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import part
from reconciler.faces.page.tool_answer import Answer, Piece, answer_of, parked_as
from reconciler.faces.page.view import Page, view_route
from reconciler.gate.principal import Principal
from reconciler.gate.showing import without_secrets

SOON = 2.0
"""Seconds that a form waits for the answer; one that comes later is shown when it comes."""
LONGEST_NAME = 128

_AT = "/servers/{server}/try"
_SHELF = "tried"


@dataclass(slots=True)
class Tried:
    """What a visit sent to a tool last, and what became of it. `form` is by the ids of the fields, `wrong` too;
    `definition` the digest of the tool that was looked at; `since` is empty where it was not called at all."""

    definition: str
    form: Mapping[str, str]
    whole: bool
    since: str
    wrong: Mapping[str, str] = field(default_factory=dict)
    progress: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool of an applied server. `row` and `definition` are None where it is not listed (any more)."""

    project: Project
    server: str
    name: str
    row: Mapping[str, Any] | None
    definition: Mapping[str, Any] | None
    digest: str

    @property
    def key(self) -> str:
        """What is tried of it is kept under this."""
        return f"{self.server} {self.name}"

    @property
    def at(self) -> str:
        """Where its page is, below that of the project."""
        return f"servers/{self.server}/try?{urlencode({'tool': self.name})}"


def routes() -> list[BaseRoute]:
    """Where a tool is looked at, and where its form is sent to."""
    return [view_route(_AT, tool), form_route(_AT, call, again=typed_before)]


async def tool(request: Request) -> Page:
    """The tool named in the query. What is typed into its form stays: the form is no part."""
    found = await _tool(request, request.query_params.get("tool", ""))
    whole = request.query_params.get("as") == "json"
    tried = kept(request, _SHELF, found.key, Tried)
    again = tried is not None and (tried.definition, tried.whole) == (found.digest, whole)
    fields = fields_of((found.definition or {}).get("inputSchema"), whole=whole)
    shown = {"tool": found, "base": base_of(request), "hide": found.project.environment.hide}
    parts = {
        "tool-state": part(markup("server/tool_state.html", **shown)),
        "answer": part(
            markup("server/answer.html", **shown, tried=tried, names={each.id: each.name for each in fields})
        ),
    }
    typed = tried.form if tried and again else {each.id: each.default for each in fields}
    schemas = {name: _pretty(found, key) for name, key in _SCHEMAS if key in (found.definition or {})}
    about = (found.definition or {}).get("description")
    values = {**shown, "fields": fields, "typed": typed, "whole": whole, "schemas": schemas, "about": about}
    return Page("server/tool.html", f"{found.name} of {_name(found)}", parts, {**values, "choice_text": choice_text})


async def call(request: Request, form: FormData) -> Response:
    """Call the tool with what the form says, if that is the tool that was looked at."""
    return await _take(request, form, calls=True)


async def typed_before(request: Request, form: FormData) -> Response:
    """The form that was typed in an earlier visit. Nothing is called."""
    return await _take(request, form, calls=False)


async def _take(request: Request, form: FormData, *, calls: bool) -> Response:
    found = await _tool(request, _text(form, "tool"))
    whole = _text(form, "as") == "json"
    if found.definition is None or _text(form, "definition") != found.digest:
        return refused_to(
            request, found.at, "This tool is not what it was a moment ago: look at it again. Nothing was called."
        )
    fields = fields_of(found.definition.get("inputSchema"), whole=whole)
    sent = {each.id: _text(form, each.id) for each in fields}
    arguments, wrong = arguments_of(fields, sent)
    tried = Tried(found.digest, sent, whole, now_text() if calls else "", wrong)
    keep(request, _SHELF, tried, found.key)
    if calls and not wrong:
        with suppress(TimeoutError):
            await asyncio.wait_for(to_the_end(_call(found, visit_of(request).principal, arguments, tried)), SOON)
    return back_to(request, f"{found.at}{'&as=json' if whole else ''}#answer")


async def _call(tool: Tool, principal: Principal, arguments: Mapping[str, Any], tried: Tried) -> None:
    project = tool.project
    hide = project.environment.hide

    def tell(news: Mapping[str, Any]) -> None:
        tried.progress = hide(str(news.get("message") or news.get("progress", "")))[:200]
        project.news.tell()

    try:
        result = await project.gate.call(principal, tool.server, tool.name, arguments, on_progress=tell, own_yes=True)
        tried.answer = replace(answer_of(result, hide), waits=await _waits(tool, result))
    except Exception as error:
        tried.answer = Answer((Piece("", hide(str(as_problem(error)))),), is_error=True)
    finally:
        project.news.tell()


async def _waits(tool: Tool, result: Mapping[str, Any]) -> str | None:
    """The id of the call, where it really waits for somebody."""
    said = parked_as(result)
    with suppress(Exception):  # records that cannot be read know of no call
        row = await tool.project.gate.approvals.get(said) if said else None
        if row is not None and (row.server, row.tool, row.state) == (tool.server, tool.name, "waiting"):
            return row.id
    return None


async def _tool(request: Request, named: str) -> Tool:
    name = named[:LONGEST_NAME]
    project = project_of(request)
    server = applied_server(request, project)
    snapshot = await project.read()
    project.refresh_lock()
    row = next((row for row in tool_rows(project, server, snapshot.reading.place) if row["name"] == name), None)
    listed = project.offers.listed(server).tools if row is not None else ()
    definition = next((each for each in listed if each["name"] == name), None)
    policy = project.policy(server)
    return Tool(project, server, name, row, definition, policy.tools.get(name, "") if policy else "")


def _name(tool: Tool) -> str:
    wanted = tool.project.wanted(tool.server)
    return wanted.name if wanted else tool.server


_SCHEMAS = (("What it takes", "inputSchema"), ("What it answers", "outputSchema"), ("Annotations", "annotations"))


def _pretty(tool: Tool, key: str) -> str:
    value = without_secrets((tool.definition or {}).get(key), tool.project.environment.hide)
    return json.dumps(value, indent=2, ensure_ascii=False)


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
