"""`/namespaces` and `/health`: a namespace is a project of this engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.engine.folder import FolderRefused
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.access import JSON, RoleRoute, principal
from reconciler.faces.api.connect.holders import bearer_of, held_in
from reconciler.faces.api.connect.words import new_name
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.body import json_body, query_number
from reconciler.faces.http.problems import HttpProblem
from reconciler.store.tokens import BadName, adopt_token, read_tokens, token_digest

MOST = 100
"""Namespaces of a page."""
_USUAL = 20
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_STATUS = {"bad-name": 400, "unknown": 404, "read-only": 403}
_NO_BODY = (JSON, "")
"""Clients send nothing here, and then say nothing of its kind."""


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [
        RoleRoute("/health", health, None),
        RoleRoute("/namespaces", list_namespaces, "viewer"),
        RoleRoute("/namespaces", create_namespace, "operator", "POST", kinds=_NO_BODY),
        RoleRoute("/namespaces/{namespace}", set_namespace, "operator", "PUT", kinds=_NO_BODY),
        RoleRoute("/namespaces/{namespace}", delete_namespace, "operator", "DELETE"),
    ]


async def health(_: Request) -> JSONResponse:
    """For everybody."""
    return JSONResponse({"status": "ok", "timestamp": _text(datetime.now(UTC))})


async def list_namespaces(request: Request) -> JSONResponse:
    """Those where the token holds, by name, in pages; `q` is how their names begin."""
    page, size = query_number(request, "page", 1), query_number(request, "pageSize", _USUAL)
    if page < 1 or not 1 <= size <= MOST:
        raise HttpProblem(400, "bad-number", f'"page" begins with 1, and "pageSize" is 1 to {MOST}')
    names = _wanted(request, sorted(held_in(request.scope, host_of(request))))
    pages = -(-len(names) // size)
    pagination = {"currentPage": page, "pageSize": size, "totalPages": pages, "totalCount": len(names)}
    shown = [{"name": name} for name in names[(page - 1) * size : page * size]]
    return JSONResponse({"namespaces": shown, "pagination": pagination})


async def create_namespace(request: Request) -> JSONResponse:
    """A new one, under a name of our choice."""
    await _check_body(request)
    names = host_of(request).projects
    name = new_name()
    while name in names:
        name = new_name()
    return await _created(request, name)


async def set_namespace(request: Request) -> JSONResponse:
    """The namespace of that name, created where there is none."""
    name: str = request.path_params["namespace"]
    await _check_body(request)
    if name in host_of(request).projects:
        project = _held(request, name, "it is somebody else's")
        return JSONResponse(_shape(project))
    if not _NAME.fullmatch(name):
        raise HttpProblem(400, "bad-name", "a namespace has 1 to 63 small letters, digits and hyphens inside")
    return await _created(request, name)


async def delete_namespace(request: Request) -> JSONResponse:
    """The namespace with its connections, for good."""
    name: str = request.path_params["namespace"]
    project = _held(request, name, "its own operators alone delete it")
    # Whoever asks may lose the very token they ask with; what was asked is still answered.
    request.scope["principal"] = replace(principal(request))
    try:
        await host_of(request).remove(project.name)
    except FolderRefused as refused:
        raise _refused(refused) from refused
    return JSONResponse({"name": name, "success": True})


async def _check_body(request: Request) -> None:
    """Return where there is none, or nothing in it that this engine leaves out. Raises HttpProblem 400, 413."""
    if (await json_body(request)).get("organizationId") is not None:
        raise HttpProblem(400, "not-served", "this engine knows no organizations: leave `organizationId` out")


async def _created(request: Request, name: str) -> JSONResponse:
    who = principal(request)
    try:
        project = await host_of(request).create(name, who.name)
    except FolderRefused as refused:
        raise _refused(refused) from refused
    await asyncio.to_thread(_let_in, bearer_of(request.scope), host_of(request), project)
    project.tokens.look()
    return JSONResponse(_shape(project), 201)


def _refused(refused: FolderRefused) -> HttpProblem:
    return HttpProblem(_STATUS.get(refused.code, 409), refused.code, str(refused))


def _let_in(bearer: bytes | None, host: Host, project: Project) -> None:
    """Whoever created a namespace is its operator."""
    if bearer is None:
        return
    known = token_digest(bearer)
    tokens = (token for other in tuple(host.projects.values()) for token in read_tokens(other.state))
    token = next((token for token in tokens if token.sha256 == known), None)
    if token is None:
        return
    for name in (token.name, f"{token.name[:40]}-{known[:8]}"):
        with suppress(BadName):  # the new namespace has a token of its own that is called so
            adopt_token(project.state, replace(token, name=name, role="operator"))
            break


def _held(request: Request, name: str, otherwise: str) -> Project:
    """A namespace where whoever asks is an operator. Raises HttpProblem 403, 404."""
    held = held_in(request.scope, host_of(request)).get(name)
    if name not in host_of(request).projects:
        raise HttpProblem(404, "not-found", f'there is no namespace "{name[:63]}" here')
    if held is None or held[1].role not in ("operator", "owner"):
        raise HttpProblem(403, "not-allowed", f'"{name}" is there, and {otherwise}')
    return held[0]


def _wanted(request: Request, names: Sequence[str]) -> list[str]:
    """There are neither published servers nor skills in any of them."""
    asked = request.query_params
    if any(asked.get(word) in ("1", "true") for word in ("hasServers", "hasSkills")):
        return []
    if "ownerId" in asked:
        raise HttpProblem(400, "not-served", "this engine knows no owners: leave `ownerId` out")
    return [name for name in names if name.startswith(asked.get("q", ""))]


def _shape(project: Project) -> dict[str, str]:
    """It was created when its key was made."""
    made = datetime.fromtimestamp(project.state.key_file.stat().st_mtime, UTC)
    return {"name": project.name, "createdAt": _text(made)}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
