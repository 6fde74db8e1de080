"""What both eras work with: the surfaces, the sessions and streams of clients, the calls that wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.gateway.client_session import ClientSessions
from reconciler.faces.gateway.exchange import AsgiScope, Room
from reconciler.faces.gateway.following import Following
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.logs import Logs
from reconciler.faces.gateway.parked import Parked
from reconciler.faces.gateway.scope import Scope
from reconciler.faces.gateway.streams import Streams
from reconciler.faces.gateway.surface import Surface
from reconciler.faces.gateway.surfaces import Surfaces
from reconciler.faces.http.access import principal_of
from reconciler.faces.http.hot import Known
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal


@dataclass(frozen=True, slots=True)
class Desk:
    """What clients of one project wish of its servers."""

    following: Following
    logs: Logs


class Office:
    """Shared by every endpoint of this process."""

    def __init__(self, host: Host, limits: Limits) -> None:
        self.host = host
        self.limits = limits
        self.room = Room(limits.bodies)
        self.surfaces = Surfaces()
        self.streams = Streams(host.stopping, limits)
        self.sessions = ClientSessions(limits)
        self.parked = Parked(limits)
        self.revoked: dict[int, Principal] = {}
        """Those whose token was taken back, by identity."""
        self.at_revocation: list[Callable[[Principal], None]] = []
        self._desks: dict[Project, Desk] = {}
        host.removed.append(self._forget)

    def desk(self, project: Project) -> Desk:
        """What is kept for the clients of a project. Whoever loses a token of it loses what waits for them here."""
        desk = self._desks.get(project)
        if desk is None:
            desk = self._desks[project] = Desk(Following(project), Logs(project))
            project.tokens.listen(self._revoked)
        return desk

    def _forget(self, project: Project) -> None:
        """The project is hosted no more."""
        self._desks.pop(project, None)
        self.surfaces.forget(project)

    def _revoked(self, principals: Sequence[Principal]) -> None:
        for principal in principals:
            self.revoked[id(principal)] = principal
            for revoked in self.at_revocation:
                revoked(principal)
            self.parked.end(principal)
            for session in self.sessions.of(principal):
                self.sessions.end(session)


class Place:
    """One request's endpoint and whoever makes it."""

    __slots__ = ("_asgi", "_surfaces", "principal", "scope")

    def __init__(self, asgi: AsgiScope, scope: Scope, surfaces: Surfaces) -> None:
        """Raises HttpProblem 401, 429, where the listener has not looked yet."""
        self._asgi = asgi
        self._surfaces = surfaces
        self.scope = scope
        known: Principal | None = asgi.get("principal")
        self.principal = principal_of(asgi, scope.project) if known is None else known

    @property
    def begun(self) -> Any:
        """What was begun of this request already (see `hot`); None for all others."""
        return self._asgi.get("begun")

    def take_begun(self) -> Any:
        """What was begun of this request already (see `hot`), once; None for all others."""
        return self._asgi.pop("begun", None)

    def learn(self, known: Known) -> None:
        """From now on requests with the same head are for `known`, where the connection can tell."""
        learn = self._asgi.pop("learn", None)
        if learn is not None:
            learn(known)

    @property
    def surface(self) -> Surface:
        """What the endpoint shows now. Raises NotHere."""
        return self._surfaces.of(self.scope)

    def holds(self) -> bool:
        """Whether whoever made the request may still hear: the token was not revoked."""
        try:
            return principal_of(self._asgi, self.scope.project) is self.principal
        except HttpProblem:
            return False
