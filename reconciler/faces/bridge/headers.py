"""The headers that mirror a message of the stateless era (2026-07-28, Transports, Custom Headers). Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from reconciler.faces.bridge.message import Message
from reconciler.model.mirrored import Path, Unmirrorable, argument_at, mirrored_arguments, spelt

VERSION = "MCP-Protocol-Version"
SESSION = "Mcp-Session-Id"
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PLAIN = re.compile(r"[\x20-\x7e]*")
_WRAPPED = re.compile(r"=\?base64\?.*\?=")


class ParamHeaders:
    """Which arguments of which tools travel as headers too (`x-mcp-header`), learnt from the lists that pass."""

    def __init__(self) -> None:
        self._by_tool: dict[str, Mapping[Path, str]] = {}

    def learn(self, result: Any) -> None:
        """Take one page of tools."""
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._by_tool[tool["name"]] = _headers(tool.get("inputSchema"))

    def of(self, message: Message) -> dict[str, str]:
        """The headers for the arguments of a call."""
        paths = self._by_tool.get(str(message.params.get("name")), {}) if message.method == "tools/call" else {}
        found = {token: spelt(argument_at(message.params.get("arguments"), path)) for path, token in paths.items()}
        return {f"Mcp-Param-{token}": encoded(text) for token, text in found.items() if text is not None}


def mirrored(message: Message, params: ParamHeaders) -> dict[str, str]:
    """Every header for a request of the stateless era. What no header can hold is left out: the gateway says so."""
    headers = {"Mcp-Method": message.method, VERSION: message.version}
    kept = {name: value for name, value in headers.items() if isinstance(value, str) and _PLAIN.fullmatch(value)}
    name = message.params.get(_NAMED_BY.get(message.method, ""))
    if isinstance(name, str):
        kept["Mcp-Name"] = encoded(name)
    return kept | params.of(message)


def encoded(text: str) -> str:
    """`text` as a header's value; what would not survive there is wrapped in `=?base64?...?=`."""
    if _PLAIN.fullmatch(text) and text == text.strip() and not _WRAPPED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode('utf-8', 'replace')).decode('ascii')}?="


def _headers(schema: Any) -> Mapping[Path, str]:
    """A schema that asks wrongly asks for nothing, as the gateway sees it."""
    try:
        return {path: each.header for path, each in mirrored_arguments(schema).items()}
    except Unmirrorable:
        return {}
