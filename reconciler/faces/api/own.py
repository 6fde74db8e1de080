"""`/api/v1`: our own dialect, spoken by the command line over the local socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount

from reconciler.engine.change import Applied, Held, Invalid, apply_file, approve
from reconciler.engine.execute import OnFailure, Outcome
from reconciler.engine.follow import AutoApprove
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.engine.rollback import NoSuchSerial, Target, patch_to, roll_back
from reconciler.engine.rollback import Refused as RollbackRefused
from reconciler.engine.saved import Stale, apply_saved
from reconciler.engine.status import server_status, status
from reconciler.faces.api import approvals, lock, secrets, tools
from reconciler.faces.api.access import RoleRoute, principal, require
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.api.said import read_choice, read_consent, read_names, who_says_it
from reconciler.faces.http.body import body_number, json_body, query_number
from reconciler.faces.http.lines import in_lines
from reconciler.faces.http.problems import HttpProblem, show_problem
from reconciler.plan.actions import Plan
from reconciler.sessions.session import SessionError

Tell = Callable[[Mapping[str, Any]], None]


def routes() -> list[RoleRoute]:
    """The routes below `/api/v1` of one project, each with the role that it needs at least."""
    return [
        RoleRoute("/hello", hello, "viewer"),
        RoleRoute("/status", get_status, "viewer"),
        RoleRoute("/observed", get_observed, "viewer"),
        RoleRoute("/apply", post_apply, "operator", "POST"),
        RoleRoute("/follow", post_follow, "operator", "POST"),
        RoleRoute("/history", get_history, "viewer"),
        RoleRoute("/rollback", get_rollback, "viewer"),
        RoleRoute("/rollback", post_rollback, "operator", "POST"),
        RoleRoute("/servers/{server}/restart", post_restart, "operator", "POST"),
        RoleRoute("/servers/{server}/logs", get_logs, "viewer"),
        RoleRoute("/events", get_events, "viewer"),
        RoleRoute("/events/stream", stream_events, "viewer"),
        RoleRoute("/call", post_call, "operator", "POST"),
        RoleRoute("/approve", post_approve, "operator", "POST"),
        RoleRoute("/deny", post_deny, "operator", "POST"),
        RoleRoute("/tokens/reread", post_reread, "owner", "POST"),
        RoleRoute("/stop", post_stop, "owner", "POST"),
        *tools.routes(),
        *lock.routes(),
        *secrets.routes(),
        *approvals.routes(),
    ]


def application(host: Host) -> Starlette:
    """The app; the front said who asks. Every project under `/p/<project>`, the first by name also at the root."""
    app = Starlette(
        routes=[Mount("/p/{project}/api/v1", routes=routes()), Mount("/api/v1", routes=routes())],
        exception_handlers={Exception: show_problem, HttpProblem: show_problem, HTTPException: show_problem},
    )
    app.state.host = host
    return app


def _server(request: Request, project: Project) -> str:
    server: str = request.path_params["server"]
    if server not in project.ledger.document.servers:
        raise HttpProblem(404, "unknown-server", f'no server "{server}" was applied')
    return server


async def hello(request: Request) -> JSONResponse:
    host = host_of(request)
    if "project" in request.path_params:
        project_of(request)
    return JSONResponse({**host.facts.to_json(), "projects": sorted(host.projects)})


async def get_status(request: Request) -> JSONResponse:
    return JSONResponse(status(project_of(request), host_of(request).facts))


async def get_observed(request: Request) -> JSONResponse:
    """What the engine's own plans see; a plan made elsewhere from this is the same plan, with the same id."""
    rows = [asdict(seen) for seen in project_of(request).observed().servers.values()]
    return JSONResponse({"servers": [{**row, "since": row["since"] and row["since"].isoformat()} for row in rows]})


async def post_apply(request: Request) -> StreamingResponse:
    project, body = project_of(request), await json_body(request)
    if body.get("environment"):
        require(request, "owner", "handing over an environment")
    if body.get("saved"):
        require(request, "owner", "a plan that brings its own document")
    wait, on_failure = body_number(body, "wait", 120), read_choice(body, "onFailure", get_args(OnFailure))
    consent = read_consent(request, body)
    project.environment.offer(body.get("environment") or {})
    options: Any = {"on_failure": on_failure, "wait": wait}

    async def work(tell: Tell) -> Mapping[str, Any]:
        report = _reporter(tell)
        if body.get("saved"):
            return _applied(await apply_saved(project, body["saved"], consent, report, **options))
        return _applied(await apply_file(project, consent, report, expected=body.get("expected"), **options))

    return in_lines(work)


def _reporter(tell: Tell) -> Callable[[Outcome | tuple[str, str]], None]:
    def report(news: Outcome | tuple[str, str]) -> None:
        if isinstance(news, Outcome):
            tell(news.to_json())
        else:
            tell({"server": news[0], "action": news[1], "status": "started"})

    return report


def _applied(result: Applied | Invalid | Held | Plan | Stale) -> Mapping[str, Any]:
    match result:
        case Applied():
            return result.to_json()
        case Invalid():
            problems = [problem.to_json() for problem in result.problems]
            raise HttpProblem(422, "invalid", "the configuration has errors", problems=problems)
        case Held():
            raise HttpProblem(409, "held", f"the file is not believed: {result.why}")
        case Stale():
            raise HttpProblem(409, "stale", "; ".join(result.reasons), reasons=list(result.reasons))
        case Plan():
            raise HttpProblem(409, "stale", "the file or what is applied changed since the plan was shown")


