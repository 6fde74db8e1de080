"""The list-servers dialect's routes to live sessions: connect, disconnect, what a server lists, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.door import Changed
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.changing import PLAN_HEADER, change_file
from reconciler.faces.api.config.document import meant
from reconciler.faces.api.list_servers.asked import text_of
from reconciler.faces.api.list_servers.rows import capabilities_of
from reconciler.faces.api.list_servers.whose import known_server
from reconciler.faces.api.on_file import file_now
from reconciler.faces.api.seen import Seen, listing_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem
from reconciler.sessions.listing import Listing

_GRACE = 5.0
"""Seconds beyond a server's own deadline that a connect waits for it."""


def routes(roots: Iterable[str]) -> list[RoleRoute]:
    """With the id in the path, and with it in the body or the query."""
    inside = [f"{root}/{{id}}" for root in roots]
    return [
        *(RoleRoute(f"{path}/connect", connect, "editor", "POST") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/disconnect", disconnect, "editor", "POST") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/tools", get_tools, "viewer") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/resources", get_resources, "viewer") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/prompts", get_prompts, "viewer") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/resources/read", read_resource, "client") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/resources/read", read_resource, "client", "POST") for path in ("/api/mcp", *inside)),
        *(RoleRoute(f"{path}/prompts/get", get_prompt, "client", "POST") for path in ("/api/mcp", *inside)),
    ]


async def connect(request: Request) -> JSONResponse:
    """`{"success", "message", "capabilities"}` once it is connected; one that is disabled is enabled in the file."""
    project, seen = await _named(request, "Server not found")
    said, headers = "Already connected", {}
    if project.serving(seen.server.id) is None:
        said, headers = "Connected successfully", await _begin(request, project, seen)
        await _connected(project, seen)
    answer = {"success": True, "message": said, "capabilities": capabilities_of(project, seen)}
    return JSONResponse(answer, headers=headers)


async def _begin(request: Request, project: Project, seen: Seen) -> dict[str, str]:
    server_id, headers = seen.server.id, {}
    if not seen.server.enabled:
        changed = await _switch(request, project, server_id, enabled=True)
        headers = {PLAN_HEADER: changed.plan_id}
    pending = next((one.plan for one in project.waiting.all if one.server == server_id), None)
    if pending is not None:
        raise HttpProblem(409, "waits", f"waits for approval {pending}", headers=headers)
    wanted = project.wanted(server_id)
    if wanted is None or not wanted.enabled:
        raise HttpProblem(409, "disabled", "it stays disabled: its group is", headers=headers)
    if (paused := project.pauses.why(server_id)) is not None:
        raise HttpProblem(409, "paused", paused, headers=headers)
    if project.status_of(server_id)[0] == "error":
        project.retry(server_id)
    return headers


async def _connected(project: Project, seen: Seen) -> None:
    """Return once a session serves. Raises HttpProblem 502, 504."""
    try:
        failure = await asyncio.wait_for(project.settled(seen.server.id), seen.server.timeouts.start + _GRACE)
    except TimeoutError as error:
        raise HttpProblem(504, "deadline", "it did not connect in time") from error
    if project.serving(seen.server.id) is None:
        reason = str(failure) if failure is not None else project.status_of(seen.server.id)[1]
        raise HttpProblem(502, "not-connected", project.environment.hide(reason) or "it is not connected")


async def disconnect(request: Request) -> JSONResponse:
    """`{"success"}`: the server is disabled in the file, and its session closed."""
    project, seen = await _named(request, "Server not found")
    changed = await _switch(request, project, seen.server.id, enabled=False)
    return JSONResponse({"success": True}, headers={PLAN_HEADER: changed.plan_id})


async def _switch(request: Request, project: Project, server_id: str, *, enabled: bool) -> Changed:
    patch = {"mcpServers": {server_id: {"enabled": enabled}}}
    return await change_file(request, project, meant(patch, (await file_now(project)).document))


async def get_tools(request: Request) -> JSONResponse:
    """`{"success", "tools": [{"name", "description", "inputSchema"}]}`."""
    tools = (await _listing(request)).tools
    rows = [{**_members(tool, "name", "description"), "inputSchema": tool["inputSchema"]} for tool in tools]
    return JSONResponse({"success": True, "tools": rows})


async def get_resources(request: Request) -> JSONResponse:
    """`{"success", "resources": [{"uri", "name", "description", "mimeType"}]}`."""
    resources = (await _listing(request)).resources
    rows = [_members(resource, "uri", "name", "description", "mimeType") for resource in resources]
    return JSONResponse({"success": True, "resources": rows})


async def get_prompts(request: Request) -> JSONResponse:
    """`{"success", "prompts": [{"name", "description", "arguments": [{"name", "description", "required"}]}]}`."""
    rows = [
        {**_members(prompt, "name", "description"), "arguments": [*map(_argument, _arguments(prompt))]}
        for prompt in (await _listing(request)).prompts
    ]
    return JSONResponse({"success": True, "prompts": rows})


async def _listing(request: Request) -> Listing:
    """What the server shows, once a session that is on its way is there. Raises HttpProblem, NotLive."""
    project, seen = await known_server(request, "viewer")
    if seen.accepted and seen.server.enabled and project.serving(seen.server.id) is None:
        await project.ready(seen.server.id)
    if project.serving(seen.server.id) is None:
        raise HttpProblem(409, "not-connected", seen.waits or "it is disabled")
    return listing_of(project, seen)


def _members(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given.get(name) for name in names}


def _arguments(prompt: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = prompt.get("arguments")
    return [argument for argument in given if isinstance(argument, dict)] if isinstance(given, list) else []


def _argument(argument: Mapping[str, Any]) -> dict[str, Any]:
    return {**_members(argument, "name", "description"), "required": argument.get("required") is True}


async def read_resource(request: Request) -> JSONResponse:
    """`?uri=` or `{"uri"}` -> `{"success", "result"}`."""
    body = {} if request.method == "GET" else await json_body(request)
    uri = text_of(body, "uri") or request.query_params.get("uri")
    if not uri:
        raise HttpProblem(400, "no-uri", "uri is required")
    return await _asked(request, body, "resources/read", {"uri": uri})


async def get_prompt(request: Request) -> JSONResponse:
    """`{"name", "arguments"}` -> `{"success", "result"}`."""
    body = await json_body(request)
    name, arguments = text_of(body, "name"), body.get("arguments") or {}
    if not name:
        raise HttpProblem(400, "no-name", "name is required")
    if not isinstance(arguments, dict) or not all(isinstance(value, str) for value in arguments.values()):
        raise HttpProblem(400, "bad-arguments", "arguments must be an object of texts")
    return await _asked(request, body, "prompts/get", {"name": name, "arguments": arguments})


async def _asked(request: Request, body: Mapping[str, Any], method: str, params: dict[str, Any]) -> JSONResponse:
    """The answer of a server, through the gate."""
    project, seen = await known_server(request, "client", text_of(body, "id"))
    result = await project.gate.ask(principal(request), seen.server.id, method, params)
    return JSONResponse({"success": True, "result": result})


async def _named(request: Request, unknown: str) -> tuple[Project, Seen]:
    """The server of the path or of the body's `id`."""
    body = await json_body(request)
    try:
        return await known_server(request, "editor", request.path_params.get("id") or text_of(body, "id"))
    except HttpProblem as problem:
        if problem.status == 404:
            raise HttpProblem(404, "unknown-server", unknown) from problem
        raise
