"""A server dials in: WebSocket at `/{namespace}/{connection}`, raw JSON-RPC in its text frames, us as the client.

`?force=1` takes the place of a socket that is there already: that one is closed with 1001 "replaced" once the new one
is proven. Whoever is a server is believed, so it takes the role that may write servers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, WebSocketRoute

from reconciler.engine.project import Project
from reconciler.faces.api.access import require
from reconciler.faces.api.connect.entries import find_entry, namespace_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Role
from reconciler.model.server import Uplink
from reconciler.sessions.uplink import UNWANTED, AlreadyHere, Closed, Link

App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
NO_CODE, BROKE_OFF = 1005, 1006


class SocketRoute(WebSocketRoute):
    """A route of sockets with the `least` role that may use it."""

    def __init__(self, path: str, endpoint: App, least: Role) -> None:
        self.least: Role = least

        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            require(HTTPConnection(scope), least)
            await endpoint(scope, receive, send)

        super().__init__(path, guarded)
        self.app = guarded  # an ASGI app, which Starlette would not know from a function of a socket


def routes() -> list[BaseRoute]:
    """The routes of one layout; the last one says no in this dialect's words."""
    return [
        SocketRoute("/{namespace}/{connection}", dial_in, "editor"),
        SocketRoute("/{path:path}", no_place, "viewer"),
    ]


async def no_place(scope: Any, receive: Any, send: Any) -> None:
    """Where no server dials in."""
    raise HttpProblem(404, "not-found", "servers dial in at /{namespace}/{connection}, and no socket goes elsewhere")


async def dial_in(scope: Any, receive: Any, send: Any) -> None:
    """Offer the socket to the engine, and carry its texts until it ends."""
    asked = HTTPConnection(scope)
    project, server_id = namespace_of(asked), asked.path_params["connection"]
    await _check_wanted(project, server_id)
    link = Link()
    try:
        project.uplinks.offer(server_id, link, force=asked.query_params.get("force") in ("1", "true"))
    except AlreadyHere:
        message = f'"{server_id}" is connected already; with ?force=1 the new one takes its place'
        raise HttpProblem(409, "already-connected", message) from None
    try:
        await send({"type": "websocket.accept"})
        await link.carry(_Ends(receive, send))
    finally:
        link.close(*UNWANTED)


async def _check_wanted(project: Project, server_id: str) -> None:
    """Return where the server is to dial in. Raises HttpProblem 404, 409."""
    entry, wanted = await find_entry(project, server_id), project.wanted(server_id)
    if entry is None:
        raise HttpProblem(404, "not-found", f'there is no connection "{server_id[:63]}" in "{project.name}"')
    if wanted is None:
        raise HttpProblem(409, "waits", f'"{server_id}" waits for an approval')
    if not isinstance(wanted.transport, Uplink):
        raise HttpProblem(409, "not-uplink", f'"{server_id}" does not dial in: only a server of type uplink does')
    if not wanted.enabled:
        raise HttpProblem(409, "disabled", f'"{server_id}" is disabled')
    if (paused := project.pauses.why(server_id)) is not None:
        raise HttpProblem(409, "paused", paused)


class _Ends:
    """The socket as a Link wants it."""

    def __init__(self, receive: Any, send: Any) -> None:
        self._take = receive
        self._put = send

    async def receive(self) -> str:
        while (event := await self._take())["type"] == "websocket.connect":
            pass
        if event["type"] == "websocket.disconnect":
            raise Closed(_how(event.get("code", NO_CODE), event.get("reason") or ""))
        text: str = event["text"]
        return text

    async def send(self, text: str) -> None:
        try:
            await self._put({"type": "websocket.send", "text": text})
        except ConnectionError:
            raise Closed(_how(BROKE_OFF, "")) from None

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._put({"type": "websocket.close", "code": code, "reason": reason})
        except ConnectionError:
            return  # it is closed


def _how(code: int, reason: str) -> str:
    if code == BROKE_OFF:
        return "The connection broke off."
    said = f": {reason}" if reason else ""
    return f"It closed the socket{said}." if code == NO_CODE else f"The socket was closed with {code:d}{said}."
