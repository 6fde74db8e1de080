"""Signing in to a server: a section of its page, with the way to where a person signs in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from reconciler.engine.project import Project
from reconciler.faces.api.access import require
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.page.entering import visit_of
from reconciler.faces.page.forms import back_to, form_route, refused_to
from reconciler.faces.page.look import markup
from reconciler.faces.page.part import Part, part
from reconciler.model.server import Remote, Transport
from reconciler.sessions.addresses import is_loopback
from reconciler.sessions.session import SessionError
from reconciler.sessions.sign_in.credential import SignInRefused


def routes() -> list[BaseRoute]:
    """Where a sign-in is begun, and where it is forgotten."""
    at = "/servers/{server}/sign-in"
    return [form_route(at, begin), form_route(f"{at}/forget", forget)]


def shown(project: Project, server_id: str, around: Mapping[str, Any]) -> Part:
    """The section; empty where nobody signs in to the server."""
    wanted = project.wanted(server_id)
    kind = _kind(wanted.transport) if wanted is not None and wanted.enabled else ""
    url = project.sign_ins.auth_url(server_id) if kind else None
    ended, reason = project.sign_ins.outcome(server_id)
    return part(
        markup(
            "server/sign_in.html",
            **around,
            kind=kind,
            url=url if url and is_page(url) else None,
            strange=bool(url) and not is_page(url or ""),
            host=urlsplit(url).hostname if url and is_page(url) else None,
            signed_in=ended and reason is None,
            reason=project.environment.hide(reason or ""),
        )
    )


def is_page(url: str) -> bool:
    """Whether a person is sent there: under https, or on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        return False


async def begin(request: Request, _: FormData) -> Response:
    """Have a page made where a person signs in."""
    require(request, "operator")
    project = project_of(request)
    server_id = applied_server(request, project)
    try:
        await project.sign_ins.begin(server_id)
        said = "The page to sign in is below."
    except (SignInRefused, SessionError) as refusal:
        why = f"Nobody can sign in now: {project.environment.hide(str(refusal))}"
        return refused_to(request, f"servers/{server_id}", why)
    finally:
        project.news.tell()
    return back_to(request, f"servers/{server_id}", said)


async def forget(request: Request, _: FormData) -> Response:
    """Forget the tokens of a server."""
    require(request, "operator")
    project = project_of(request)
    server_id = applied_server(request, project)
    try:
        forgotten = await project.sign_ins.forget(server_id)
        said = "The sign-in is forgotten." if forgotten else "There was no sign-in to forget."
        project.events.say("sign-in", f"{visit_of(request).principal.name} had the sign-in forgotten", server_id)
    except SessionError as error:
        return refused_to(request, f"servers/{server_id}", project.environment.hide(str(error)))
    return back_to(request, f"servers/{server_id}", said)


def _kind(transport: Transport) -> Literal["", "person", "program"]:
    """Who signs in there, as the file says."""
    if not isinstance(transport, Remote) or not (transport.oauth or transport.azure):
        return ""
    oauth = transport.oauth if isinstance(transport.oauth, Mapping) else {}
    return "program" if transport.azure or oauth.get("grant") == "client_credentials" else "person"
