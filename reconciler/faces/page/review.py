"""A change of the file before it is made: what it would do is shown, and the yes is to exactly that."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.door import Changed, ChangeRefused, Into, Prospect, change, prospect
from reconciler.engine.project import Project
from reconciler.engine.trial import Tried
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.kept import keep, kept, let_go
from reconciler.faces.page.outcome import commands, outcomes
from reconciler.faces.page.view import Page, view_route
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id
from reconciler.plan.render.text import plan_lines
from reconciler.problems import Problem


@dataclass(frozen=True, slots=True)
class Proposal:
    """A merge patch of the file. `title` asks for the yes, `said` is told when it is done, `back` is where one is then;
    `fresh` are servers that must not be there yet. `form` is where the change can be changed, with what was typed.

    `yes` is on the button, unless a command would run: then it names the machine. `into` is the file that it is of.
    """

    patch: Mapping[str, Any]
    title: str
    said: str
    back: str = ""
    fresh: tuple[str, ...] = ()
    form: str = ""
    yes: str = "Save"
    into: Into = "deciding"


class Declined(HttpProblem):
    """The file stays as it is. `problems` are what would be wrong with it."""

    def __init__(self, project: Project, refused: ChangeRefused) -> None:
        hide = project.environment.hide
        problems = [{"detail": hide(each.detail), "hint": hide(each.hint or "")} for each in refused.problems]
        more: dict[str, Any] = {"problems": problems} if problems else {}
        if refused.patch is not None:
            more["patch"] = json.dumps(refused.patch, indent=2, ensure_ascii=False)
        super().__init__(409, refused.code, hide(str(refused)), **more)
        self.problems: tuple[Problem, ...] = refused.problems


def routes() -> list[BaseRoute]:
    """Where a change is looked at, and where the yes to it is sent to."""
    return [view_route("/changes/{change}", review), form_route("/changes/{change}", say_yes)]


async def propose(request: Request, proposal: Proposal, said: str | None = None) -> Response:
    """Have the browser show what a change would do, with the button that does it. Raises Declined."""
    await foresee(request, proposal)
    return back_to(request, f"changes/{keep(request, 'changes', proposal)}", said)


async def at_once(request: Request, proposal: Proposal) -> Response:
    """Make a change that runs and allows nothing new; show any other first. Raises Declined."""
    found = await foresee(request, proposal)
    if _needs_a_look(found.plan):
        return await propose(request, proposal)
    changed = await make(request, proposal, plan_id(found.plan))
    return back_to(request, proposal.back, _said(proposal, changed))


async def review(request: Request) -> Page:
    """What a change would do as the file is now."""
    proposal = kept(request, "changes", request.path_params["change"], Proposal)
    if proposal is None:
        raise HttpProblem(409, "old-form", "this change was made already, or is too old: begin it again")
    if takes(request, EVENT_STREAM):
        return Page("review.html", proposal.title)  # what somebody is about to say yes to stays as it is
    found = await foresee(request, proposal)
    runs = commands(found.plan)
    values = {
        "proposal": proposal,
        "change": request.path_params["change"],
        "plan_id": plan_id(found.plan),
        "outcomes": outcomes(found.plan, stored=len(found.secrets), rewrites=bool(found.file.texts)),
        "lines": plan_lines(found.plan),
        "runs": runs,
        "testable": runs and len(proposal.patch.get("mcpServers") or ()) == 1,
        "tested": kept(request, "tested", request.query_params.get("tested"), Tried),
        "yes": f"Run this on {socket.gethostname()}" if runs else proposal.yes,
    }
    return Page("review.html", proposal.title, values=values)


async def say_yes(request: Request, form: FormData) -> Response:
    """The yes to a change, as it was shown."""
    key = request.path_params["change"]
    proposal, shown = kept(request, "changes", key, Proposal), form.get("plan")
    if proposal is None or not isinstance(shown, str):
        raise HttpProblem(409, "old-form", "this change was made already, or is too old: begin it again")
    try:
        changed = await make(request, proposal, shown)
    except Declined as declined:
        if declined.code == "moved":
            moved = "The file, or what lives, changed meanwhile: this is what it would do now."
            return refused_to(request, f"changes/{key}", moved)
        if proposal.form:
            return refused_to(request, proposal.form, f"Nothing was changed: {declined}.")
        raise
    let_go(request, "changes", key)
    return back_to(request, proposal.back, _said(proposal, changed))


async def make(request: Request, proposal: Proposal, expected: str | None, *, if_match: str | None = None) -> Changed:
    """Make a change whose plan has the id that was shown, whatever it is for None. Raises Declined."""
    project, principal = project_of(request), visit_of(request).principal
    try:
        return await change(
            project,
            proposal.patch,
            if_match=if_match,
            principal=principal,
            wait=0,
            fresh=proposal.fresh,
            expected=expected,
            into=proposal.into,
        )
    except ChangeRefused as refused:
        raise Declined(project, refused) from refused


async def foresee(request: Request, proposal: Proposal) -> Prospect:
    """What a change would do. Raises Declined."""
    project, principal = project_of(request), visit_of(request).principal
    try:
        return await prospect(
            project, proposal.patch, if_match=None, principal=principal, fresh=proposal.fresh, into=proposal.into
        )
    except ChangeRefused as refused:
        raise Declined(project, refused) from refused


def _said(proposal: Proposal, changed: Changed) -> str:
    """What is told when it is done, also that it does not show here."""
    if changed.hidden_at is None:
        return proposal.said
    return f"{proposal.said} Here it stays as it was: {changed.hidden_at} says otherwise."


def _needs_a_look(plan: Plan) -> bool:
    return any(action.marks for action in plan.actions)
