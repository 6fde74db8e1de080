"""`subscriptions/listen` (2026-07-28): the answer is a stream of what changes, until the client goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from reconciler.faces.gateway.exchange import Exchange
from reconciler.faces.gateway.following import followable
from reconciler.faces.gateway.messages import Request, fault, notification, result_message
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import INVALID_PARAMS, SUBSCRIPTION_KEY, UNAVAILABLE
from reconciler.faces.gateway.scope import Target
from reconciler.faces.gateway.streams import EventStream
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal, Refused
from reconciler.sessions.session import RpcError
from reconciler.sessions.wishes import UPDATED

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
        kinds, targets = _kinds(wanted, place.surface), self._targets(wanted, place)
        with self._counted(place.principal), ExitStack() as ending:
            told = Told(exchange, self._office, place, request)
            told.acknowledge(kinds, targets)
            ending.callback(self._office.surfaces.listen(place.scope, lambda changed: told.changed(changed, kinds)))
            following = self._office.desk(place.scope.project).following
            for uri, target in targets.items():
                ending.callback(following.follow(target, told.updated(uri)))
            await self._office.streams.serve(exchange, told.stream)

    def _counted(self, principal: Principal) -> ExitStack:
        """Around a stream. Raises RpcError when the principal has too many."""
        count = self._open.get(principal, 0)
        if count >= self._office.limits.listens:
            raise fault(UNAVAILABLE, "Too many streams are open")
        self._open[principal] = count + 1
        ending = ExitStack()
        ending.callback(self._leave, principal)
        return ending

    def _leave(self, principal: Principal) -> None:
        self._open[principal] -= 1
        if not self._open[principal]:
            del self._open[principal]

    def _targets(self, wanted: Mapping[str, Any], place: Place) -> dict[str, Target]:
        """The resources of a filter that can be followed. Raises RpcError for too many."""
        said = wanted.get("resourceSubscriptions")
        uris = dict.fromkeys(uri for uri in said if isinstance(uri, str)) if isinstance(said, list) else {}
        if len(uris) > self._office.limits.followed:
            raise fault(UNAVAILABLE, f"A stream follows at most {self._office.limits.followed} resources")
        gate, targets = place.scope.project.gate, {}
        for uri in uris:
            with suppress(RpcError, Refused):
                target = followable(place.scope, place.surface, uri)
                gate.check(place.principal, target.server, "resources/subscribe", {"uri": target.name})
                targets[uri] = target
        return targets


class Told:
    """One listen stream, and what its client is told; everything bears the id of the request."""

    def __init__(self, exchange: Exchange, office: Office, place: Place, request: Request) -> None:
        self._meta = {SUBSCRIPTION_KEY: request.id}
        self.stream = EventStream(exchange, office.limits, place.holds)
        self.stream.parting = result_message(request.id, {"resultType": "complete", "_meta": self._meta})

    def acknowledge(self, kinds: Mapping[str, str], targets: Mapping[str, Target]) -> None:
        """What of the filter will be told."""
        honoured: dict[str, Any] = dict.fromkeys(kinds, True)
        if targets:
            honoured["resourceSubscriptions"] = list(targets)
        self._tell("notifications/subscriptions/acknowledged", {"notifications": honoured})

    def changed(self, changed: frozenset[str], kinds: Mapping[str, str]) -> None:
        """Lists that the client sees are others now."""
        for kind in kinds.values():
            if kind in changed:
                self._tell(f"notifications/{kind}/list_changed", {})

    def updated(self, uri: str) -> Callable[[Mapping[str, Any]], None]:
        """Who hears of updates of one resource, under the URI that the client knows."""
        return lambda params: self._tell(UPDATED, {**params, "uri": uri})

    def _tell(self, method: str, params: Mapping[str, Any]) -> None:
        meta = {**params.get("_meta", {}), **self._meta}
        self.stream.put(notification(method, {**params, "_meta": meta}))


def _kinds(wanted: Mapping[str, Any], surface: Surface) -> dict[str, str]:
    """The lists of a filter of which the endpoint says that it tells of their changes: flag -> kind."""
    return {
        flag: kind
        for flag, kind in _KINDS.items()
        if wanted.get(flag) is True and (surface.capabilities.get(kind) or {}).get("listChanged")
    }
