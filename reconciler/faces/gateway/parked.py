"""Calls of stateless clients that wait for an answer: the client holds a ticket, this process holds the call.

A ticket cannot be guessed and says nothing. It is good once, for the principal, the endpoint and the very request it
was given for, and for a few minutes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.canonical import digest
from reconciler.faces.gateway.callers import StatelessCaller
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import INVALID_PARAMS, UNAVAILABLE
from reconciler.faces.gateway.scope import Scope
from reconciler.gate.gate import Principal

PREFIX = "reconciler.1."


@dataclass(eq=False, slots=True)
class ParkedCall:
    """A call on its way."""

    caller: StatelessCaller
    task: asyncio.Task[dict[str, Any]]
    alarm: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a ticket is bound to: who asked for what, where."""

    principal: Principal
    scope: Scope
    method: str
    params: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """The same for the same occasion only. Raises RpcError for params without canonical JSON."""
        named = {key: self.params.get(key) for key in ("name", "uri", "arguments")}
        place = [self.scope.project.name, self.scope.group, self.scope.server]
        who = [self.principal.name, self.principal.role]
        try:
            return digest([who, place, self.method, named])
        except (ValueError, TypeError) as error:
            raise fault(INVALID_PARAMS, "Invalid params: the arguments have no canonical form") from error


class Parked:
    """All parked calls, by ticket: whose it is, for what occasion, and the call."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._calls: dict[str, tuple[Principal, str, ParkedCall]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def park(self, occasion: Occasion, call: ParkedCall) -> str:
        """Keep a call until its retry; the answer is the ticket. Raises RpcError when there is no room."""
        mine = sum(1 for principal, _, _ in self._calls.values() if principal is occasion.principal)
        if len(self._calls) >= self._limits.parked or mine >= self._limits.parked_each:
            raise fault(UNAVAILABLE, "Too many calls wait for an answer")
        ticket = PREFIX + secrets.token_urlsafe(24)
        self._calls[ticket] = (occasion.principal, occasion.mark, call)
        call.alarm = asyncio.get_running_loop().call_later(self._limits.patience, self._expire, ticket)
        return ticket

    def take(self, occasion: Occasion, state: str) -> ParkedCall:
        """The call that a ticket stands for, once. Raises RpcError."""
        found = self._calls.get(state)
        if found is None or found[0] is not occasion.principal or found[1] != occasion.mark:
            raise fault(INVALID_PARAMS, "Invalid or expired requestState")
        return self._remove(state)

    def end(self, principal: Principal) -> None:
        """Cancel everything of a principal."""
        for ticket, (owner, _, _) in tuple(self._calls.items()):
            if owner is principal:
                self._remove(ticket).task.cancel()

    def _remove(self, ticket: str) -> ParkedCall:
        call = self._calls.pop(ticket)[2]
        if call.alarm is not None:
            call.alarm.cancel()
        return call

    def _expire(self, ticket: str) -> None:
        self._remove(ticket).task.cancel()
