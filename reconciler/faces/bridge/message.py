"""One JSON-RPC message of the client: what kind it is, its era, and the errors that are answered to it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ENVELOPE_VERSION = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
FAILED = -32000
HEADER_MISMATCH = -32020

Kind = Literal["request", "notification", "answer"]


@dataclass(frozen=True, slots=True)
class Message:
    """A line and the object in it."""

    line: bytes
    value: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        if "method" not in self.value:
            return "answer"
        return "request" if "id" in self.value else "notification"

    @property
    def method(self) -> str:
        method = self.value.get("method")
        return method if isinstance(method, str) else ""

    @property
    def id(self) -> Any:
        return self.value.get("id")

    @property
    def key(self) -> str:
        """The id, so that `1`, `"1"` and `true` are three."""
        return json.dumps(self.id)

    @property
    def params(self) -> Mapping[str, Any]:
        params = self.value.get("params")
        return params if isinstance(params, dict) else {}

    @property
    def meta(self) -> Mapping[str, Any]:
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def version(self) -> Any:
        """The protocol version in the envelope of the stateless era (2026-07-28); None in the handshake era."""
        return self.meta.get(ENVELOPE_VERSION)


def parse(line: bytes) -> Message | None:
    """The message in a line; None for JSON that is no object. Raises ValueError for what is no JSON."""
    try:
        value = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return Message(line, value) if isinstance(value, dict) else None


def on_one_line(data: bytes) -> bytes:
    """A JSON text without line ends, which could only stand between its tokens."""
    if b"\n" not in data and b"\r" not in data:
        return data
    return data.replace(b"\r", b" ").replace(b"\n", b" ").strip()


def json_object(data: bytes) -> dict[str, Any]:
    """What the gateway said; an empty object for what is none."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def is_answer(value: Mapping[str, Any]) -> bool:
    """Whether a message of the gateway ends the request it belongs to."""
    return "method" not in value and ("result" in value or "error" in value)


def error_line(request_id: Any, code: int, message: str, **data: Any) -> bytes:
    """An error answer, ASCII only."""
    return answer_line(request_id, {"code": code, "message": message, **({"data": data} if data else {})})


def answer_line(request_id: Any, error: Mapping[str, Any]) -> bytes:
    """The same with an error object as it came."""
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode("ascii")


def request_line(method: str, params: Mapping[str, Any]) -> bytes:
    """A request of our own: its answer is not passed on."""
    return json.dumps({"jsonrpc": "2.0", "id": "bridge", "method": method, "params": params}).encode("ascii")


def notification_line(method: str, meta: Mapping[str, Any] | None = None) -> bytes:
    """A notification with nothing but its method, and `_meta` where there is some."""
    params = {"params": {"_meta": meta}} if meta else {}
    return json.dumps({"jsonrpc": "2.0", "method": method, **params}).encode("ascii")


def list_changed_lines(capabilities: Mapping[str, Any]) -> list[bytes]:
    """What a client of the handshake era is told when every list may be another: of those it was promised."""
    return [
        notification_line(f"notifications/{kind}/list_changed")
        for kind in ("tools", "prompts", "resources")
        if isinstance(capabilities.get(kind), dict) and capabilities[kind].get("listChanged")
    ]


def subscribed_lines(honoured: Mapping[str, Any], subscription: Any) -> list[bytes]:
    """The same for a stream of the stateless era, of what its acknowledgement honours."""
    return [
        notification_line(f"notifications/{kind}/list_changed", {SUBSCRIPTION: subscription})
        for kind in ("tools", "prompts", "resources")
        if honoured.get(f"{kind}ListChanged")
    ]
