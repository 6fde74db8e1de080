"""Whether a client may be asked something: only what it declared. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import MISSING_CAPABILITY
from reconciler.sessions.session import RpcError

_NEEDS: Mapping[str, str] = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


def missing_capability(method: str, params: Mapping[str, Any], declared: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a client would have to declare besides, to be asked this; None when it may be asked."""
    capability = _NEEDS.get(method)
    if capability is None:
        return {method: {}}
    has = declared.get(capability)
    if not isinstance(has, Mapping):
        return {capability: {}}
    detail = _detail(method, params)
    return {capability: {detail: {}}} if detail is not None and detail not in has else None


def _detail(method: str, params: Mapping[str, Any]) -> str | None:
    """A part of a capability that the plain one does not include."""
    if method == "elicitation/create" and params.get("mode") == "url":
        return "url"
    return "tools" if method == "sampling/createMessage" and "tools" in params else None


def may_be_asked(declared: Mapping[str, Any]) -> bool:
    """Whether there is anything that a client could be asked."""
    return any(isinstance(declared.get(capability), Mapping) for capability in _NEEDS.values())


def cannot_ask(method: str, missing: Mapping[str, Any]) -> RpcError:
    """The error of a request that would need to ask a client what it cannot be asked."""
    return fault(
        MISSING_CAPABILITY, f"The client did not declare what {method} needs", requiredCapabilities=dict(missing)
    )
