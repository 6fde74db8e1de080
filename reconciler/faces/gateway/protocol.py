"""Words of the MCP specification that both eras of the gateway need: versions, names, codes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

STATELESS_VERSIONS = ("2026-07-28",)
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
BATCHES = "2025-03-26"
"""The one revision in which several messages may come in one array."""

META = "io.modelcontextprotocol/"
VERSION_KEY = META + "protocolVersion"
CAPABILITIES_KEY = META + "clientCapabilities"
LOG_LEVEL_KEY = META + "logLevel"
SERVER_INFO_KEY = META + "serverInfo"
SUBSCRIPTION_KEY = META + "subscriptionId"
REFUSED_KEY = "reconciler/refused"
"""Ours, in the `_meta` of a result: why the gate refused a call, as a code."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
UNAVAILABLE = -32000
TIMED_OUT = -32001
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
CANCELLED = -32800

HTTP_STATUS: Mapping[int, int] = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    MISSING_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
}
"""The HTTP status of an error in the stateless era; 200 for any other code."""

NAMED: Mapping[str, str] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The param that the header Mcp-Name repeats."""
ASKING = frozenset(NAMED)
"""Methods whose result may be `input_required`."""

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Of log messages, the least important first."""


def is_loud_enough(level: object, wanted: str) -> bool:
    """Whether a log message of that level was asked for; one of an unknown level was."""
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(wanted)
