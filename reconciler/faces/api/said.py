"""What a body says, read before anything is done with it: consent, names, choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from reconciler.engine.change import Consent
from reconciler.faces.api.access import principal
from reconciler.faces.http.problems import HttpProblem


def read_consent(request: Request, body: Mapping[str, Any]) -> Consent:
    servers = None if body.get("yes") == "all" else frozenset(read_names(body, "yes"))
    return Consent(who_says_it(request, body), servers, frozenset(read_names(body, "allow")))


def who_says_it(request: Request, body: Mapping[str, Any]) -> str:
    """Who says yes, for the history: the owner says who they are, everybody else is who their token says."""
    asks = principal(request)
    return str(body.get("who", "owner")) if asks.role == "owner" else asks.name


def read_names(body: Mapping[str, Any], member: str) -> list[str]:
    names = body.get(member) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HttpProblem(400, "bad-names", f'"{member}" must be a list of names')
    return names


def read_choice(body: Mapping[str, Any], member: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first where nothing is said."""
    value = body.get(member, choices[0])
    if value not in choices:
        raise HttpProblem(400, "bad-choice", f'"{member}" must be one of {", ".join(choices)}')
    return str(value)