async def post_follow(request: Request) -> JSONResponse:
    host, project, body = host_of(request), project_of(request), await json_body(request)
    auto_approve: Any = read_choice(body, "autoApprove", get_args(AutoApprove))
    if body.get("on", True):
        before = project.followed.on
        follower = host.follow(project, auto_approve)
        await asyncio.wait_for(follower.settled.wait(), 60)
        if before:
            await follower.say_yes(auto_approve)
    else:
        await host.unfollow(project)
    return JSONResponse({"following": project.followed.on})


async def get_history(request: Request) -> JSONResponse:
    return JSONResponse({"history": await project_of(request).records.history()})


async def get_rollback(request: Request) -> JSONResponse:
    serial = query_number(request, "serial", 0)
    target = await _rollback_target(project_of(request), serial or None)
    return JSONResponse({"serial": target.serial, "patch": target.masked})


async def post_rollback(request: Request) -> StreamingResponse:
    project, body = project_of(request), await json_body(request)
    serial, consent = int(body_number(body, "serial")), read_consent(request, body)

    async def work(tell: Tell) -> Mapping[str, Any]:
        target = await _rollback_target(project, serial)
        try:
            return _applied(await roll_back(project, target, consent, _reporter(tell)))
        except RollbackRefused as refused:
            raise HttpProblem(409, "edit-refused", str(refused), patch=target.masked) from refused

    return in_lines(work)


async def _rollback_target(project: Project, serial: int | None) -> Target:
    try:
        return await patch_to(project, serial)
    except NoSuchSerial as error:
        raise HttpProblem(404, "unknown-serial", str(error)) from error
    except RollbackRefused as refused:
        raise HttpProblem(409, "edit-refused", str(refused)) from refused


async def post_restart(request: Request) -> JSONResponse:
    project = project_of(request)
    server = _server(request, project)
    worker = project.worker(server)
    wanted = project.wanted(server)
    if worker is None or wanted is None or not wanted.enabled:
        raise HttpProblem(409, "disabled", f'server "{server}" is disabled')
    worker.restart()
    failure: SessionError | None = await asyncio.wait_for(worker.settled(), wanted.timeouts.start + 30)
    if failure is not None:
        raise HttpProblem(502, failure.code, str(failure))
    return JSONResponse(server_status(project, server))


async def get_logs(request: Request) -> JSONResponse:
    project = project_of(request)
    server = _server(request, project)
    count = query_number(request, "lines", 50)
    lines = await asyncio.to_thread(_tail, project, server, count)
    return JSONResponse({"lines": lines, "exits": await project.records.exits(server)})


def _tail(project: Project, server: str, count: int) -> list[str]:
    path = project.state.server_logs / f"{server}.log"
    texts = [p.read_text(encoding="utf-8", errors="replace") for p in (path.with_suffix(".log.1"), path) if p.is_file()]
    lines = "".join(texts).splitlines()
    return [project.environment.hide(line) for line in lines[max(len(lines) - count, 0) :]]


async def get_events(request: Request) -> JSONResponse:
    rows = await project_of(request).records.events(
        query_number(request, "after", 0), query_number(request, "limit", 100), request.query_params.get("server")
    )
    return JSONResponse({"events": rows})


async def stream_events(request: Request) -> StreamingResponse:
    project, host = project_of(request), host_of(request)

    async def lines() -> AsyncIterator[str]:
        async with project.events.listen() as queue:
            while not host.stopping.is_set():
                try:
                    yield json.dumps(await asyncio.wait_for(queue.get(), 1.0), ensure_ascii=False) + "\n"
                except TimeoutError:
                    yield "\n"  # keeps the connection honest: a caller that went away is noticed

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def post_call(request: Request) -> StreamingResponse:
    project, body, asks = project_of(request), await json_body(request), principal(request)
    server, tool = str(body.get("server", "")), str(body.get("tool", ""))
    arguments = body.get("arguments") or {}
    if not isinstance(arguments, dict):
        raise HttpProblem(400, "bad-arguments", "arguments must be an object")

    async def work(tell: Tell) -> Mapping[str, Any]:
        return await project.gate.call(asks, server, tool, arguments, on_progress=tell, own_yes=True)

    return in_lines(work)


async def post_approve(request: Request) -> StreamingResponse:
    project, body = project_of(request), await json_body(request)
    chosen = project.waiting.chosen(str(body.get("plan")), read_names(body, "servers"))
    if not chosen:
        raise HttpProblem(404, "nothing-waits", f"nothing waits under {body.get('plan')}")
    who = who_says_it(request, body)

    async def work(tell: Tell) -> Mapping[str, Any]:
        return _applied(await approve(project, chosen, who, _reporter(tell)))

    return in_lines(work)


async def post_deny(request: Request) -> JSONResponse:
    project, body = project_of(request), await json_body(request)
    chosen = project.waiting.chosen(str(body.get("plan")), read_names(body, "servers"))
    if not chosen:
        raise HttpProblem(404, "nothing-waits", f"nothing waits under {body.get('plan')}")
    project.waiting.deny(chosen)
    project.changed_at.set()
    return JSONResponse({"denied": [pending.server for pending in chosen]})


async def post_reread(request: Request) -> JSONResponse:
    """The file of tokens was changed: what was taken back holds no more when this answers."""
    project_of(request).tokens.look()
    return JSONResponse({})


async def post_stop(request: Request) -> JSONResponse:
    host_of(request).stopping.set()
    return JSONResponse({"stopping": True})
