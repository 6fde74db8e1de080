"""What the API answers about calls that ask, as `answers` has the rest."""

from __future__ import annotations

from typing import Any, TypedDict

from reconciler.client.answers import Error


class Call(TypedDict):
    """A call that asked; what became of it comes along where it was asked for."""

    id: str
    server: str
    tool: str
    arguments: Any
    requestedAt: str
    expiresAt: str
    principal: str
    state: str
    since: str | None
    who: str | None
    reason: str | None
    awaited: bool


AnsweredCall = TypedDict("AnsweredCall", {"id": str, "state": str, "for": str, "runs": bool, "refused": Error | None})
"""What an answer came to: how far it goes, whether the call runs now, and why not as far as was asked."""


class Entry(TypedDict):
    """One decision about a call."""

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
