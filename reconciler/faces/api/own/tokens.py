"""`/api/v1/tokens`: who may come in to a project over HTTP, and with which role. A token's text is shown once."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import Field
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.project import Project
from reconciler.faces.api.access import RANKS, RoleRoute, principal
from reconciler.faces.api.asked import body_of
from reconciler.faces.api.description import Asked, Nothing, Says, Shown
from reconciler.faces.api.hosted import project_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.store.tokens import (
    BadName,
    NameTaken,
    NoSuchToken,
    Role,
    Token,
    TokensDamaged,
    create_token,
    read_tokens,
    revoke_token,
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class TokenShown(Shown):
    """One that was handed out."""

    name: str
    role: Role
    createdAt: str
    expiresAt: str | None


class TokensShown(Shown):
    """By name."""

    tokens: list[TokenShown]


class TokenBody(Asked):
    """A new token."""

    role: Role = Field(description="What it is for; each role may do what those before it may.")
    name: str | None = Field(default=None, pattern=NAME, description="How it is listed; else it is given a name.")


class TokenMade(TokenShown):
    """The new token, with its text, which nothing keeps."""

    token: str


class Revoked(Shown):
    """What was taken back."""

    revoked: str
    role: Role


class Reread(Shown):
    """Done."""


_DAMAGED = {503: ("tokens-damaged",)}
_LIST = Says("The tokens of the project", TokensShown, refusals=_DAMAGED)
_CREATE = Says(
    "Make a token",
    TokenMade,
    body=TokenBody,
    status=201,
    refusals={**_DAMAGED, 403: ("not-allowed",), 409: ("taken",), 422: ("bad-name",)},
    more="Nobody makes a token that may do more than they may.",
)
_REVOKE = Says("Take a token back", Revoked, refusals={**_DAMAGED, 404: ("unknown-token",)})

_REREAD = Says("Read the file of tokens again, now", Reread, body=Nothing)


def routes() -> list[RoleRoute]:
    """The routes, each with the role that it needs at least."""
    return [
        RoleRoute("/tokens", get_tokens, "operator", says=_LIST),
        RoleRoute("/tokens", post_token, "operator", "POST", says=_CREATE),
        RoleRoute("/tokens/{name}", delete_token, "operator", "DELETE", says=_REVOKE),
        RoleRoute("/reread", post_reread, "owner", "POST", says=_REREAD),
    ]


async def get_tokens(request: Request) -> JSONResponse:
    state = project_of(request).state
    try:
        tokens = await asyncio.to_thread(read_tokens, state)
    except (TokensDamaged, OSError) as error:
        raise _damaged(error) from error
    return JSONResponse({"tokens": [_shown(token) for token in tokens]})


async def post_token(request: Request) -> JSONResponse:
    project, body, asks = project_of(request), body_of(request, TokenBody), principal(request)
    if RANKS[body.role] > RANKS[asks.role]:
        raise HttpProblem(403, "not-allowed", f'"{asks.name}" has the role {asks.role} and may not make {body.role}')
    try:
        token, text = await asyncio.to_thread(create_token, project.state, body.role, body.name)
    except NameTaken as error:
        raise HttpProblem(409, "taken", str(error)) from error
    except BadName as error:
        raise HttpProblem(422, "bad-name", str(error)) from error
    except (TokensDamaged, OSError) as error:
        raise _damaged(error) from error
    project.tokens.look()
    project.events.say("token", f'{asks.name} made the token "{token.name}" ({token.role})')
    return JSONResponse({**_shown(token), "token": text}, 201, {"cache-control": "no-store"})


async def delete_token(request: Request) -> JSONResponse:
    """It holds no more when this answers; the token that asks for it goes right after the answer."""
    project, name, asks = project_of(request), request.path_params["name"], principal(request)
    try:
        token = await asyncio.to_thread(revoke_token, project.state, name)
    except NoSuchToken as error:
        raise HttpProblem(404, "unknown-token", "no token has this name") from error
    except (TokensDamaged, OSError) as error:
        raise _damaged(error) from error
    project.events.say("token", f'{asks.name} took the token "{token.name}" ({token.role}) back')
    answer = JSONResponse({"revoked": token.name, "role": token.role})
    if token.name == asks.name:
        answer.background = BackgroundTask(_look, project)
    else:
        project.tokens.look()
    return answer


async def post_reread(request: Request) -> JSONResponse:
    """The file of tokens was changed: what was taken back holds no more when this answers."""
    project_of(request).tokens.look()
    return JSONResponse({})


async def _look(project: Project) -> None:
    project.tokens.look()


def _shown(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "role": token.role,
        "createdAt": token.created_at,
        "expiresAt": token.expires_at,
    }


def _damaged(error: Exception) -> HttpProblem:
    return HttpProblem(503, "tokens-damaged", f"the tokens cannot be used: {error}")
