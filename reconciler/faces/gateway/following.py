"""Resources that clients follow: a server is asked for what all of them want, a client is told what it follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.engine.project import Project
from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import INVALID_PARAMS, META, METHOD_NOT_FOUND
from reconciler.faces.gateway.scope import Scope, Target
from reconciler.faces.gateway.surface import Surface
from reconciler.sessions.wishes import UPDATED

Hear: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Takes the params of an update, as the server sent them."""


REST_SECONDS = 0.1
"""After an update of a resource the next one is told of this much later; those between say nothing that it does not."""


class Following:
    """Who follows which resources of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._hearers: dict[Target, dict[object, Hear]] = {}
        self._resting: dict[Target, Mapping[str, Any] | None] = {}
        project.told.add(self._told)

    def follow(self, target: Target, hear: Hear) -> Callable[[], None]:
        """Have every update of a resource heard; the answer stops that."""
        token = object()
        hearers = self._hearers.setdefault(target, {})
        hearers[token] = hear
        if len(hearers) == 1:
            self._wish(target.server)

        def stop() -> None:
            hearers.pop(token, None)
            if not hearers and self._hearers.get(target) is hearers:
                del self._hearers[target]
                self._wish(target.server)

        return stop

    def _wish(self, server: str) -> None:
        uris = frozenset(target.name for target in self._hearers if target.server == server)
        self._project.follow_resources(server, uris)

    def _told(self, server: str, method: str, params: Mapping[str, Any]) -> None:
        target = Target(server, str(params.get("uri")))
        if method != UPDATED or target not in self._hearers:
            return
        if target in self._resting:
            self._resting[target] = params
        else:
            self._tell(target, params)

    def _tell(self, target: Target, params: Mapping[str, Any]) -> None:
        self._resting[target] = None
        asyncio.get_running_loop().call_later(REST_SECONDS, self._go_on, target)
        said = _without_envelope(params)
        for hear in tuple(self._hearers.get(target, {}).values()):
            hear(said)

    def _go_on(self, target: Target) -> None:
        """The rest is over: the newest of what came meanwhile is told."""
        params = self._resting.pop(target)
        if params is not None:
            self._tell(target, params)


def _without_envelope(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a server says without the id of the stream on which it told us."""
    meta = params.get("_meta")
    if not isinstance(meta, Mapping):
        return params
    kept = {key: value for key, value in meta.items() if not key.startswith(META)}
    rest = {key: value for key, value in params.items() if key != "_meta"}
    return {**rest, "_meta": kept} if kept else rest


def followable(scope: Scope, surface: Surface, uri: Any) -> Target:
    """The resource that a client wants to follow. Raises RpcError where there is none, or its server tells nothing."""
    target = surface.resource(uri) if isinstance(uri, str) else None
    if target is None:
        raise fault(INVALID_PARAMS, "Resource not found", **({"uri": uri} if isinstance(uri, str) else {}))
    if not _tells(scope, target.server):
        raise fault(METHOD_NOT_FOUND, f'"{target.server}" does not tell of updates')
    return target


def _tells(scope: Scope, server: str) -> bool:
    """Whether a server declared that it tells of updates of its resources; one that is not known yet may."""
    offer = scope.project.offers.of(server)
    if offer is None or offer.handshake is None:
        return offer is not None
    resources = offer.handshake.capabilities.get("resources")
    return isinstance(resources, Mapping) and resources.get("subscribe") is True
