"""What a caller's params become on the wire of a remote server: no envelope but ours, and some arguments as headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.mirrored import Path, Unmirrorable, mirrored_arguments
from reconciler.sessions.envelope import theirs
from reconciler.sessions.sdk import headers_of


def prepared(params: Mapping[str, Any] | None, token: str | None) -> dict[str, Any] | None:
    """`params` without a caller's envelope and token, which would be taken for ours, and with `token` if any."""
    given = dict(params) if params is not None else {}
    kept = theirs(given.pop("_meta", None))
    if token is not None:
        kept["progressToken"] = token
    if kept:
        given["_meta"] = kept
    return None if params is None and not given else given


class ParamHeaders:
    """Which arguments of which tools travel as headers too (`x-mcp-header`, MCP 2026-07-28), learnt from the list."""

    def __init__(self) -> None:
        self._by_tool: dict[str, Mapping[Path, str]] = {}

    def learn(self, listed: Mapping[str, Any]) -> None:
        """Take one page of tools. A tool whose schema asks for headers wrongly gets none."""
        tools = listed.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._by_tool[tool["name"]] = _headers(tool.get("inputSchema"))

    def of(self, method: str, params: Mapping[str, Any] | None) -> dict[str, str]:
        """The headers of one request."""
        if method != "tools/call" or not params:
            return {}
        return headers_of(self._by_tool.get(str(params.get("name")), {}), params.get("arguments"))


def _headers(schema: Any) -> Mapping[Path, str]:
    try:
        return {path: each.header for path, each in mirrored_arguments(schema).items()}
    except Unmirrorable:
        return {}
