"""`/api/mcp/servers`: the list-servers dialect, and its neighbours under `/api/mcp`."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.engine.door import Changed
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, with_all_methods
from reconciler.faces.api.changing import PLAN_HEADER, InvalidChange, by_hand, change_file
from reconciler.faces.api.config.document import meant
from reconciler.faces.api.list_servers import live, probe
from reconciler.faces.api.list_servers.asked import id_for, read_patch, read_server, text_of
from reconciler.faces.api.list_servers.rows import server_detail, server_row
from reconciler.faces.api.list_servers.whose import known_server, named_project
from reconciler.faces.api.on_file import file_now
from reconciler.faces.api.seen import servers_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.face import Face
from reconciler.faces.http.problems import HttpProblem, as_problem

_TRIES = 10
"""How often another id is tried for a new server while others make theirs."""


def routes() -> list[RoleRoute]:
    """Every route, each with the role that it needs at least: first those of fixed names, then those with an id."""
    both = ("/api/mcp/servers", "/api/mcp")
    found = [
        *(RoleRoute(path, list_servers, "viewer") for path in both),
        *(RoleRoute(path, create_server, "editor", "POST") for path in both),
        *probe.routes(),
        *live.routes(both),
        *(RoleRoute(f"{path}/{{id}}", get_server, "viewer") for path in both),
        *(RoleRoute(f"{path}/{{id}}", update_server, "editor", "PATCH") for path in both),
        *(RoleRoute(f"{path}/{{id}}", delete_server, "editor", "DELETE") for path in both),
    ]
    return with_all_methods(found)


def face(host: Host) -> Face:
    """The face of every project of a host."""
    app = Starlette(routes=routes(), exception_handlers={Exception: _show, HttpProblem: _show, HTTPException: _show})
    app.router.redirect_slashes = False
    app.state.host = host
    return Face(app, _said)


async def list_servers(request: Request) -> JSONResponse:
    """`?projectId=` -> `{"success", "servers": [...]}`; an unknown project has none."""
    named = request.query_params.getlist("projectId")
    project = named_project(request, named[0] if len(named) == 1 else None, "viewer")
    rows = [server_row(project, seen) for seen in await servers_of(project)] if project else []
    return JSONResponse({"success": True, "servers": rows})


async def get_server(request: Request) -> JSONResponse:
    """`{"success", "server": {...}}`: what the list has, and what it runs, what it is and what went wrong last."""
    project, seen = await known_server(request, "viewer")
    return JSONResponse({"success": True, "server": server_detail(project, seen)})


async def create_server(request: Request) -> JSONResponse:
    """`{"projectId", "name", "transportType", ...}` -> `{"success", "message", "serverId"}`."""
    body = await json_body(request, required=True)
    project = named_project(request, text_of(body, "projectId"), "editor")
    if project is None:
        raise HttpProblem(404, "unknown-project", "Project not found")
    fields = read_server(body)
    for tried in range(_TRIES):
        taken = {*(await file_now(project)).document.servers, *project.ledger.document.servers}
        server_id = id_for(fields["name"], taken)
        server = {**fields, "name": None} if fields["name"] == server_id else fields
        try:
            changed = await change_file(request, project, {"mcpServers": {server_id: server}}, fresh={server_id})
        except HttpProblem as problem:
            if problem.code != "exists" or tried == _TRIES - 1:
                raise
            continue
        waits = _waits(changed, server_id)
        said = f"MCP server created; it {waits}" if waits else "MCP server created successfully"
        answer = {"success": True, "message": said, "serverId": server_id}
        return JSONResponse(answer, headers={PLAN_HEADER: changed.plan_id})
    raise AssertionError("every turn ends or goes on")


async def update_server(request: Request) -> JSONResponse:
    """Some of the members of a create -> `{"success"}`."""
    project, seen = await known_server(request, "editor")
    now, body = await file_now(project), await json_body(request, required=True)
    fields = read_patch(body, now.document.servers.get(seen.server.id, seen.written))
    patch = meant({"mcpServers": {seen.server.id: fields}}, now.document)
    return await _write(request, project, seen.server.id, patch)


async def delete_server(request: Request) -> JSONResponse:
    """`{"success"}`; its session is closed first."""
    project, seen = await known_server(request, "editor")
    return await _write(request, project, seen.server.id, {"mcpServers": {seen.server.id: None}})


async def _write(request: Request, project: Project, server_id: str, patch: dict[str, Any]) -> JSONResponse:
    changed = await change_file(request, project, patch)
    waits = _waits(changed, server_id)
    answer = {"success": True, **({"message": f"Written; it {waits}"} if waits else {})}
    return JSONResponse(answer, headers={PLAN_HEADER: changed.plan_id})


def _waits(changed: Changed, server_id: str) -> str | None:
    """A sentence on what of a change waits for somebody's yes."""
    found = (one.plan for one in changed.waits if one.server == server_id)
    return next((f"waits for approval {plan}" for plan in found), None)


async def _show(_: Request, error: Exception) -> Response:
    return _said(as_problem(error))


def _said(problem: HttpProblem) -> Response:
    match problem:
        case InvalidChange():
            said = ", ".join(text for _, _, text in problem.issues)
        case HttpProblem(status=401):
            said = "Unauthorized"
        case _:
            said = str(problem)
    answer = {"success": False, "message": said, **by_hand(problem)}
    return JSONResponse(answer, problem.status, problem.headers)
