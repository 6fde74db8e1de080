"""A session without a server: tools and answers come from the file, the rest is shaped by the tools' output schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from reconciler.model.server import Mock, Server
from reconciler.sessions.session import Caller, End, Handshake, Notify, Progress, Resolve, RpcError, SessionError

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
DEEPEST_EXAMPLE = 8
MOST_EXAMPLES = 10


class MockSession:
    """Answers `tools/list`, `tools/call` and `ping`, always the same way."""

    pid: int | None = None

    def __init__(self, name: str, mock: Mock) -> None:
        self.handshake = Handshake("handshake", "2025-11-25", {"name": name, "version": "mock"}, {"tools": {}})
        self._tools = [{"inputSchema": {"type": "object"}, **tool} for tool in mock.tools]
        self._responses = mock.responses
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
        match method:
            case "tools/list":
                return {"tools": self._tools}
            case "tools/call":
                return self._call((params or {}).get("name"))
            case "ping":
                return {}
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
        return as_result(f"{name}: a mock's answer")


@asynccontextmanager
async def open_mock(server: Server, resolve: Resolve, on_notification: Notify) -> AsyncIterator[MockSession]:
    """The Opener of a server with a `mock`. Runs nothing and resolves nothing."""
    if not isinstance(server.transport, Mock):
        raise TypeError(f"{server.id} is no mock")
    session = MockSession(server.name, server.transport)
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


def example(schema: Any, root: Any = None, depth: int = 0) -> Any:
    """A value that fits a JSON Schema of the usual kinds, the same one every time. `$ref` is followed within `root`."""
    root = schema if root is None else root
    if not isinstance(schema, Mapping) or depth > DEEPEST_EXAMPLE:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        return example(_referred(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return example(schema[key][0], root, depth + 1)
    return _of_type(_merged(schema, root), root, depth)


def _merged(schema: Mapping[str, Any], root: Any) -> Mapping[str, Any]:
    """`allOf` as one object schema, as far as properties and requirements go."""
    merged = dict(schema)
    for part in schema.get("allOf", ()):
        part = _referred(part["$ref"], root) if "$ref" in part else part
        merged["type"] = merged.get("type", part.get("type"))
        merged["properties"] = {**merged.get("properties", {}), **part.get("properties", {})}
        merged["required"] = [*merged.get("required", ()), *part.get("required", ())]
    return merged


def _of_type(schema: Mapping[str, Any], root: Any, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else None)
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            return {key: example(member, root, depth + 1) for key, member in schema.get("properties", {}).items()}
        case "array":
            wanted = min(_number(schema, "minItems", 1), MOST_EXAMPLES)
            return [example(schema.get("items", {}), root, depth + 1) for _ in range(wanted)]
        case "string":
            text = _FORMATS.get(schema.get("format", ""), "text").ljust(_number(schema, "minLength", 0), ".")
            return text[: _number(schema, "maxLength", len(text))]
        case "integer" | "number":
            low = _number(schema, "minimum", _number(schema, "exclusiveMinimum", 0) + 1)
            return min(low, _number(schema, "maximum", low))
        case "boolean":
            return True
        case _:
            return None


def _number(schema: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise  # type: ignore[return-value]


_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _referred(reference: Any, root: Any) -> Any:
    """The part of `root` behind a local JSON Pointer (RFC 6901); anything else fits everything."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    part = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        part = part.get(key, {}) if isinstance(part, Mapping) else {}
    return part
