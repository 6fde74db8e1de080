"""`/ui/approvals`: the calls that wait for a person, each whole, with the buttons that answer it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.answering import Answered, answer_call
from reconciler.engine.project import Project
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.approvals import call_of, calls_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.moments import ago_of
from reconciler.faces.page.part import Part, part
from reconciler.faces.page.view import Page, view_route
from reconciler.gate.approvals import Decision, NotDecided, Reach
from reconciler.gate.showing import MOST_SHOWN, history, shown, shown_digest
from reconciler.store.approval_rows import CLOSED, OPEN, CallRow, State

RECENT = 30
"""Calls with an answer that are shown."""

ANSWERS: Mapping[str, tuple[bool, Reach]] = {
    "once": (True, "once"),
    "session": (True, "session"),
    "always": (True, "always"),
    "deny": (False, "once"),
}
"""What each button says: whether the call may run, and how far that goes."""

WORDS: Mapping[State, str] = {
    "waiting": "waits",
    "allowed": "allowed, not run yet",
    "denied": "denied",
    "expired": "not run",
    "started": "allowed, runs",
    "done": "allowed, ran",
    "failed": "allowed, failed",
    "unknown": "allowed, end unknown",
}


def routes() -> list[BaseRoute]:
    """The inbox, one call, and where its answer is sent to."""
    one = "/approvals/{call}"
    return [view_route("/approvals", approvals), view_route(one, call), form_route(one, answer)]


async def approvals(request: Request) -> Page:
    """What waits, the oldest first, and what was answered lately."""
    project = project_of(request)
    rows = await calls_of(project, *OPEN, *CLOSED)
    waiting = [row for row in rows if row.state == "waiting"]
    answered = sorted((row for row in rows if row.state != "waiting"), key=lambda row: row.changed, reverse=True)
    around = _around(request, project)
    parts = {
        "count": part(markup("approvals/count.html", count=len(waiting))),
        "inbox": _inbox(project, waiting, around),
        "answered": _answered(answered[:RECENT], around),
    }
    values = {"remember": project.ledger.document.approvals.remember, "file": _file(project)}
    return Page("approvals/approvals.html", "Approvals", parts, values)


async def call(request: Request) -> Page:
    """One call, its arguments whole, whatever became of it. Raises HttpProblem 404."""
    project = project_of(request)
    row = await call_of(project, request.path_params["call"])
    found = _shown(project, row, True)
    parts = {
        "fate": part(markup("approvals/fate.html", call=found)),
        "call": Part(
            lambda: markup("approvals/whole.html", **_around(request, project), call=found),
            (row.state, found["digest"]),
        ),
    }
    values = {"remember": project.ledger.document.approvals.remember, "file": _file(project)}
    return Page("approvals/one.html", f"Call {row.id}", parts, values)


async def answer(request: Request, form: FormData) -> Response:
    """A person's answer to exactly the call that was shown."""
    project, call_id = project_of(request), request.path_params["call"]
    chosen = ANSWERS.get(str(form.get("answer")))
    if chosen is None:
        raise HttpProblem(400, "no-answer", "say once, session, always or deny")
    row = await call_of(project, call_id)
    allow, reach = chosen
    if allow and form.get("shown") != shown_digest(row, project.environment.hide):
        return refused_to(request, f"approvals/{call_id}", "The call looks different by now: look at it again.")
    asks = visit_of(request).principal
    try:
        answered = await answer_call(project, asks, call_id, Decision(allow, asks.name, reach))
    except NotDecided as error:
        return refused_to(request, "approvals", project.environment.hide(f"Your answer does not count: {error}."))
    return back_to(request, "approvals", project.environment.hide(_said(answered)))


def _inbox(project: Project, waiting: list[CallRow], around: Mapping[str, Any]) -> Part:
    hide = project.environment.hide
    return Part(
        lambda: markup("approvals/inbox.html", **around, calls=[_shown(project, row, False) for row in waiting]),
        [(row.id, shown_digest(row, hide)) for row in waiting],
    )


def _answered(rows: list[CallRow], around: Mapping[str, Any]) -> Part:
    return Part(
        lambda: markup("approvals/answered.html", **around, rows=rows, words=WORDS),
        [(row.id, row.state) for row in rows],
    )


def _shown(project: Project, row: CallRow, whole: bool) -> dict[str, Any]:
    """What a template shows of a call. One that is `cut` cannot be allowed there."""
    hide = project.environment.hide
    said = shown(row, hide, whole=whole)
    arguments, cut = said["arguments"], not whole and len(row.arguments) > MOST_SHOWN
    return {
        **said,
        "arguments": arguments if cut else json.dumps(arguments, indent=2, ensure_ascii=False),
        "cut": cut,
        "digest": shown_digest(row, hide),
        "state": row.state,
        "word": WORDS[row.state],
        "fate": hide(history(row)),
        "reason": hide(row.reason or ""),
    }


def _said(answered: Answered) -> str:
    call = f'The call of "{answered.row.tool}" of "{answered.row.server}"'
    if answered.row.state == "denied":
        return f"{call} was denied; it does not run."
    reach = {"once": "once", "session": "for the session", "always": "for always"}[answered.reach]
    when = "runs now" if answered.runs else "runs when its caller asks for it again"
    only = f" It was not allowed for always: {answered.refused[1]}." if answered.refused else ""
    return f"{call} was allowed {reach}; it {when}.{only}"


def _around(request: Request, project: Project) -> dict[str, Any]:
    return {
        "base": base_of(request),
        "form_token": visit_of(request).form_token,
        "ago": ago_of,
        "hide": project.environment.hide,
    }


def _file(project: Project) -> str:
    return project.sources.shown(project.sources.main)
