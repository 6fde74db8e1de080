"""A session without a server: what it shows comes from the file or the lock, answers fit the tools' output schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from reconciler.model.server import Mock, Server
from reconciler.sessions.example import example
from reconciler.sessions.listing import Listing
from reconciler.sessions.session import Caller, End, Handshake, Progress, RpcError, SessionError

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
_ANSWER = "a mock's answer"


class MockSession:
    """Answers for what `shown` lists, always the same way; `responses` are fixed answers, by tool."""

    pid: int | None = None
    hears = True

    def __init__(self, name: str, shown: Listing, responses: Mapping[str, Any]) -> None:
        self._tools = [{"inputSchema": {"type": "object"}, **tool} for tool in shown.tools]
        self._prompts, self._templates = shown.prompts, shown.resource_templates
        self._responses = responses
        offered = {"tools": True, "prompts": bool(self._prompts), "resources": bool(self._templates)}
        capabilities: dict[str, Any] = {kind: {} for kind, has in offered.items() if has}
        self.handshake = Handshake("handshake", "2025-11-25", {"name": name, "version": "mock"}, capabilities)
        self._over = asyncio.Event()

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        if self._over.is_set():
            raise SessionError("The session was closed.", code="closed")
        given = params or {}
        match method:
            case "tools/list":
                return {"tools": self._tools}
            case "tools/call":
                return self._call(given.get("name"))
            case "ping":
                return {}
            case "prompts/list" if self._prompts:
                return {"prompts": list(self._prompts)}
            case "prompts/get" if self._prompts:
                return self._prompt(given.get("name"))
            case "resources/list" if self._templates:
                return {"resources": []}
            case "resources/templates/list" if self._templates:
                return {"resourceTemplates": list(self._templates)}
            case "resources/read" if self._templates:
                return {"contents": [{"uri": str(given.get("uri")), "text": f"{given.get('uri')}: {_ANSWER}"}]}
            case _:
                raise RpcError({"code": METHOD_NOT_FOUND, "message": f"Method not found: {method}"})

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """A mock listens to nothing."""

    async def ended(self) -> End:
        await self._over.wait()
        return End("The session was closed.")

    def close(self) -> None:
        self._over.set()

    def _call(self, name: object) -> dict[str, Any]:
        tool = next((tool for tool in self._tools if tool.get("name") == name), None)
        if isinstance(name, str) and name in self._responses:
            return as_result(self._responses[name])
        if tool is None:
            raise RpcError({"code": INVALID_PARAMS, "message": f"Unknown tool: {name}"})
        if isinstance(tool.get("outputSchema"), Mapping):
            return as_result(example(tool["outputSchema"]))
        return as_result(f"{name}: {_ANSWER}")

    def _prompt(self, name: object) -> dict[str, Any]:
        if all(prompt.get("name") != name for prompt in self._prompts):
            raise RpcError({"code": INVALID_PARAMS, "message": f"Unknown prompt: {name}"})
        return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{name}: {_ANSWER}"}}]}


@asynccontextmanager
async def open_mock(server: Server, pinned: Listing | None) -> AsyncIterator[MockSession]:
    """A session of a server with a `mock`, which runs nothing and resolves nothing.

    It shows the tools of the file; where that says nothing of them, what is `pinned` of the server it stands in for.
    """
    if not isinstance(server.transport, Mock):
        raise TypeError(f"{server.id} is no mock")
    mock = server.transport
    shown = Listing(tools=mock.tools) if mock.tools is not None else pinned or Listing()
    session = MockSession(server.name, shown, mock.responses)
    try:
        yield session
    finally:
        session.close()


def as_result(answer: Any) -> dict[str, Any]:
    """A CallToolResult: `answer` itself when it is one already, else text, or structured content and its text."""
    if isinstance(answer, Mapping) and ("content" in answer or "isError" in answer):
        return {"content": [], **answer}
    if isinstance(answer, str):
        return {"content": [{"type": "text", "text": answer}]}
    return {"content": [{"type": "text", "text": json.dumps(answer)}], "structuredContent": answer}
