"""What stands around every view: the way to the others, what is active and what waits, what is wrong with the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from reconciler.engine.project import Project
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part, part
from reconciler.problems import errors

VIEWS = (
    ("", "Connections"),
    ("approvals", "Approvals"),
    ("plan", "Plan"),
    ("events", "Events"),
    ("clients", "Clients"),
)
"""Where each view is below `/ui/`, and what it is called."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The live parts, and what else the layout needs."""

    parts: Mapping[str, Part]
    values: Mapping[str, Any]


def frame(request: Request) -> Frame:
    """The frame of a request's page."""
    project, host = project_of(request), host_of(request)
    values = {
        "project": project.name,
        "projects": sorted(host.projects),
        "root": host.root.name,
        "base": base_of(request),
        "here": request.url.path,
        "views": VIEWS,
        "form_token": visit_of(request).form_token,
        "read_only": project.read_only,
    }
    return Frame({"banner": part(_banner(project)), "nav": part(_nav(values, project))}, values)


def base_of(request: Request) -> str:
    """Where the page of the request's project is: `/ui` or `/p/<project>/ui`."""
    return str(request.scope["root_path"])


def _nav(values: Mapping[str, Any], project: Project) -> Any:
    active = sum(1 for server in project.ledger.document.servers if project.serving(server) is not None)
    counts = {"Connections": active, "Approvals": project.gate.approvals.waiting, "Plan": len(project.waiting.all)}
    return markup("nav.html", **values, counts=counts)


def _banner(project: Project) -> Any:
    """What is wrong with the file, with its place; empty where nothing is."""
    return markup(
        "banner.html",
        problems=[problem.to_json() for problem in errors(project.followed.problems)],
        held=project.followed.held,
        remark=project.followed.remark,
        following=project.followed.on,
        file=project.sources.shown(project.sources.main),
    )
