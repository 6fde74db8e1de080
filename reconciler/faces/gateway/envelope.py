"""What a request of the stateless era must show: the envelope in its `_meta`, and headers that repeat its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from reconciler.faces.gateway.exchange import Exchange
from reconciler.faces.gateway.messages import Request, fault
from reconciler.faces.gateway.param_headers import ParamHeader, mismatch, param_headers, unwrapped
from reconciler.faces.gateway.protocol import (
    CAPABILITIES_KEY,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    LEVELS,
    LOG_LEVEL_KEY,
    NAMED,
    STATELESS_VERSIONS,
    UNSUPPORTED_VERSION,
    VERSION_KEY,
)
from reconciler.faces.gateway.surface import Surface
from reconciler.sessions.session import RpcError

_ROUTING = frozenset({b"mcp-protocol-version", b"mcp-method", b"mcp-name"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a client says of itself with every request."""

    capabilities: Mapping[str, Any]
    log_level: str | None


def envelope_of(exchange: Exchange, request: Request) -> Envelope:
    """The checked envelope. Raises RpcError with the code that the specification has for what is wrong."""
    if not exchange.doubled.isdisjoint(_ROUTING):
        raise fault(HEADER_MISMATCH, "Header mismatch: a routing header came more than once")
    meta = request.params.get("_meta")
    if not isinstance(meta, dict):
        raise fault(INVALID_PARAMS, f"Invalid params: _meta must hold {VERSION_KEY} and {CAPABILITIES_KEY}")
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]
    if missing:
        raise fault(INVALID_PARAMS, f"Invalid params: _meta lacks {' and '.join(missing)}")
    version, capabilities, level = meta[VERSION_KEY], meta[CAPABILITIES_KEY], meta.get(LOG_LEVEL_KEY)
    _check_headers(exchange, request, version)
    if version not in STATELESS_VERSIONS:
        raise unsupported(version)
    if not isinstance(capabilities, dict):
        raise fault(INVALID_PARAMS, f"Invalid params: {CAPABILITIES_KEY} must be an object")
    return Envelope(capabilities, level if level in LEVELS else None)


def unsupported(version: str) -> RpcError:
    """The error for a revision that is not spoken here."""
    return fault(
        UNSUPPORTED_VERSION, "Unsupported protocol version", supported=list(STATELESS_VERSIONS), requested=version
    )


def _check_headers(exchange: Exchange, request: Request, version: Any) -> None:
    if exchange.header(b"mcp-protocol-version") != version:
        raise fault(HEADER_MISMATCH, "Header mismatch: MCP-Protocol-Version does not say what the body says")
    if exchange.header(b"mcp-method") != request.method:
        raise fault(HEADER_MISMATCH, "Header mismatch: Mcp-Method does not say what the body says")
    member = NAMED.get(request.method)
    named = request.params.get(member) if member is not None else None
    if named is not None:
        shown = exchange.header(b"mcp-name")
        if shown is None or unwrapped(shown) != named:
            raise fault(HEADER_MISMATCH, f'Header mismatch: Mcp-Name does not say what "{member}" says')


class ParamHeaders:
    """Which tools of a surface want arguments as headers; worked out once for each surface."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Surface, Mapping[str, tuple[ParamHeader, ...]]] = WeakKeyDictionary()

    def check(self, exchange: Exchange, request: Request, surface: Surface) -> bool:
        """Whether the tool wants any. Raises RpcError for a call whose headers do not repeat its arguments."""
        known = self._known.get(surface)
        if known is None:
            every = {tool["name"]: param_headers(tool.get("inputSchema")) for tool in surface.tools}
            known = self._known[surface] = {name: wanted for name, wanted in every.items() if wanted}
        wanted = known.get(request.params.get("name", "")) if known else None
        if wanted is None:
            return False
        arguments = request.params.get("arguments")
        why = mismatch(wanted, arguments if isinstance(arguments, dict) else {}, exchange.headers, exchange.doubled)
        if why is not None:
            raise fault(HEADER_MISMATCH, f"Header mismatch: {why}")
        return True
