"""`/tokens`: plain tokens, each for namespaces of whoever asks, with a role, and for a while."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from reconciler.engine.project import Project
from reconciler.faces.api.access import RANKS, RoleRoute
from reconciler.faces.api.connect.holders import bearer_of, held_in
from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.body import json_body
from reconciler.faces.http.problems import HttpProblem
from reconciler.store.tokens import ROLES, Role, adopt_token, create_token

USUAL_SECONDS = 3600.0
MOST_SECONDS = 24 * 3600.0
MOST_CONSTRAINTS = 32

_KNOWN = frozenset({"namespaces", "operations", "ttl"})
_OPERATIONS: Mapping[str, Role] = {"read": "viewer", "execute": "client", "write": "editor"}
_DURATION = re.compile(r"([0-9]{1,6})([smh])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_WHOLE = 'a token holds for whole namespaces: "namespaces", "operations" and "ttl" are all that can narrow it'


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return [RoleRoute("/tokens", create, "operator", "POST")]


async def create(request: Request) -> JSONResponse:
    """`{"token", "expiresAt"}`. Each constraint of `policy` narrows further; without any the token may do what whoever
    asks may do."""
    body = await json_body(request)
    constraints = _constraints(body)
    held = held_in(request.scope, host_of(request))
    names = _namespaces(constraints, [name for name, (_, who) in held.items() if RANKS[who.role] >= RANKS["operator"]])
    role = _role(constraints)
    projects = [held[name][0] for name in names]
    until = min([datetime.now(UTC) + timedelta(seconds=_seconds(constraints)), *_ends(request, projects)])
    text = await asyncio.to_thread(_make, projects, role, until)
    for project in projects:
        project.tokens.look()
    return JSONResponse({"token": text, "expiresAt": until.isoformat(timespec="seconds").replace("+00:00", "Z")})


def _ends(request: Request, projects: Sequence[Project]) -> Iterator[datetime]:
    """No token outlives the one that it was made with."""
    bearer = bearer_of(request.scope)
    for project in projects:
        end = project.tokens.until(bearer) if bearer is not None else None
        if end is not None:
            yield end


def _make(projects: Sequence[Project], role: Role, until: datetime) -> str:
    """One token for all of them; its text."""
    first, *others = projects
    token, text = create_token(first.state, role, f"service-{secrets.token_hex(6)}", until)
    for other in others:
        adopt_token(other.state, token)
    return text


def _constraints(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    if "organizationId" in body:
        raise HttpProblem(400, "not-served", "this engine knows no organizations: leave `organizationId` out")
    policy = body.get("policy", [])
    if not isinstance(policy, list) or not all(isinstance(each, dict) for each in policy):
        raise _wrong("`policy` must be a list of constraints")
    if len(policy) > MOST_CONSTRAINTS:
        raise _wrong(f"`policy` may have {MOST_CONSTRAINTS} constraints")
    for constraint in policy:
        for member in constraint.keys() - _KNOWN:
            raise HttpProblem(400, "not-served", f'"{member[:63]}" cannot be kept to here: {_WHOLE}')
    return policy


def _namespaces(constraints: Sequence[Mapping[str, Any]], held: Sequence[str]) -> list[str]:
    """Those where the token is to hold. Raises HttpProblem 400 for none, 403 for one that is somebody else's."""
    names = list(held)
    for constraint in constraints:
        if "namespaces" in constraint:
            wanted = _texts(constraint, "namespaces")
            if foreign := [name for name in wanted if name not in held]:
                raise HttpProblem(403, "not-allowed", f'"{foreign[0][:63]}" is no namespace that you are operator of')
            names = [name for name in names if name in wanted]
    if not names:
        raise _wrong("no namespace is left in which the token would hold")
    return names


def _role(constraints: Sequence[Mapping[str, Any]]) -> Role:
    """The role with all that was asked for and with no more than that, but for reading, which every role may."""
    role: Role = ROLES[-1]
    for constraint in constraints:
        if "operations" in constraint:
            role = min(role, _role_for(_texts(constraint, "operations")), key=ROLES.index)
    return role


def _role_for(operations: Sequence[str]) -> Role:
    if not operations or not set(operations) <= _OPERATIONS.keys():
        raise _wrong("`operations` are read, write and execute")
    if "write" in operations and "execute" not in operations:
        raise _wrong("whoever may write may call tools too: name `execute` beside `write`")
    return max((_OPERATIONS[operation] for operation in operations), key=ROLES.index)


def _seconds(constraints: Sequence[Mapping[str, Any]]) -> float:
    """How long the token holds: the shortest time that was named."""
    return min((_time(each["ttl"]) for each in constraints if "ttl" in each), default=USUAL_SECONDS)


def _time(ttl: Any) -> float:
    if isinstance(ttl, str) and (match := _DURATION.fullmatch(ttl)):
        ttl = int(match[1]) * _UNITS[match[2]]
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl <= MOST_SECONDS:
        raise _wrong('`ttl` must be seconds, or a text such as "20s", "30m", "1h"; a token holds for 24 hours at most')
    return float(ttl)


def _texts(constraint: Mapping[str, Any], member: str) -> list[str]:
    """One text, or a list of them."""
    value = constraint[member]
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(each, str) for each in values):
        raise _wrong(f"`{member}` must be a text or a list of texts")
    return values


def _wrong(why: str) -> HttpProblem:
    return HttpProblem(400, "bad-request", why)
