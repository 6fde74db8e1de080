"""Requests of stateless clients that a server answers, perhaps after questions: each turn is one HTTP request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from reconciler.faces.gateway.asking import cannot_ask, may_be_asked, missing_capability
from reconciler.faces.gateway.callers import StatelessCaller
from reconciler.faces.gateway.calls import Job, carry_out
from reconciler.faces.gateway.envelope import Envelope
from reconciler.faces.gateway.messages import Request, fault, notification
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.parked import PREFIX, Occasion, ParkedCall
from reconciler.faces.gateway.protocol import ASKING, INTERNAL_ERROR
from reconciler.faces.gateway.reply import Reply
from reconciler.sessions.session import Progress


class Turns:
    """One turn after the other, until the result. Between them the call is parked and the client holds its ticket."""

    def __init__(self, office: Office) -> None:
        self._parked = office.parked
        self._limits = office.limits

    async def take(self, place: Place, request: Request, envelope: Envelope, reply: Reply) -> dict[str, Any]:
        """The raw result, or a result that asks. Raises RpcError."""
        state = request.params.get("requestState")
        if request.method in ASKING and isinstance(state, str) and state.startswith(PREFIX):
            return await self._next(place, request, self._resumed(place, request, state, reply))
        caller = StatelessCaller(envelope.capabilities, envelope.log_level, reply)
        progress = _progress(request.params, caller)
        job = Job(place.scope, place.surface, place.principal, request.method, request.params, caller, progress)
        if request.method not in ASKING or not may_be_asked(envelope.capabilities):
            return _checked(await carry_out(job), caller)
        return await self._next(place, request, ParkedCall(caller, asyncio.create_task(carry_out(job))))

    def _resumed(self, place: Place, request: Request, state: str, reply: Reply) -> ParkedCall:
        call = self._parked.take(_occasion(place, request), state)
        call.caller.go_on(reply, _token(request.params))
        responses = request.params.get("inputResponses")
        if isinstance(responses, dict):
            call.caller.take(responses)
        return call

    async def _next(self, place: Place, request: Request, call: ParkedCall) -> dict[str, Any]:
        """The result, or the next questions; then the call waits for the client's retry."""
        parked = False
        try:
            await _something(call)
            if call.task.done():
                return _checked(call.task.result(), call.caller)
            call.rounds += 1
            if call.rounds > self._limits.rounds:
                raise fault(INTERNAL_ERROR, f"The server asked more than {self._limits.rounds} times")
            ticket = self._parked.park(_occasion(place, request), call)
            parked = True
            return {"resultType": "input_required", "inputRequests": call.caller.requests(), "requestState": ticket}
        finally:
            if not parked:
                call.task.cancel()


async def _something(call: ParkedCall) -> None:
    """Wait until a call is done or asks. Questions that come together are asked together."""
    asks = asyncio.create_task(call.caller.turn.wait())
    try:
        await asyncio.wait({call.task, asks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asks.cancel()


def _occasion(place: Place, request: Request) -> Occasion:
    return Occasion(place.principal, place.scope, request.method, request.params)


def _token(params: Mapping[str, Any]) -> int | str | None:
    meta = params.get("_meta")
    token = meta.get("progressToken") if isinstance(meta, dict) else None
    return token if isinstance(token, str) or type(token) is int else None


def _progress(params: Mapping[str, Any], caller: StatelessCaller) -> Progress | None:
    """Where progress goes: to whatever request of the client is being answered, under its token."""
    caller.token = _token(params)
    if caller.token is None:
        return None

    def tell(news: Mapping[str, Any]) -> None:
        caller.reply.say(notification("notifications/progress", {**news, "progressToken": caller.token}))

    return tell


def _checked(result: dict[str, Any], caller: StatelessCaller) -> dict[str, Any]:
    """A result as it came. Raises RpcError for one that asks what the client cannot be asked."""
    if result.get("resultType") != "input_required":
        return result
    asked = result.get("inputRequests")
    for request in asked.values() if isinstance(asked, dict) else ():
        method, params = str(request.get("method")), request.get("params") or {}
        missing = missing_capability(method, params, caller.capabilities)
        if missing is not None:
            raise cannot_ask(method, missing)
    return result
