"""The headers that mirror a message of the stateless era (2026-07-28, Transports, Custom Headers). Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from reconciler.faces.bridge.message import Message

VERSION = "MCP-Protocol-Version"
SESSION = "Mcp-Session-Id"
_NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PLAIN = re.compile(r"[\x20-\x7e]*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_WRAPPED = re.compile(r"=\?base64\?.*\?=")


class ParamHeaders:
    """Which arguments of which tools travel as headers too (`x-mcp-header`), learnt from the lists that pass."""

    def __init__(self) -> None:
        self._by_tool: dict[str, dict[tuple[str, ...], str]] = {}

    def learn(self, result: Any) -> None:
        """Take one page of tools."""
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._by_tool[tool["name"]] = dict(_annotated(tool.get("inputSchema"), ()))

    def of(self, message: Message) -> dict[str, str]:
        """The headers for the arguments of a call."""
        paths = self._by_tool.get(str(message.params.get("name")), {}) if message.method == "tools/call" else {}
        found = {token: _text(_at(message.params.get("arguments"), path)) for path, token in paths.items()}
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


def _annotated(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The properties that name a header, each reached through properties alone."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        token = inner.get("x-mcp-header") if isinstance(inner, dict) else None
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            yield (*path, name), token
        yield from _annotated(inner, (*path, name))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    """A scalar as a header has it; None for what is absent or no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
