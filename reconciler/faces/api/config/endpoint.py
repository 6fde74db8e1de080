"""`/api/config` and `/api/mcp-servers`: the config dialect, under `/p/<project>` as well."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from reconciler import __version__
from reconciler.engine.door import Changed
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api import callback
from reconciler.faces.api.access import JSON, MERGE_PATCH, RoleRoute, with_all_methods
from reconciler.faces.api.changing import PLAN_HEADER, InvalidChange, by_hand, change_file
from reconciler.faces.api.config.document import meant, shown_document, shown_server
from reconciler.faces.api.config.servers import server_rows
from reconciler.faces.api.hosted import host_of, project_of, takes
from reconciler.faces.api.on_file import FileNow, file_now
from reconciler.faces.http.access import principal_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.face import Face
from reconciler.faces.http.preconditions import entity_tag
from reconciler.faces.http.problems import HttpProblem, as_problem
from reconciler.merge_patch import apply
from reconciler.sessions.sign_in.sign_ins import CALLBACK

PRODUCT = "mcp-reconciler"
_WORDS = {"no-transport": "Either command or url is required"}
"""The sentences that clients of this dialect know, by the code of our own."""


def routes() -> list[BaseRoute]:
    """The routes of one project, each with the role that it needs at least; `/` needs none."""
    found: list[BaseRoute] = [
        Route("/", get_root),
        RoleRoute("/api/config", get_config, "viewer"),
        RoleRoute("/api/config", patch_config, "editor", "PATCH", kinds=(JSON, MERGE_PATCH)),
        RoleRoute("/api/mcp-servers", get_servers, "viewer"),
        RoleRoute("/api/mcp-servers", post_server, "editor", "POST"),
        *callback.routes(),
    ]
    return with_all_methods(found)


def face(host: Host) -> Face:
    """The face of every project of a host."""
    app = Starlette(
        routes=[Mount("/p/{project}", routes=routes()), *routes()],
        exception_handlers={Exception: _show, HttpProblem: _show, HTTPException: _show},
    )
    app.router.redirect_slashes = False
    app.state.host = host
    open_paths = (("GET", "/"), ("HEAD", "/"), ("GET", CALLBACK))
    return Face(app, _said, open=frozenset(open_paths), visited=frozenset({("GET", CALLBACK)}))


async def get_root(request: Request) -> Response:
    """`{"name", "version", "runtime", "serverless", "auth": {"setup", "authenticated"}}`: who answers here. A browser
    is shown the page."""
    if takes(request, "text/html"):
        return RedirectResponse(f"{request.scope['path'].rstrip('/')}/ui/", 303, {"vary": "accept"})
    known = _is_known(request)
    auth = {"setup": True, "authenticated": known}
    return JSONResponse(
        {"name": PRODUCT, "version": __version__, "runtime": "python", "serverless": False, "auth": auth}
    )


def _is_known(request: Request) -> bool:
    """Whether the token holds, where one is shown; wrong ones count as they do everywhere. Raises HttpProblem 429."""
    if "principal" in request.scope:
        return True
    try:
        principal_of(request.scope, host_of(request).root)
    except HttpProblem as problem:
        if problem.status == 429:
            raise
        return False
    return True


async def get_config(request: Request) -> JSONResponse:
    """The whole configuration, resolved (`document`); ETag is that of the file."""
    return _whole(await file_now(project_of(request)))


async def patch_config(request: Request) -> JSONResponse:
    """A merge patch (RFC 7396) -> the whole configuration after it. Nothing changes where it is refused."""
    project, patch = project_of(request), await json_body(request, required=True)
    if patch.get("mcpServers", {}) is None:
        message = "mcpServers: null would remove every server at once; name each one that goes with null"
        raise HttpProblem(400, "too-much", message)
    changed = await change_file(request, project, meant(patch, (await file_now(project)).document))
    return _whole(await file_now(project), changed)


def _whole(now: FileNow, changed: Changed | None = None) -> JSONResponse:
    headers = {"etag": entity_tag(now.etag), **({PLAN_HEADER: changed.plan_id} if changed else {})}
    return JSONResponse(shown_document(now.document), headers=headers)


async def get_servers(request: Request) -> JSONResponse:
    """`{"servers": [...]}` (`servers`)."""
    return JSONResponse({"servers": await server_rows(project_of(request))})


async def post_server(request: Request) -> JSONResponse:
    """The fields of a server, and perhaps its `id` -> 201 with the id and the fields, defaults filled in."""
    project, fields = project_of(request), await json_body(request, required=True)
    server_id = fields.pop("id", None) or str(uuid.uuid4())
    if not isinstance(server_id, str):
        raise HttpProblem(400, "bad-id", "id: it must be text")
    patch = {"mcpServers": {server_id: fields}}
    changed = await change_file(request, project, patch, fresh={server_id})
    answer = {"id": server_id, **await _shown_new(project, server_id, fields)}
    return JSONResponse(answer, 201, headers={PLAN_HEADER: changed.plan_id})


async def _shown_new(project: Project, server_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The server that was just written; somebody may have taken it away again at once."""
    document = (await file_now(project)).document
    if server_id not in document.servers:
        document = replace(document, written=apply(document.written, {"mcpServers": {server_id: fields}}))
    return shown_server(document, server_id)


async def _show(request: Request, error: Exception) -> Response:
    problem = as_problem(error)
    if isinstance(error, HTTPException) and problem.status == 404:
        return JSONResponse({"error": "Not Found", "path": request.url.path}, 404)
    return _said(problem)


def _said(problem: HttpProblem) -> Response:
    match problem:
        case InvalidChange():
            said = ", ".join(
                f"{'.'.join(map(str, path))}: {_WORDS.get(code, text)}" for path, code, text in problem.issues
            )
        case HttpProblem(status=401):
            said = "unauthorized"
        case _:
            said = str(problem)
    return JSONResponse({"error": said, **by_hand(problem)}, problem.status, problem.headers)
