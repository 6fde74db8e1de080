"""The MCP endpoints: `/mcp`, `/mcp/g/<group>`, `/mcp/s/<server>`, each also under `/p/<project>`. An ASGI application.

Host and Origin were checked before; here it is decided who asks, for which endpoint, in which era of the protocol.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.engine.host import Host
from reconciler.faces.gateway.exchange import AsgiScope, Exchange, Gone, Receive, Send
from reconciler.faces.gateway.handshake_era import HandshakeEra
from reconciler.faces.gateway.hot import Hot
from reconciler.faces.gateway.limits import LIMITS, Limits
from reconciler.faces.gateway.messages import BadMessage, error_message, read_body
from reconciler.faces.gateway.office import Office, Place
from reconciler.faces.gateway.protocol import HANDSHAKE_VERSIONS, VERSION_KEY
from reconciler.faces.gateway.scope import NotHere, Scope
from reconciler.faces.gateway.stateless_era import StatelessEra
from reconciler.faces.http.problems import HttpProblem

_PATH = re.compile(r"(?:/p/(?P<project>[^/]+))?/mcp(?:/g/(?P<group>[^/]+)|/s/(?P<server>[^/]+))?/?")
_MOST_PATHS = 1024
SESSIONLESS = "sessionless"
"""Set in an ASGI scope by another face: a client of the handshake era begins no session."""


class Gateway:
    """Everything under `/mcp`, for every project of a host."""

    def __init__(self, host: Host, limits: Limits = LIMITS) -> None:
        self.office = Office(host, limits)
        hot = Hot(self.office)
        self._handshake = HandshakeEra(self.office, hot)
        self._stateless = StatelessEra(self.office, hot)
        self._scopes: dict[str, Scope] = {}
        self._hosted = 0

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self.office.room)
        try:
            await self._serve(exchange)
        except Gone:
            return
        except HttpProblem as problem:
            await problem.response()(scope, receive, send)
        except NotHere as error:
            await HttpProblem(404, "not-here", str(error)).response()(scope, receive, send)
        except BadMessage as bad:
            await exchange.answer(400, error_message(bad.id, bad.error))
        finally:
            exchange.close()

    async def _serve(self, exchange: Exchange) -> None:
        place = Place(exchange.scope, self._scope(exchange.scope["path"]), self.office.surfaces)
        version = exchange.header(b"mcp-protocol-version")
        stateless = version is not None and version not in HANDSHAKE_VERSIONS
        if exchange.method == "POST":
            value = read_body(await exchange.body(self.office.limits.body), self.office.limits.depth)
            if stateless or _has_envelope(value):
                await self._stateless.post(exchange, place, value)
            elif exchange.scope.get(SESSIONLESS):
                await self._handshake.once(exchange, place, value)
            else:
                await self._handshake.post(exchange, place, value)
        elif exchange.method == "GET" and not stateless:
            await self._handshake.get(exchange, place)
        elif exchange.method == "DELETE" and not stateless:
            await self._handshake.delete(exchange, place)
        else:
            raise HttpProblem(
                405,
                "method",
                "this is not how MCP is spoken",
                headers={"allow": "POST" if stateless else "GET, POST, DELETE"},
            )

    def _scope(self, path: str) -> Scope:
        """The endpoint of a path. Raises HttpProblem 404."""
        host = self.office.host
        if len(host.projects) != self._hosted or len(self._scopes) > _MOST_PATHS:
            self._scopes.clear()
            self._hosted = len(host.projects)
        known = self._scopes.get(path)
        if known is not None and host.projects.get(known.project.name) is known.project:
            return known
        match = _PATH.fullmatch(path)
        if match is None:
            raise HttpProblem(404, "not-found", "there is nothing here")
        name = match["project"] or host.root.name
        project = host.projects.get(name)
        if project is None:
            raise HttpProblem(404, "unknown-project", f'this engine does not host "{name}"')
        self.office.desk(project)
        found = self._scopes[path] = Scope(project, match["group"], match["server"])
        return found


def _has_envelope(value: Any) -> bool:
    """Whether a message says that it is of the stateless era."""
    params = value.get("params") if isinstance(value, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and VERSION_KEY in meta
