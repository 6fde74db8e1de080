"""Every method that a client may send is classed; a revision or a library that brings a new one fails here first."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, get_args

import mcp_types
from mcp_types.methods import CLIENT_NOTIFICATIONS, CLIENT_REQUESTS, SERVER_NOTIFICATIONS, SERVER_REQUESTS
from pydantic import BaseModel

from reconciler.gate.methods import CLASSES, NOTIFICATIONS, class_of
from tests.requirements import requirement

pytestmark = requirement("GATE-2:every-method")

OF_AN_EXTENSION = {"tasks/update"}
"""Classed, and of no revision that the library has."""


def methods() -> set[str]:
    """Whatever any message of any revision is called in the library, in either direction, registered or not."""
    return {method for message in messages() for method in get_args(message.model_fields["method"].annotation)}


def messages() -> Iterator[type[BaseModel]]:
    for module in pkgutil.iter_modules(mcp_types.__path__, f"{mcp_types.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and "method" in value.model_fields:
                yield value


def names(registered: Any) -> set[str]:
    return {method for method, _ in registered}


def test_every_request_of_every_revision_that_a_client_may_send_is_classed() -> None:
    of_servers = names(SERVER_REQUESTS) - names(CLIENT_REQUESTS)
    requests = {method for method in methods() if not method.startswith("notifications/")} - of_servers
    assert names(CLIENT_REQUESTS) <= requests
    assert {"tools/call", "tasks/result", "subscriptions/listen", "logging/setLevel"} <= requests
    assert requests == CLASSES.keys() - OF_AN_EXTENSION


def test_every_notification_of_every_revision_that_a_client_may_send_is_classed() -> None:
    of_servers = names(SERVER_NOTIFICATIONS) - names(CLIENT_NOTIFICATIONS)
    notifications = {method for method in methods() if method.startswith("notifications/")} - of_servers
    assert names(CLIENT_NOTIFICATIONS) <= notifications
    assert notifications == NOTIFICATIONS.keys()


def test_what_nobody_has_classed_is_refused() -> None:
    assert {class_of(method) for method in ("tools/calls", "Tools/Call", "vendor/x", "", "sampling/createMessage")} == {
        "refused"
    }
