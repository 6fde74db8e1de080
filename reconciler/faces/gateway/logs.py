"""Log messages that belong to no request: each server logs what somebody wants, each client hears its part.

Only clients of the handshake era ask for them; without `logging/setLevel` a client hears none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from reconciler.engine.project import Project
from reconciler.faces.gateway.protocol import LEVELS, is_loud_enough
from reconciler.faces.gateway.scope import NotHere, Scope, offers_in

LOG = "notifications/message"


class Listener(Protocol):
    """A client that may hear logs."""

    scope: Scope
    log_level: str | None

    def tell(self, method: str, params: Mapping[str, Any], /) -> None: ...


class Logs:
    """Who hears the logs of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._listeners: dict[int, Listener] = {}
        project.told.add(self._told)
        project.offers.listen(self._meet)

    def hear(self, listener: Listener) -> None:
        """Its level was set."""
        self._listeners[id(listener)] = listener
        self._meet()

    def leave(self, listener: Listener) -> None:
        """It hears no more."""
        if self._listeners.pop(id(listener), None) is not None:
            self._meet()

    def _meet(self) -> None:
        """Ask each server for the lowest level that somebody wants of it."""
        wanted: dict[str, str] = {}
        for listener in self._listeners.values():
            for server in _servers(listener.scope):
                level = listener.log_level or LEVELS[-1]
                wanted[server] = min(wanted.get(server, level), level, key=LEVELS.index)
        for server, level in wanted.items():
            self._project.log_level(server, level)

    def _told(self, server: str, method: str, params: Mapping[str, Any]) -> None:
        if method != LOG:
            return
        for listener in tuple(self._listeners.values()):
            level = listener.log_level
            if level is not None and is_loud_enough(params.get("level"), level) and server in _servers(listener.scope):
                listener.tell(LOG, params)


def _servers(scope: Scope) -> frozenset[str]:
    """The servers that an endpoint shows."""
    try:
        return frozenset(offer.server.id for offer in offers_in(scope))
    except NotHere:
        return frozenset()
