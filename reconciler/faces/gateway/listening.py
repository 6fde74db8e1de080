"""`subscriptions/listen` (2026-07-28): the answer is a stream of what changes, until the client goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.faces.gateway.exchange import Exchange
from reconciler.faces.gateway.messages import Request, fault, notification, result_message
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import INVALID_PARAMS, SUBSCRIPTION_KEY, UNAVAILABLE
from reconciler.faces.gateway.streams import EventStream
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal

_KINDS: Mapping[str, str] = {
    "toolsListChanged": "tools",
    "promptsListChanged": "prompts",
    "resourcesListChanged": "resources",
}


class Listening:
    """The listen streams of all clients."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._open: dict[Principal, int] = {}

    async def serve(self, exchange: Exchange, place: Place, request: Request) -> None:
        """Acknowledge, then tell what was asked for and nothing else. Raises RpcError, HttpProblem."""
        wanted = request.params.get("notifications")
        if not isinstance(wanted, dict):
            raise fault(INVALID_PARAMS, 'Invalid params: "notifications" must be an object')
        if not exchange.accepts.events:
            raise HttpProblem(406, "not-acceptable", "Accept must name text/event-stream")
        honoured = _honoured(wanted, place.surface)
        count = self._open.get(place.principal, 0)
        if count >= self._office.limits.listens:
            raise fault(UNAVAILABLE, "Too many streams are open")
        self._open[place.principal] = count + 1
        try:
            await self._stream(exchange, place, request, honoured)
        finally:
            self._open[place.principal] -= 1
            if not self._open[place.principal]:
                del self._open[place.principal]

    async def _stream(self, exchange: Exchange, place: Place, request: Request, honoured: Mapping[str, Any]) -> None:
        meta = {SUBSCRIPTION_KEY: request.id}
        stream = EventStream(exchange, self._office.limits, place.holds)
        stream.parting = result_message(request.id, {"resultType": "complete", "_meta": meta})

        def tell(method: str, **members: Any) -> None:
            stream.put(notification(method, {**members, "_meta": meta}))

        def changed(kinds: frozenset[str]) -> None:
            for flag, kind in _KINDS.items():
                if flag in honoured and kind in kinds:
                    tell(f"notifications/{kind}/list_changed")

        tell("notifications/subscriptions/acknowledged", notifications=honoured)
        stops: list[Callable[[], None]] = [self._office.surfaces.listen(place.scope, changed)]
        try:
            await self._office.streams.serve(exchange, stream)
        finally:
            for stop in stops:
                stop()


def _honoured(wanted: Mapping[str, Any], surface: Surface) -> dict[str, Any]:
    """What of a filter will be told: what the endpoint says it can tell."""
    return {
        flag: True
        for flag, kind in _KINDS.items()
        if wanted.get(flag) is True and (surface.capabilities.get(kind) or {}).get("listChanged")
    }
