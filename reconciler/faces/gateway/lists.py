"""What is answered from the surface alone: the lists, and what the gateway says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.faces.gateway.messages import fault
from reconciler.faces.gateway.protocol import INVALID_PARAMS, METHOD_NOT_FOUND
from reconciler.faces.gateway.surface import Surface

LISTS: Mapping[str, tuple[str, str]] = {
    "tools/list": ("tools", "tools"),
    "prompts/list": ("prompts", "prompts"),
    "resources/list": ("resources", "resources"),
    "resources/templates/list": ("resources", "resourceTemplates"),
}
"""Method -> the capability it belongs to, and the member of its result."""


def list_body(surface: Surface, method: str, params: Mapping[str, Any]) -> bytes:
    """The members of a list's result as JSON, without the braces. Raises RpcError."""
    capability, member = LISTS[method]
    if capability not in surface.capabilities:
        raise fault(METHOD_NOT_FOUND, f"Method not found: {method}")
    if params.get("cursor") is not None:
        raise fault(INVALID_PARAMS, "Invalid params: every list has one page, and no cursor was given out")
    return b'"' + member.encode() + b'":' + _array(surface, member)


def _array(surface: Surface, member: str) -> bytes:
    match member:
        case "tools":
            return surface.tools_bytes
        case "prompts":
            return surface.prompts_bytes
        case "resources":
            return surface.resources_bytes
        case _:
            return surface.resource_templates_bytes


def greeting(surface: Surface) -> dict[str, Any]:
    """Capabilities and instructions, for both eras."""
    said: dict[str, Any] = {"capabilities": dict(surface.capabilities)}
    if surface.instructions:
        said["instructions"] = surface.instructions
    return said
