"""`/ui/plan`: what waits for a yes, what the file would do now, and what was applied."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.change import Applied, Consent, Held, Invalid, apply_file, approve, plan_file
from reconciler.engine.pending import Pending, key_of
from reconciler.engine.project import Project
from reconciler.faces.api.access import require
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.own.applying import applied_json
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page import plan_back
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.lasting import to_the_end
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.marks import MARKS
from reconciler.faces.page.moments import ago_of
from reconciler.faces.page.outcome import commands
from reconciler.faces.page.part import Part, part
from reconciler.faces.page.view import Page, view_route
from reconciler.plan.actions import PROJECT, Action, Plan
from reconciler.plan.document import plan_id
from reconciler.plan.render.text import action_lines, plan_lines

MOST = 50
"""Waiting actions that are shown at a time."""

RESULTS: Mapping[str, str] = {
    "applied": "applied",
    "late": "on its way",
    "failed": "failed",
    "skipped": "skipped",
    "rolled-back": "taken back",
    "waiting": "waiting for a yes",
}
"""What became of an action, in words."""
_AMISS = ("failed", "skipped", "rolled-back")
_GONE = "Nothing was done: this waits no longer."


def routes() -> list[BaseRoute]:
    """The view, and where its forms are sent to."""
    return [
        view_route("/plan", plan),
        form_route("/plan/apply", apply),
        form_route("/plan/approve", say_yes),
        form_route("/plan/deny", say_no),
        *plan_back.routes(),
    ]


async def plan(request: Request) -> Page:
    """What waits, the plan of the file as it is now, and the history."""
    project = project_of(request)
    read = await plan_file(project)
    found = None if isinstance(read, Invalid) else read
    id = plan_id(found) if found is not None else ""
    rows = await project.records.history()
    around = {
        "base": base_of(request),
        "form_token": visit_of(request).form_token,
        "file": project.sources.shown(project.sources.main),
        "ago": ago_of,
    }
    parts = {
        "plan-waiting": _waiting(project, found, id, around),
        "plan-now": _now(found, id, around),
        "plan-history": Part(lambda: markup("plan/history.html", **around, rows=rows), rows),
    }
    return Page("plan/plan.html", "Plan", parts)


async def apply(request: Request, form: FormData) -> Response:
    """Take up what the file says: the yes is to the plan that was shown."""
    require(request, "operator")
    project, who = project_of(request), visit_of(request).principal.name
    consent, expected = Consent(who, None, seen=True), str(form.get("plan"))
    result = await to_the_end(apply_file(project, consent, lambda _: None, expected=expected, wait=0))
    return _told(request, result)


async def say_yes(request: Request, form: FormData) -> Response:
    """A yes to actions that wait, as they were shown."""
    require(request, "operator")
    project, who = project_of(request), visit_of(request).principal.name
    chosen = _chosen(project, form)
    if not chosen:
        return refused_to(request, "plan", _GONE)
    result = await to_the_end(approve(project, chosen, who, lambda _: None, wait=0))
    return _told(request, result)


async def say_no(request: Request, form: FormData) -> Response:
    """A no: it is not asked about again until the file says something else."""
    require(request, "operator")
    project = project_of(request)
    chosen = _chosen(project, form)
    if not chosen:
        return refused_to(request, "plan", _GONE)
    project.waiting.deny(chosen)
    project.news.tell()
    servers = ", ".join(_name(pending.server) for pending in chosen)
    return back_to(request, "plan", f"Denied: {servers}.")


def _told(request: Request, result: Applied | Invalid | Held | Plan) -> Response:
    """What became of a plan, in a sentence; of what failed, why."""
    hide = project_of(request).environment.hide
    try:
        done = applied_json(result)
    except HttpProblem as problem:
        return refused_to(request, "plan", hide(f"Nothing was done: {problem}."))
    counts = [f"{done['summary'][key]} {word}" for key, word in RESULTS.items() if done["summary"].get(key)]
    failed = [f"{_name(each['server'])}: {each['error']['message']}" for each in done["results"] if each["error"]]
    said = hide(" ".join([f"{done['id']}: {', '.join(counts) or 'nothing to do'}.", *failed]))
    amiss = any(done["summary"].get(key) for key in _AMISS)
    return (refused_to if amiss else back_to)(request, "plan", said)


def _chosen(project: Project, form: FormData) -> list[Pending]:
    """The waiting actions that a form names. One that names none means none, not all."""
    servers = [str(server) for server in form.getlist("server")]
    return project.waiting.chosen(str(form.get("plan")), servers) if servers else []


def _waiting(project: Project, found: Plan | None, id: str, around: Mapping[str, Any]) -> Part:
    """The first that wait, each with what the plan says of it: without, where the file says something else by now, or
    where it had its yes and nothing of it is left to do but to wait for what it does."""
    waiting = project.waiting.all
    keys = {pending.server: pending.key for pending in waiting[:MOST]}
    actions = found.actions if found is not None else ()
    begun = keys.keys() - {each.server for each in actions} if found is not None and project.applying.locked() else ()
    holding = {each.server: each for each in actions if each.server in keys and key_of(each) == keys[each.server]}

    def html() -> Markup:
        rows = [
            {**_row(pending, found, holding.get(pending.server)), "begun": pending.server in begun}
            for pending in waiting[:MOST]
        ]
        several = _together([pending for pending in waiting[:MOST] if pending.server in holding])
        left = len(waiting) - len(rows)
        return markup("plan/waiting.html", **around, rows=rows, left=left, several=several, host=socket.gethostname())

    return Part(html, (waiting, sorted(holding), sorted(begun), id))


def _row(pending: Pending, found: Plan | None, action: Action | None) -> dict[str, Any]:
    said = {
        "pending": pending,
        "name": _name(pending.server),
        "why": [MARKS.get(mark, mark) for mark in pending.marks],
    }
    if found is None or action is None:
        return {**said, "lines": None, "runs": []}
    return {**said, "lines": action_lines(found, action), "runs": commands(replace(found, actions=(action,)))}


def _together(waiting: list[Pending]) -> dict[str, list[Pending]]:
    """What can be approved at once: several that wait under one id of a plan."""
    found: dict[str, list[Pending]] = {}
    for pending in waiting:
        found.setdefault(pending.plan, []).append(pending)
    return {id: members for id, members in found.items() if len(members) > 1}


def _name(server: str) -> str:
    return "the settings" if server == PROJECT else server


def _now(found: Plan | None, id: str, around: Mapping[str, Any]) -> Part:
    """The plan of the file; None where the file has mistakes, which stand at the top of the page."""
    if found is None:
        return part(markup("plan/now.html", **around, broken=True))
    shown = {"broken": False, "empty": found.empty, "id": id, "host": socket.gethostname()}
    return Part(
        lambda: markup("plan/now.html", **around, **shown, lines=plan_lines(found), runs=commands(found)),
        (id, found.paused, found.tool_drift),
    )
