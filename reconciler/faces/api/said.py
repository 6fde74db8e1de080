"""Who says yes, and to what, as several routes are told it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request

from reconciler.engine.change import Consent
from reconciler.faces.api.access import principal
from reconciler.faces.api.description import Asked


class Said(Asked):
    """Who says it: the owner says who they are, everybody else is who their token says."""

    who: str = Field(default="owner", max_length=1000, description="Who says yes; only the owner is asked.")


class SaysYes(Said):
    """A person's consent to actions."""

    yes: Literal["all"] | list[str] = Field(default=[], description="The servers whose actions may be taken up.")
    allow: list[str] = Field(default=[], description="Guards that are lifted, by name, such as mass-delete.")


def consent_of(request: Request, body: SaysYes) -> Consent:
    servers = None if body.yes == "all" else frozenset(body.yes)
    return Consent(who_says_it(request, body), servers, frozenset(body.allow))


def who_says_it(request: Request, body: Said) -> str:
    """Who says it, for the history."""
    asks = principal(request)
    return body.who if asks.role == "owner" else asks.name
