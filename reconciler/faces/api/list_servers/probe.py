"""What can be said of a server before it is there. Nothing is started here, and nothing is contacted.

Whoever may ask could name any program and any address; only what the file names, and a person said yes to, is run or
called. So these answer from the rules of the file and from the sessions that live already.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.config.read import Source, read
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute
from reconciler.faces.api.list_servers.asked import read_transport, text_of
from reconciler.faces.api.list_servers.rows import (
    server_detail,
    shown_command,
    shown_url,
    transport_type,
)
from reconciler.faces.api.list_servers.whose import meant_project
from reconciler.faces.api.seen import Seen, failure_of, servers_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem
from reconciler.model.server import Remote
from reconciler.problems import errors

_NOT_CONTACTED = "only servers of the file are contacted"


def routes() -> list[RoleRoute]:
    """They write nothing."""
    return [
        RoleRoute("/api/mcp/validate", validate, "viewer", "POST"),
        RoleRoute("/api/mcp/detect-auth", detect_auth, "viewer", "POST"),
        RoleRoute("/api/mcp/detect-transport", detect_transport, "viewer", "POST"),
    ]


async def validate(request: Request) -> JSONResponse:
    """The members of a create -> `{"valid", "message", "status", "capabilities", "serverInfo"}`."""
    body = await json_body(request, required=True)
    project = meant_project(request, "viewer")
    try:
        fields = read_transport(body)
        wrong = _mistakes(fields)
    except HttpProblem as problem:
        wrong = str(problem)
    if wrong:
        return JSONResponse(_validated(False, wrong))
    twin = await _twin(project, fields.get("url"), fields.get("command"), fields.get("args"))
    if twin is None:
        return JSONResponse(_validated(True, f"The configuration is in order. Nothing was tried: {_NOT_CONTACTED}."))
    detail, failure = server_detail(project, twin), failure_of(project, twin)
    said = f'This is "{twin.server.id}" of the file, which is {detail["status"]}{f": {failure}" if failure else ""}'
    answer = _validated(failure is None, said)
    return JSONResponse(
        {**answer, "capabilities": detail["capabilities"], "serverInfo": detail["serverImplementation"]}
    )


def _mistakes(fields: dict[str, Any]) -> str:
    """Everything that the file would have against it."""
    text = json.dumps({"version": 1, "mcpServers": {"new": fields}})
    found = errors(read([Source("new.json", text)], default_project="new").problems)
    return ", ".join(problem.detail for problem in found)


def _validated(valid: bool, message: str) -> dict[str, Any]:
    return {
        "valid": valid,
        "message": message,
        "status": "ok" if valid else "error",
        "capabilities": None,
        "serverInfo": None,
    }


async def detect_auth(request: Request) -> JSONResponse:
    """`{"url"}` -> `{"success", "isAuthenticated", "authType", "requiresAuth", "error"}`."""
    project, twin = await _named_by_url(request)
    if twin is None:
        unknown = {"success": False, "isAuthenticated": False, "authType": "none", "requiresAuth": False}
        return JSONResponse({**unknown, "error": f"Nothing is known of this address: {_NOT_CONTACTED}."})
    kind = _auth_type(twin)
    waits = project.sign_ins.auth_url(twin.server.id) is not None
    return JSONResponse(
        {
            "success": True,
            "isAuthenticated": kind != "none" and project.serving(twin.server.id) is not None,
            "authType": kind,
            "requiresAuth": waits or kind != "none",
            "error": failure_of(project, twin),
        }
    )


def _auth_type(seen: Seen) -> str:
    """oauth, bearer, custom or none, as the file has it."""
    transport = seen.server.transport
    if not isinstance(transport, Remote):
        return "none"
    if transport.oauth or transport.azure:
        return "oauth"
    headers: dict[str, str] = {name.lower(): text for name, text in seen.written.get("headers", {}).items()}
    if headers.get("authorization", "").lower().startswith("bearer "):
        return "bearer"
    return "custom" if headers else "none"


async def detect_transport(request: Request) -> JSONResponse:
    """`{"url"}` -> `{"success", "message", "supportedTypes", "recommended"}`."""
    project, twin = await _named_by_url(request)
    if twin is None:
        message = f"Nothing is known of this address: {_NOT_CONTACTED}."
        return JSONResponse({"success": False, "message": message, "supportedTypes": [], "recommended": None})
    kind, live = transport_type(twin.server), project.serving(twin.server.id) is not None
    said = f'This is "{twin.server.id}" of the file, which is reached over {kind}{"" if live else " and not connected"}'
    return JSONResponse(
        {"success": live, "message": said, "supportedTypes": [kind] if live else [], "recommended": kind}
    )


async def _named_by_url(request: Request) -> tuple[Project, Seen | None]:
    body, project = await json_body(request, required=True), meant_project(request, "viewer")
    url = text_of(body, "url")
    if not url:
        raise HttpProblem(400, "no-url", "url is required")
    return project, await _twin(project, url, None, None)


async def _twin(project: Project, url: str | None, command: str | None, words: list[str] | None) -> Seen | None:
    """The server of the file that is reached so. What is compared is what is shown: no secret is told by a guess."""
    for seen in await servers_of(project):
        if url is not None and shown_url(seen) == url:
            return seen
        if command is not None and shown_command(seen) == (command, words):
            return seen
    return None
