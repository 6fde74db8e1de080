"""Requests of stateless clients that a server answers, perhaps after questions: each turn is one HTTP request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from reconciler.faces.gateway.asking import cannot_ask, may_be_asked, missing_capability
from reconciler.faces.gateway.callers import StatelessCaller
from reconciler.faces.gateway.calls import Job, carry_out
from reconciler.faces.gateway.envelope import Envelope
from reconciler.faces.gateway.messages import Request, notification
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.parked import PREFIX, Occasion, ParkedCall
from reconciler.faces.gateway.protocol import ASKING
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
        caller = StatelessCaller(envelope.capabilities, envelope.log_level, reply, self._limits)
        progress = _progress(request.params, caller)
        job = Job(
            place.scope,
            place.surface,
            place.principal,
            request.method,
            request.params,
            caller,
            progress,
            place.take_begun(),
        )
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
            ticket = self._parked.park(_occasion(place, request), call)
            parked = True
            return {"resultType": "input_required", "inputRequests": call.caller.requests(), "requestState": ticket}
        finally:
            if not parked:
                call.task.cancel()


async def _something(call: ParkedCall) -> None:
    """Wait until a call is done or asks."""
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    call.task.add_done_callback(wake)
    call.caller.on_ask = wake
    try:
        if not call.task.done() and not call.caller.asked:
            await waiter
    finally:
        call.task.remove_done_callback(wake)


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
