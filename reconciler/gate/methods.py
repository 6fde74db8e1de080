"""Every message a client may send a server, and who takes it: nothing reaches a server around the gate. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Class: TypeAlias = Literal["call", "forward", "gateway", "refused"]

CLASSES: Mapping[str, Class] = {
    "tools/call": "call",
    "completion/complete": "forward",
    "prompts/get": "forward",
    "resources/read": "forward",
    "resources/subscribe": "forward",
    "resources/unsubscribe": "forward",
    "initialize": "gateway",
    "logging/setLevel": "gateway",
    "ping": "gateway",
    "prompts/list": "gateway",
    "resources/list": "gateway",
    "resources/templates/list": "gateway",
    "server/discover": "gateway",
    "subscriptions/listen": "gateway",
    "tools/list": "gateway",
    "tasks/cancel": "refused",
    "tasks/get": "refused",
    "tasks/list": "refused",
    "tasks/result": "refused",
    "tasks/update": "refused",
}
"""call: decided by `Gate.call`; forward: by `Gate.ask`; gateway: answered by us; refused: answered by nobody yet."""

NOTIFICATIONS: Mapping[str, Literal["gateway", "dropped"]] = {
    "notifications/cancelled": "gateway",
    "notifications/initialized": "gateway",
    "notifications/progress": "dropped",
    "notifications/roots/list_changed": "dropped",
    "notifications/tasks/status": "dropped",
}
"""gateway: understood by us; dropped: of no meaning where many clients share a session. None is sent on."""


def class_of(method: str) -> Class:
    """What is done with a method; one that no specification names is refused."""
    return CLASSES.get(method, "refused")
