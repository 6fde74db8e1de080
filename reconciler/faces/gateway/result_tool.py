"""The tool of our own that collects what an approved call answered. Listed where some tool asks a person."""

from __future__ import annotations

from reconciler.gate.showing import RESULT_TOOL

__all__ = ["RESULT_TOOL", "RESULT_TOOL_NAME"]

RESULT_TOOL_NAME: str = RESULT_TOOL["name"]
