"""`/{namespace}/{connection}/mcp`: the gateway's endpoint of one server, also for clients that begin no session."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Protocol

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from reconciler.faces.api.access import principal, require
from reconciler.faces.api.connect.entries import Entry, entry_of
from reconciler.faces.gateway.endpoint import SESSIONLESS
from reconciler.faces.http.access import LOCAL, OWNER
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Role
from reconciler.sessions.instance import NotLive

_NO_SESSION = ("", "smithery-stateless")
"""What clients send that were told to skip the handshake."""
_OF_ONE_HEAD = ("learn", "begun")
"""What a connection keeps for the short way (http.hot): it is for the gateway's own addresses."""


class Mcp(Protocol):
    """The gateway, as an ASGI app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class McpRoute(Route):
    """Every method of one address; what a call may do is the gate's to say."""

    def __init__(self, path: str, gateway: Mcp) -> None:
        self.least: Role = "viewer"
        super().__init__(path, _Endpoint(gateway, self.least), name="mcp")


def routes(gateway: Mcp) -> list[BaseRoute]:
    """The routes of one layout."""
    return [McpRoute("/{namespace}/{connection}/mcp", gateway)]


class _Endpoint:
    def __init__(self, gateway: Mcp, least: Role) -> None:
        self._gateway = gateway
        self._least = least

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        require(request, self._least)
        entry = await entry_of(request)
        begins_none = request.headers.get("mcp-session-id", "") in _NO_SESSION
        if request.method == "POST":
            await let_come(entry)
        elif begins_none:
            raise HttpProblem(405, "method", "without a session there is only POST", headers={"allow": "POST"})
        asks = principal(request)
        inner = {name: value for name, value in scope.items() if name not in _OF_ONE_HEAD}
        inner["path"] = f"/p/{entry.project.name}/mcp/s/{entry.id}"
        inner["principal"] = LOCAL if asks is OWNER else asks
        inner[SESSIONLESS] = begins_none
        await self._gateway(inner, receive, send)


async def let_come(entry: Entry) -> None:
    """Wait for a session that is on its way: a client may list at once what it has just created."""
    offer = entry.project.offers.of(entry.id)
    if offer is None or not offer.live:
        with suppress(NotLive):
            await entry.project.ready(entry.id)
