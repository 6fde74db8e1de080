"""`/api/v1/apply`, `follow`, `approve` and `deny`: from the file to what is accepted, and a person's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

from reconciler.engine.change import Applied, Held, Invalid, apply_file, approve
from reconciler.engine.execute import OnFailure, Outcome, OutcomeStatus
from reconciler.engine.follow import AutoApprove
from reconciler.engine.pending import Pending
from reconciler.engine.project import Project
from reconciler.engine.saved import Stale, apply_saved
from reconciler.faces.api.access import RoleRoute, require
from reconciler.faces.api.asked import body_of
from reconciler.faces.api.description import Asked, Lines, Refusal, Says, Seconds, Shown
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.api.own.servers import PausedShown
from reconciler.faces.api.said import Said, SaysYes, consent_of, who_says_it
from reconciler.faces.http.lines import in_lines
from reconciler.faces.http.problems import HttpProblem
from reconciler.plan.actions import Plan

Tell = Callable[[Mapping[str, Any]], None]


class ResultShown(Shown):
    """What became of one action. One of a server that is `paused` was accepted, and takes effect once that is over."""

    server: str
    action: str
    status: OutcomeStatus
    ms: int
    error: Refusal | None
    marks: list[str]
    paused: PausedShown | None


class Begun(Shown):
    """An action begins, or has ended: then with the members of a result."""

    server: str
    action: str
    status: Literal["started"] | OutcomeStatus
    ms: int = 0
    error: Refusal | None = None
    marks: list[str] = Field(default=[])
    paused: PausedShown | None = None


class AppliedShown(Shown):
    """What became of a plan. `exit` is what `reconciler apply` ends with: 0 done, 5 in part, 6 something waits."""

    format: Literal["reconciler.apply"]
    formatVersion: str
    id: str
    project: str
    serial: int
    results: list[ResultShown]
    summary: dict[str, int]
    exit: int


class ApplyBody(SaysYes):
    """What to apply: what the file says now, if its plan is the one `expected`, or a `saved` plan (the owner only)."""

    expected: str | None = Field(default=None, description="Id of the plan that was looked at.")
    seen: bool = Field(default=False, description="Whether a person looked at that plan: what is held needs that.")
    saved: dict[str, Any] | None = Field(default=None, description="A plan document as `plan --out` writes it.")
    onFailure: OnFailure = "continue"
    wait: Seconds = Field(default=120, description="Seconds that sessions have to become so.")
    environment: dict[str, str] = Field(default={}, description="What references find; the owner only.")


class FollowBody(Asked):
    """Whether the file is followed."""

    on: bool = True
    autoApprove: AutoApprove = "no"


class Following(Shown):
    """Whether the file is followed now."""

    following: bool


class AnswerBody(Said):
    """The actions that wait under the id of a plan, all of them or those of some servers."""

    plan: str
    servers: list[str] = Field(default=[])


class Denied(Shown):
    """The servers whose actions will not be asked about again until the file says something else."""

    denied: list[str]


_APPLY = Says(
    "Apply what the file says",
    Lines(Begun, AppliedShown, {409: ("held", "stale"), 422: ("invalid",)}),
    body=ApplyBody,
)
_FOLLOW = Says("Follow the file, or stop following it", Following, body=FollowBody, refusals={504: ("late",)})
_APPROVE = Says(
    "Say yes to actions that wait",
    Lines(Begun, AppliedShown, {409: ("held",), 422: ("invalid",)}),
    body=AnswerBody,
    refusals={404: ("nothing-waits",)},
)
_DENY = Says("Say no to actions that wait", Denied, body=AnswerBody, refusals={404: ("nothing-waits",)})


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/apply", post_apply, "operator", "POST", says=_APPLY),
        RoleRoute("/follow", post_follow, "operator", "POST", says=_FOLLOW),
        RoleRoute("/approve", post_approve, "operator", "POST", says=_APPROVE),
        RoleRoute("/deny", post_deny, "operator", "POST", says=_DENY),
    ]


async def post_apply(request: Request) -> StreamingResponse:
    project, body = project_of(request), body_of(request, ApplyBody)
    if body.environment:
        require(request, "owner", "handing over an environment")
    if body.saved is not None:
        require(request, "owner", "a plan that brings its own document")
    looked = body.seen and (body.expected is not None or body.saved is not None)
    consent = replace(consent_of(request, body), seen=looked)
    project.environment.offer(body.environment)
    options: Any = {"on_failure": body.onFailure, "wait": body.wait}

    async def work(tell: Tell) -> Mapping[str, Any]:
        report = reporter(tell)
        if body.saved is not None:
            return applied_json(await apply_saved(project, body.saved, consent, report, **options))
        return applied_json(await apply_file(project, consent, report, expected=body.expected, **options))

    return in_lines(work)


def reporter(tell: Tell) -> Callable[[Outcome | tuple[str, str]], None]:
    def report(news: Outcome | tuple[str, str]) -> None:
        if isinstance(news, Outcome):
            tell(news.to_json())
        else:
            tell({"server": news[0], "action": news[1], "status": "started"})

    return report


def applied_json(result: Applied | Invalid | Held | Plan | Stale) -> Mapping[str, Any]:
    """The result of an apply. Raises HttpProblem where nothing was applied."""
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
    host, project, body = host_of(request), project_of(request), body_of(request, FollowBody)
    if body.on:
        before = project.followed.on
        follower = host.follow(project, body.autoApprove)
        try:
            await asyncio.wait_for(follower.settled.wait(), 60)
        except TimeoutError:
            raise HttpProblem(504, "late", "the file is followed, and was not taken up yet") from None
        if before:
            await follower.say_yes(body.autoApprove)
    else:
        await host.unfollow(project)
    return JSONResponse({"following": project.followed.on})


async def post_approve(request: Request) -> StreamingResponse:
    project, body = project_of(request), body_of(request, AnswerBody)
    chosen, who = _chosen(project, body), who_says_it(request, body)

    async def work(tell: Tell) -> Mapping[str, Any]:
        return applied_json(await approve(project, chosen, who, reporter(tell)))

    return in_lines(work)


async def post_deny(request: Request) -> JSONResponse:
    project = project_of(request)
    chosen = _chosen(project, body_of(request, AnswerBody))
    project.waiting.deny(chosen)
    project.news.tell()
    return JSONResponse({"denied": [pending.server for pending in chosen]})


def _chosen(project: Project, body: AnswerBody) -> list[Pending]:
    chosen = project.waiting.chosen(body.plan, body.servers)
    if not chosen:
        raise HttpProblem(404, "nothing-waits", "nothing waits under this id of a plan")
    return chosen
