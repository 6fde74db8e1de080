"""Calls of stateless clients that wait for an answer: the client holds a sealed ticket, this process holds the call.

A ticket is good once, for the principal, the endpoint and the very request it was given for, and for a few minutes.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.canonical import digest
from reconciler.faces.gateway.callers import StatelessCaller
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import INVALID_PARAMS, UNAVAILABLE
from reconciler.faces.gateway.scope import Scope
from reconciler.gate.gate import Principal
from reconciler.sessions.session import RpcError

PREFIX = "reconciler.1."
_NONCE = 12


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
    def seal(self) -> bytes:
        """The same for the same occasion only. Raises RpcError for params without canonical JSON."""
        named = {key: self.params.get(key) for key in ("name", "uri", "arguments")}
        place = [self.scope.project.name, self.scope.group, self.scope.server]
        who = [self.principal.name, self.principal.role]
        try:
            return digest([who, place, self.method, named]).encode()
        except (ValueError, TypeError) as error:
            raise fault(INVALID_PARAMS, "Invalid params: the arguments have no canonical form") from error


class Parked:
    """All parked calls. The key is made at the start and never leaves the process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._cipher = AESGCM(os.urandom(32))
        self._calls: dict[str, tuple[Principal, ParkedCall]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def park(self, occasion: Occasion, call: ParkedCall) -> str:
        """Keep a call until its retry; the answer is the ticket. Raises RpcError when there is no room."""
        mine = sum(1 for principal, _ in self._calls.values() if principal is occasion.principal)
        if len(self._calls) >= self._limits.parked or mine >= self._limits.parked_each:
            raise fault(UNAVAILABLE, "Too many calls wait for an answer")
        ticket = secrets.token_urlsafe(24)
        self._calls[ticket] = (occasion.principal, call)
        call.alarm = asyncio.get_running_loop().call_later(self._limits.patience, self._expire, ticket)
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, json.dumps({"ticket": ticket}).encode(), occasion.seal)
        return _written(nonce + sealed)

    def take(self, occasion: Occasion, state: str) -> ParkedCall:
        """The call that a ticket stands for, once. Raises RpcError."""
        ticket = self._opened(state, occasion.seal)
        found = self._calls.get(ticket)
        if found is None or found[0] is not occasion.principal:
            raise _invalid()
        return self._remove(ticket)

    def end(self, principal: Principal) -> None:
        """Cancel everything of a principal."""
        for ticket, (owner, _) in tuple(self._calls.items()):
            if owner is principal:
                self._remove(ticket).task.cancel()

    def _remove(self, ticket: str) -> ParkedCall:
        call = self._calls.pop(ticket)[1]
        if call.alarm is not None:
            call.alarm.cancel()
        return call

    def _expire(self, ticket: str) -> None:
        self._remove(ticket).task.cancel()

    def _opened(self, state: str, seal: bytes) -> str:
        try:
            raw = urlsafe_b64decode(state.removeprefix(PREFIX))
            if state != _written(raw):  # the decoder overlooks what follows the padding
                raise _invalid()
            body = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], seal)
        except (ValueError, InvalidTag):
            raise _invalid() from None
        ticket: str = json.loads(body)["ticket"]
        return ticket


def _written(raw: bytes) -> str:
    return PREFIX + urlsafe_b64encode(raw).decode()


def _invalid() -> RpcError:
    return fault(INVALID_PARAMS, "Invalid or expired requestState")
