"""The tool of our own that collects what an approved call answered. Listed where some tool asks a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESULT_TOOL_NAME = "reconciler__result"
RESULT_TOOL: Mapping[str, Any] = {
    "name": RESULT_TOOL_NAME,
    "title": "Result of an approved call",
    "description": "Waits for a person's answer to a tool call that needs approval, and returns that call's own "
    "result. Use the id that the call was answered with. Nothing runs twice.",
    "inputSchema": {
        "type": "object",
        "properties": {"id": {"type": "string", "description": "the id of the waiting call"}},
        "required": ["id"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "openWorldHint": False},
}
