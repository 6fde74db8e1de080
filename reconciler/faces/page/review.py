"""A change of the file before it is made: what it would do is shown, and the yes is to exactly that."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.door import ChangeRefused, change, prospect
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route
from reconciler.faces.page.view import Page, show
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id
from reconciler.plan.render.text import plan_lines

MOST = 32
"""Changes that are kept for one visit until somebody says yes to them."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A merge patch of the file. `title` asks for the yes, `said` is told when it is done, `back` is where one is then;
    `fresh` are servers that must not be there yet."""

    patch: Mapping[str, Any]
    title: str
    said: str
    back: str = ""
    fresh: tuple[str, ...] = ()


def routes() -> list[BaseRoute]:
    """Where the yes to a change is sent to."""
    return [form_route("/changes/{change}", say_yes)]


async def propose(request: Request, proposal: Proposal) -> Response:
    """Show what a change would do, with the button that does it."""
    project, visit = project_of(request), visit_of(request)
    try:
        found = await prospect(project, proposal.patch, if_match=None, principal=visit.principal, fresh=proposal.fresh)
    except ChangeRefused as refused:
        raise HttpProblem(409, refused.code, project.environment.hide(str(refused))) from refused
    key = secrets.token_urlsafe(16)
    drafts: dict[str, tuple[Proposal, str]] = visit.kept.setdefault("drafts", {})
    drafts[key] = (proposal, plan_id(found.plan))
    while len(drafts) > MOST:
        del drafts[next(iter(drafts))]

    async def review(_: Request) -> Page:
        return Page(
            "review.html", proposal.title, values={"lines": plan_lines(found.plan), "key": key, "back": proposal.back}
        )

    return await show(request, review)


async def at_once(request: Request, proposal: Proposal) -> Response:
    """Make a change that runs and allows nothing new; show any other first."""
    project, visit = project_of(request), visit_of(request)
    try:
        found = await prospect(project, proposal.patch, if_match=None, principal=visit.principal, fresh=proposal.fresh)
    except ChangeRefused as refused:
        raise HttpProblem(409, refused.code, project.environment.hide(str(refused))) from refused
    if _needs_a_look(found.plan):
        return await propose(request, proposal)
    return await _make(request, proposal, plan_id(found.plan))


async def say_yes(request: Request, _: FormData) -> Response:
    """The yes to a change that was shown."""
    drafts = visit_of(request).kept.get("drafts", {})
    draft = drafts.pop(request.path_params["change"], None)
    if draft is None:
        raise HttpProblem(409, "old-form", "this change was made already, or is too old: begin it again")
    proposal, expected = draft
    return await _make(request, proposal, expected)


async def _make(request: Request, proposal: Proposal, expected: str) -> Response:
    project, visit = project_of(request), visit_of(request)
    try:
        await change(
            project,
            proposal.patch,
            if_match=None,
            principal=visit.principal,
            wait=0,
            fresh=proposal.fresh,
            expected=expected,
        )
    except ChangeRefused as refused:
        if refused.code == "moved":
            return await propose(request, proposal)
        raise HttpProblem(409, refused.code, project.environment.hide(str(refused))) from refused
    return back_to(request, proposal.back, proposal.said)


def _needs_a_look(plan: Plan) -> bool:
    return any(action.marks for action in plan.actions)
