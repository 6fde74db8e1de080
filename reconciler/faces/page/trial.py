"""*Test*: a connection is tried as it was typed, before it is saved. `/ui/tests/<key>` asks before a command runs.

A test of a command is a run of it: the yes is to exactly the launch that was shown.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.project import Project
from reconciler.engine.trial import LONGEST, Tried, try_out
from reconciler.faces.api.access import require
from reconciler.faces.api.description import EVENT_STREAM
from reconciler.faces.api.hosted import project_of, takes
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.kept import keep, kept, let_go
from reconciler.faces.page.outcome import command_line
from reconciler.faces.page.review import Proposal, foresee
from reconciler.faces.page.view import Page, view_route
from reconciler.model.document import Document, hidden, masked_fields
from reconciler.model.server import Stdio

SHELF = "tested"
"""Where what came of tests is kept; a page shows it that is asked for with `?tested=<key>`."""
_BUSY = "testing"


@dataclass(frozen=True, slots=True)
class Trial:
    """A server that is to be tried as a change would have it. `back` is where what came of it is shown."""

    proposal: Proposal
    server: str
    back: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What would be tried: the file as it would be, with secrets that are not stored yet; `launch` names what runs."""

    document: Document
    secrets: dict[str, str]
    launch: str


def routes() -> list[BaseRoute]:
    """The question before a command runs, the yes to it, and a test of what is shown before it is saved."""
    return [
        view_route("/tests/{test}", question),
        form_route("/tests/{test}", run),
        form_route("/changes/{change}/test", of_change),
    ]


async def begin(request: Request, trial: Trial) -> Response:
    """Try it, or ask first where that runs a command. Raises Declined, HttpProblem."""
    found = await _found(request, trial)
    if isinstance(found.document.server(trial.server).transport, Stdio):
        return back_to(request, f"tests/{keep(request, 'tests', trial)}")
    return await _try(request, trial, found)


async def of_change(request: Request, _: FormData) -> Response:
    """Try the one server of a change that is being looked at."""
    key = request.path_params["change"]
    proposal = kept(request, "changes", key, Proposal)
    servers = list((proposal.patch.get("mcpServers") or {}) if proposal is not None else ())
    if proposal is None or len(servers) != 1:
        raise HttpProblem(409, "old-form", "this change was made already, or is too old: begin it again")
    return await begin(request, Trial(proposal, servers[0], f"changes/{key}"))


async def question(request: Request) -> Page:
    """The command that a test runs."""
    if takes(request, EVENT_STREAM):
        return Page("test.html", "")
    trial = _trial(request)
    found = await _found(request, trial)
    facts = found.document.facts(trial.server)
    values = {
        "test": request.path_params["test"],
        "line": command_line(found.document, trial.server) or "",
        "cwd": facts.get("cwd", ""),
        "variables": sorted(facts.get("env", {})),
        "launch": found.launch,
        "back": trial.back,
        "seconds": round(LONGEST),
        "yes": f"Run this on {socket.gethostname()}",
    }
    return Page("test.html", f'Test "{facts["name"]}"?', values=values)


async def run(request: Request, form: FormData) -> Response:
    """The yes to the command that was shown."""
    trial = _trial(request)
    found = await _found(request, trial)
    if form.get("launch") != found.launch:
        moved = "The file changed meanwhile: this is what would run now."
        return refused_to(request, f"tests/{request.path_params['test']}", moved)
    answer = await _try(request, trial, found)
    let_go(request, "tests", request.path_params["test"])
    return answer


async def _found(request: Request, trial: Trial) -> _Found:
    require(request, "operator")
    project = project_of(request)
    if project.read_only:
        raise HttpProblem(409, "read-only", "this engine changes no file (--read-only), and runs only what is in it")
    prospect = await foresee(request, trial.proposal)
    document = project.desired(prospect.file.after)
    if trial.server not in document.servers:
        raise HttpProblem(404, "unknown-server", f'there is no server "{trial.server}" in the file')
    return _Found(document, dict(prospect.secrets), document.spec_digest(trial.server))


async def _try(request: Request, trial: Trial, found: _Found) -> Response:
    """One at a time for a visit."""
    project, visit = project_of(request), visit_of(request)
    if _BUSY in visit.kept:
        raise HttpProblem(409, "busy", f"a test is running: it ends within {round(LONGEST)} seconds")
    visit.kept[_BUSY] = trial.server
    try:
        _say(project, f"{visit.principal.name} tests {_what(found.document, trial.server)}")
        tried = await try_out(project, found.document, trial.server, found.secrets)
    finally:
        del visit.kept[_BUSY]
    _say(project, f"The test of {trial.server} {_came(tried)}")
    sign = "&" if "?" in trial.back else "?"
    return back_to(request, f"{trial.back}{sign}{urlencode({'tested': keep(request, SHELF, tried)})}")


def _say(project: Project, message: str) -> None:
    project.events.say("tested", message)


def _what(document: Document, server: str) -> str:
    line = command_line(document, server)
    if line is not None:
        return f"{server} by running {line}"
    return f"{server} at {masked_fields(document.facts(server), hidden).get('url', 'no address')}"


def _came(tried: Tried) -> str:
    return f"connected; it has {tried.tools} tools" if tried.tools is not None else f"failed: {tried.why}"


def _trial(request: Request) -> Trial:
    trial = kept(request, "tests", request.path_params["test"], Trial)
    if trial is None:
        raise HttpProblem(409, "old-form", "this test was made already, or is too old: begin it again")
    return trial
