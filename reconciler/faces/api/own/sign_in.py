"""`/api/v1/servers/{server}/auth`: signing in to a server, waiting for the end of that, and forgetting it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.project import Project
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.asked import body_of, query_of
from reconciler.faces.api.callback import brought_back
from reconciler.faces.api.description import FAILED, Asked, Digits, Says, Shown
from reconciler.faces.api.hosted import applied_server, project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.sessions.sign_in.credential import SignInRefused

_LONGEST = 16 * 1024
_PATIENCE = 60


class Redirected(Asked):
    """Nothing, or where the browser ended up that could not reach the engine."""

    redirected: Annotated[str, Field(max_length=_LONGEST)] | None = Field(
        default=None, description="The address of the page, as the browser shows it."
    )


class Waiting(Asked):
    """How long to wait for the end of a sign-in."""

    wait: Digits = Field(default=0, description="Seconds, at most 60.")


class SignInShown(Shown):
    """How a sign-in stands."""

    server: str
    authUrl: str | None = Field(description="Where a person signs in, while that is needed.")
    signedIn: bool = Field(description="Whether the last sign-in that was begun came to a good end.")
    reason: str | None = Field(description="Why it did not.")
    listens: bool = Field(description="Whether a browser finds its way back to the engine.")


class Forgotten(Shown):
    """What was forgotten."""

    server: str
    forgotten: bool = Field(description="Whether there was anything.")


_UNKNOWN = {404: ("unknown-server",)}
_BEGIN = Says(
    "Begin to sign in to a server; or end it, with the address that the browser was sent to",
    SignInShown,
    body=Redirected,
    refusals={**_UNKNOWN, 409: ("no-sign-in",), 422: ("sign-in-refused",), 502: (FAILED,)},
)
_WAIT = Says("How signing in to a server stands", SignInShown, query=Waiting, refusals=_UNKNOWN)
_FORGET = Says("Forget the tokens of a server", Forgotten, refusals={**_UNKNOWN, 502: ("vault",)})


def routes() -> list[RoleRoute]:
    """The routes of one server's sign-in, each with the role that it needs at least."""
    return [
        RoleRoute("/servers/{server}/auth", get_sign_in, "operator", says=_WAIT),
        RoleRoute("/servers/{server}/auth", post_sign_in, "operator", "POST", says=_BEGIN),
        RoleRoute("/servers/{server}/auth", delete_sign_in, "operator", "DELETE", says=_FORGET),
    ]


async def get_sign_in(request: Request) -> JSONResponse:
    project, query = project_of(request), query_of(request, Waiting)
    server = applied_server(request, project)
    await project.sign_ins.wait(server, min(query.wait, _PATIENCE))
    return JSONResponse(_shown(project, server))


async def post_sign_in(request: Request) -> JSONResponse:
    project, asked = project_of(request), body_of(request, Redirected)
    server = applied_server(request, project)
    if asked.redirected is not None:
        server = await _end(project, asked.redirected)
        return JSONResponse(_shown(project, server))
    try:
        await project.sign_ins.begin(server)
    except SignInRefused as refusal:
        raise HttpProblem(409, "no-sign-in", str(refusal)) from None
    return JSONResponse(_shown(project, server))


async def _end(project: Project, redirected: str) -> str:
    try:
        brought = brought_back(QueryParams(urlsplit(redirected.strip()).query))
        return await project.sign_ins.finish(brought.state, brought.code, brought.iss, brought.error)
    except (SignInRefused, ValueError) as refusal:
        raise HttpProblem(422, "sign-in-refused", project.environment.hide(str(refusal))) from None


async def delete_sign_in(request: Request) -> JSONResponse:
    project = project_of(request)
    server = applied_server(request, project)
    forgotten = await project.sign_ins.forget(server)
    project.events.say("sign-in", f"{principal(request).name} had the sign-in forgotten", server)
    return JSONResponse({"server": server, "forgotten": forgotten})


def _shown(project: Project, server: str) -> dict[str, object]:
    ended, reason = project.sign_ins.outcome(server)
    return {
        "server": server,
        "authUrl": project.sign_ins.auth_url(server),
        "signedIn": ended and reason is None,
        "reason": reason and project.environment.hide(reason),
        "listens": project.sign_ins.listens,
    }
