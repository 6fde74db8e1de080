"""`/ui/plan/back/{serial}`: the way back to what was applied once, shown first, and then gone."""

from __future__ import annotations

import json
import socket
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.change import Consent
from reconciler.engine.project import Project
from reconciler.engine.rollback import NoSuchSerial, Refused, Target, foresee, patch_to, roll_back
from reconciler.faces.api.access import require
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.lasting import to_the_end
from reconciler.faces.page.outcome import commands
from reconciler.faces.page.view import Page, view_route
from reconciler.plan.render.text import plan_lines

_DIGITS = 15


def routes() -> list[BaseRoute]:
    """The view, and where its form is sent to."""
    at = "/plan/back/{serial}"
    return [view_route(at, way_back), form_route(at, go_back)]


async def way_back(request: Request) -> Page:
    """What going back would do. Raises HttpProblem 404, 409."""
    project, serial = project_of(request), _serial(request)
    title = f"Back to serial {serial}"
    if takes(request, EVENT_STREAM):
        return Page("plan/back.html", title)  # what somebody is about to say yes to stays as it is
    target = await _target(project, serial)
    try:
        found = await foresee(project, target)
    except Refused as refused:
        raise _refused(project, refused, target) from refused
    runs = commands(found.plan)
    values: dict[str, Any] = {
        "serial": serial,
        "file": project.sources.shown(project.sources.main),
        "patch": json.dumps(target.masked, indent=2, ensure_ascii=False),
        "nothing": not target.patch and found.plan.empty,
        "id": found.id,
        "lines": plan_lines(found.plan),
        "runs": runs,
        "yes": f"Roll back, and run this on {socket.gethostname()}" if runs else "Roll back",
    }
    return Page("plan/back.html", title, values=values)


async def go_back(request: Request, form: FormData) -> Response:
    """Write the way back into the file and apply it, if it is the one that was shown."""
    require(request, "operator")
    project, serial, who = project_of(request), _serial(request), visit_of(request).principal.name
    consent, expected = Consent(who, None, seen=True), str(form.get("shown"))
    target = await _target(project, serial)
    try:
        await to_the_end(roll_back(project, target, consent, lambda _: None, expected=expected, wait=0))
    except Refused as refused:
        said = project.environment.hide(f"Nothing was done: {refused}.")
        return refused_to(request, f"plan/back/{serial}", said)
    return back_to(request, "plan", f"The file is as it was at serial {serial}.")


async def _target(project: Project, serial: int) -> Target:
    try:
        return await patch_to(project, serial)
    except NoSuchSerial as error:
        raise HttpProblem(404, "unknown-serial", str(error)) from error
    except Refused as refused:
        raise _refused(project, refused) from refused


def _refused(project: Project, refused: Refused, target: Target | None = None) -> HttpProblem:
    more: dict[str, Any] = {"patch": json.dumps(target.masked, indent=2, ensure_ascii=False)} if target else {}
    return HttpProblem(409, "edit-refused", project.environment.hide(str(refused)), **more)


def _serial(request: Request) -> int:
    text: str = request.path_params["serial"]
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise HttpProblem(404, "unknown-serial", "a serial is a whole number")
    return int(text)
