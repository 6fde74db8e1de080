"""`/api/v1/approvals` and `/api/v1/audit`: the calls that wait for a person, the answers, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from sqlite3 import Error as DatabaseError
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.answering import answer_call, forget
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.said import read_choice, who_says_it
from reconciler.faces.http.body import json_body, query_number
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.approvals import Decision, NotDecided, Reach
from reconciler.gate.showing import shown
from reconciler.store.approval_rows import CLOSED, OPEN, CallRow
from reconciler.store.audit_rows import AuditRows

MOST_ROWS = 10_000
_STATUS = {"unknown-call": 404, "too-late": 409, "changed": 409, "not-allowed": 403, "not-recorded": 503}


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/approvals", get_approvals, "viewer"),
        RoleRoute("/approvals/{call}", get_approval, "viewer"),
        RoleRoute("/approvals/{call}", post_approval, "operator", "POST"),
        RoleRoute("/forget", post_forget, "operator", "POST"),
        RoleRoute("/audit", get_audit, "viewer"),
    ]


async def get_approvals(request: Request) -> JSONResponse:
    """`{"approvals": [{"id", "server", "tool", "arguments", "requestedAt", "expiresAt", "principal"}]}`.

    Those without an answer yet, the oldest first; with `?all=1` all that is kept, with what became of it.
    """
    project, everything = project_of(request), request.query_params.get("all") == "1"
    try:
        rows = await project.gate.approvals.listed(*((*OPEN, *CLOSED) if everything else ("waiting",)))
    except DatabaseError as error:
        raise _unreadable(error) from error
    hide = project.environment.hide
    entries = [{**shown(row, hide), **(_fate(project, row) if everything else {})} for row in rows]
    return JSONResponse({"approvals": entries})


async def get_approval(request: Request) -> JSONResponse:
    """One call, whatever became of it, with its arguments whole."""
    project, call_id = project_of(request), request.path_params["call"]
    try:
        row = await project.gate.approvals.get(call_id)
    except DatabaseError as error:
        raise _unreadable(error) from error
    if row is None:
        raise HttpProblem(404, "unknown-call", f"no call {call_id} is known (any more)")
    return JSONResponse({**shown(row, project.environment.hide, whole=True), **_fate(project, row)})


async def post_approval(request: Request) -> JSONResponse:
    """`{"decision": "allow" | "deny", "for": "once" | "session" | "always"}` -> `{"id", "state", "for", "refused"}`."""
    project, body, asks = project_of(request), await json_body(request), principal(request)
    allow = _decision(body) == "allow"
    reach: Any = read_choice(body, "for", get_args(Reach))
    who = who_says_it(request, body).encode("utf-8", "replace").decode()
    try:
        answered = await answer_call(project, asks, request.path_params["call"], Decision(allow, who, reach))
    except NotDecided as error:
        raise HttpProblem(_STATUS[error.code], error.code, project.environment.hide(str(error))) from error
    return JSONResponse(answered.to_json())


async def post_forget(request: Request) -> JSONResponse:
    """`{"server", "tool"}` -> `{"forgotten": bool}`: a tool that this machine let through asks again."""
    project, body = project_of(request), await json_body(request)
    server, tool, who = str(body.get("server", "")), str(body.get("tool", "")), who_says_it(request, body)
    try:
        forgotten = await forget(project, server, tool, who.encode("utf-8", "replace").decode())
    except (OSError, DatabaseError) as error:
        raise HttpProblem(503, "not-recorded", f"it cannot be written down, so nothing changed: {error}") from error
    return JSONResponse({"forgotten": forgotten})


async def get_audit(request: Request) -> JSONResponse:
    """`?since=TIME&limit=N` -> `{"audit": [row]}`, the oldest first; TIME is ISO 8601 in UTC."""
    project, limit = project_of(request), query_number(request, "limit", MOST_ROWS)
    since = _moment(request.query_params.get("since", ""))
    try:
        rows = await AuditRows(project.records).since(since, min(limit, MOST_ROWS))
    except DatabaseError as error:
        raise _unreadable(error) from error
    hide = project.environment.hide
    return JSONResponse({"audit": [{**row, "reason": row["reason"] and hide(row["reason"])} for row in rows]})


def _fate(project: Project, row: CallRow) -> dict[str, Any]:
    reason = row.reason and project.environment.hide(row.reason)
    awaited = project.gate.approvals.is_awaited(row.id)
    return {"state": row.state, "since": row.changed, "who": row.who, "reason": reason, "awaited": awaited}


def _decision(body: Mapping[str, Any]) -> str:
    """There is no default: who says neither yes nor no has not decided."""
    decision = body.get("decision")
    if decision not in ("allow", "deny"):
        raise HttpProblem(400, "bad-choice", '"decision" must be allow or deny')
    return str(decision)


def _moment(text: str) -> str:
    """A time as the audit has it. Raises HttpProblem 400."""
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None or moment.utcoffset():
        raise HttpProblem(400, "bad-time", '"since" must be a time such as 2026-11-21T04:00:00Z')
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unreadable(error: Exception) -> HttpProblem:
    return HttpProblem(503, "not-recorded", f"the records cannot be used: {error}")
