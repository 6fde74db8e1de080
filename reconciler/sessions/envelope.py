"""What the stateless era wants in `_meta` of every request, and what of a caller's `_meta` travels on (2026-07-28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import __version__
from reconciler.sessions.session import CLIENT_CAPABILITIES, Caller

STATELESS_VERSION = "2026-07-28"
PROTOCOL_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO_KEY = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"
_OURS = frozenset(
    {PROTOCOL_VERSION_KEY, CLIENT_INFO_KEY, CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY, "progressToken"},
)


def client_info() -> dict[str, str]:
    """The `clientInfo` that every server is told."""
    return {"name": "mcp-reconciler", "version": __version__}


def envelope() -> dict[str, Any]:
    """The envelope of what we ask for ourselves."""
    return {
        PROTOCOL_VERSION_KEY: STATELESS_VERSION,
        CLIENT_INFO_KEY: client_info(),
        CLIENT_CAPABILITIES_KEY: dict(CLIENT_CAPABILITIES),
    }


def on_behalf_of(caller: Caller) -> dict[str, Any]:
    """What the envelope says differently for a request that a caller makes."""
    capabilities = {CLIENT_CAPABILITIES_KEY: dict(caller.capabilities)}
    return capabilities if caller.log_level is None else capabilities | {LOG_LEVEL_KEY: caller.log_level}


def theirs(meta: Any) -> dict[str, Any]:
    """A caller's `_meta` without its envelope and progress token, which a server would take for ours."""
    return {key: value for key, value in meta.items() if key not in _OURS} if isinstance(meta, Mapping) else {}
