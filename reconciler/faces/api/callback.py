"""`/oauth/mcp/callback`: where a browser comes back from signing in to a server. Open: the state is the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.hosted import host_of
from reconciler.sessions.sign_in.credential import SignInRefused
from reconciler.sessions.sign_in.sign_ins import CALLBACK, UNKNOWN

_LONGEST = 4096
_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body>
</html>
"""


def routes() -> list[RoleRoute]:
    """The one route; it needs no token."""
    return [RoleRoute(CALLBACK, come_back, None)]


async def come_back(request: Request) -> Response:
    """`?code&state&iss` or `?error&error_description&state&iss` -> a page that says in a sentence what came of it."""
    brought = brought_back(request.query_params)
    project = _project_of(host_of(request), brought.state)
    if project is None:
        return _page(400, UNKNOWN)
    try:
        server = await project.sign_ins.finish(brought.state, brought.code, brought.iss, brought.error)
    except SignInRefused as refusal:
        return _page(400, project.environment.hide(str(refusal)))
    name = project.ledger.document.servers.get(server, {}).get("name", server)
    return _page(200, f"{name} is signed in. You can close this page.")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a browser brings; `error` in the authorization server's words."""

    state: str
    code: str | None = field(repr=False)
    iss: str | None
    error: str | None


def brought_back(query: QueryParams) -> Brought:
    """What stands there once; a parameter that stands there twice is none (RFC 6749, 3.1)."""
    found: dict[str, list[str]] = {}
    for name, value in query.multi_items():
        found.setdefault(name, []).append(value)
    given = {name: values[0] for name, values in found.items() if len(values) == 1 and len(values[0]) <= _LONGEST}
    words = ": ".join(given[name] for name in ("error", "error_description") if name in given)
    return Brought(given.get("state", ""), given.get("code"), given.get("iss"), words or None)


def _project_of(host: Host, state: str) -> Project | None:
    """Whose sign-in it is, whatever project the path names."""
    return next((project for project in host.projects.values() if project.sign_ins.knows(state)), None)


def _page(status: int, sentence: str) -> HTMLResponse:
    title = "Signed in" if status == 200 else "Not signed in"
    return HTMLResponse(_PAGE.format(title=title, text=escape(sentence)), status, headers=dict(_HEADERS))
