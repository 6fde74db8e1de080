"""`/api/v1/approvals` and `/api/v1/audit`: the calls that wait for a person, the answers, and what was decided."""

from __future__ import annotations

from sqlite3 import Error as DatabaseError
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.answering import answer_call, forget
from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.description import Asked, Digits, Flag, Moment, Refusal, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.api.said import Said, who_says_it
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.approvals import Decision, NotDecided, Reach
from reconciler.gate.showing import shown
from reconciler.store.approval_rows import CLOSED, OPEN, CallRow, State
from reconciler.store.audit_rows import AuditRows

MOST_ROWS = 10_000
_STATUS = {"unknown-call": 404, "too-late": 409, "changed": 409, "not-allowed": 403, "not-recorded": 503}


class CallShown(Shown):
    """A call that asked. What became of it comes along where it was asked for."""

    id: str
    server: str
    tool: str
    arguments: Any = Field(description="The arguments; of very many, a text that is cut.")
    requestedAt: str
    expiresAt: str
    principal: str
    state: State = "waiting"
    since: str | None = None
    who: str | None = None
    reason: str | None = None
    awaited: bool = Field(default=False, description="Whether its caller still waits.")


class CallsShown(Shown):
    """The oldest first."""

    approvals: list[CallShown]


class ListQuery(Asked):
    """Which."""

    all: Flag = Field(default=False, description="Also those that have their answer, with what became of them.")


class DecisionBody(Said):
    """A person's answer. There is no default: who says neither yes nor no has not decided."""

    decision: Literal["allow", "deny"]
    reach: Reach = Field(default="once", alias="for", description="How far a yes goes.")


class Answered(Shown):
    """What an answer came to. `runs`: its caller still waits, so it runs now; `refused`: why not as far as asked."""

    id: str
    state: State
    reach: Reach = Field(alias="for")
    runs: bool
    refused: Refusal | None


class ToolBody(Said):
    """A tool of a server."""

    server: str
    tool: str


class ForgottenTool(Shown):
    """Whether this machine had let it through."""

    forgotten: bool


class AuditQuery(Asked):
    """Which."""

    since: Moment | None = Field(default=None, description="From this time on.")
    limit: Digits = Field(default=MOST_ROWS, description="The last so many of them.")


class Entry(Shown):
    """One decision about a call. `arguments` and `shown` are digests."""

    id: int
    at: str
    principal: str
    server: str
    tool: str
    arguments: str
    decision: str
    outcome: str
    call: str | None
    who: str | None
    shown: str | None
    reason: str | None


class Audit(Shown):
    """The oldest first."""

    audit: list[Entry]


_BROKEN = {503: ("not-recorded",)}
_UNKNOWN = {404: ("unknown-call",), **_BROKEN}
_LIST = Says("The calls that wait for a person", CallsShown, query=ListQuery, refusals=_BROKEN)
_ONE = Says("One call, with its arguments whole", CallShown, refusals=_UNKNOWN)
_ANSWER = Says(
    "Let a waiting call run, or not",
    Answered,
    body=DecisionBody,
    refusals={**_UNKNOWN, 409: ("too-late", "changed")},
)
_FORGET = Says("Have a tool ask again that was always let through", ForgottenTool, body=ToolBody, refusals=_BROKEN)
_AUDIT = Says("What was decided about calls", Audit, query=AuditQuery, refusals=_BROKEN)


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/approvals", get_approvals, "viewer", says=_LIST),
        RoleRoute("/approvals/{call}", get_approval, "viewer", says=_ONE),
        RoleRoute("/approvals/{call}", post_approval, "operator", "POST", says=_ANSWER),
        RoleRoute("/forget", post_forget, "operator", "POST", says=_FORGET),
        RoleRoute("/audit", get_audit, "viewer", says=_AUDIT),
    ]


async def get_approvals(request: Request) -> JSONResponse:
    """`{"approvals": [{"id", "server", "tool", "arguments", "requestedAt", "expiresAt", "principal"}]}`.

    Those without an answer yet, the oldest first; with `?all=true` all that is kept, with what became of it.
    """
    project, everything = project_of(request), query_of(request, ListQuery).all
    rows = await calls_of(project, *((*OPEN, *CLOSED) if everything else ("waiting",)))
    hide = project.environment.hide
    entries = [{**shown(row, hide), **(_fate(project, row) if everything else {})} for row in rows]
    return JSONResponse({"approvals": entries})


async def get_approval(request: Request) -> JSONResponse:
    """One call, whatever became of it, with its arguments whole."""
    project = project_of(request)
    row = await call_of(project, request.path_params["call"])
    return JSONResponse({**shown(row, project.environment.hide, whole=True), **_fate(project, row)})


async def post_approval(request: Request) -> JSONResponse:
    """`{"decision": "allow" | "deny", "for": "once" | "session" | "always"}` -> `{"id", "state", "for", "refused"}`."""
    project, body, asks = project_of(request), body_of(request, DecisionBody), principal(request)
    who = who_says_it(request, body)
    try:
        answered = await answer_call(
            project, asks, request.path_params["call"], Decision(body.decision == "allow", who, body.reach)
        )
    except NotDecided as error:
        raise HttpProblem(_STATUS[error.code], error.code, project.environment.hide(str(error))) from error
    return JSONResponse(answered.to_json())


async def post_forget(request: Request) -> JSONResponse:
    """`{"server", "tool"}` -> `{"forgotten": bool}`: a tool that this machine let through asks again."""
    project, body = project_of(request), body_of(request, ToolBody)
    try:
        forgotten = await forget(project, body.server, body.tool, who_says_it(request, body))
    except (OSError, DatabaseError) as error:
        raise HttpProblem(503, "not-recorded", f"it cannot be written down, so nothing changed: {error}") from error
    return JSONResponse({"forgotten": forgotten})


async def get_audit(request: Request) -> JSONResponse:
    """`?since=TIME&limit=N` -> `{"audit": [row]}`, the oldest first; TIME is RFC 3339."""
    project, query = project_of(request), query_of(request, AuditQuery)
    try:
        rows = await AuditRows(project.records).since(query.since or "", min(query.limit, MOST_ROWS))
    except DatabaseError as error:
        raise _unreadable(error) from error
    hide = project.environment.hide
    return JSONResponse({"audit": [{**row, "reason": row["reason"] and hide(row["reason"])} for row in rows]})


async def calls_of(project: Project, *states: State) -> list[CallRow]:
    """The calls in one of `states`, the oldest first. Raises HttpProblem 503."""
    try:
        return await project.gate.approvals.listed(*states)
    except DatabaseError as error:
        raise _unreadable(error) from error


async def call_of(project: Project, call_id: str) -> CallRow:
    """One call as it is now. Raises HttpProblem 404, 503."""
    try:
        row = await project.gate.approvals.get(call_id)
    except DatabaseError as error:
        raise _unreadable(error) from error
    if row is None:
        raise HttpProblem(404, "unknown-call", f"no call {call_id} is known (any more)")
    return row


def _fate(project: Project, row: CallRow) -> dict[str, Any]:
    reason = row.reason and project.environment.hide(row.reason)
    awaited = project.gate.approvals.is_awaited(row.id)
    return {"state": row.state, "since": row.changed, "who": row.who, "reason": reason, "awaited": awaited}


def _unreadable(error: Exception) -> HttpProblem:
    return HttpProblem(503, "not-recorded", f"the records cannot be used: {error}")
