"""Which fields of a new server a rendering shows, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_AS_WRITTEN = ("type", "cwd", "url", "group", "requireApproval", "allowTools", "denyTools", "lock", "connection")


def created_fields(written: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value (a tuple for several beside each other) of what a person wants to know of a new, masked server."""
    if "command" in written:
        yield "command", (written["command"], *written.get("args", ()))
    for name in _AS_WRITTEN:
        if name in written:
            yield name, written[name]
    for name in ("env", "headers"):
        if written.get(name):
            yield name, _named(written[name])
    for name in ("oauth", "azure", "tools"):
        if written.get(name):
            yield name, written[name]
    if written.get("mock"):
        yield "mock", written["mock"].get("scenario", True)
    if written.get("enabled") is False or written.get("disabled"):
        yield "enabled", False


def _named(values: Any) -> Any:
    """A map as name=value texts; the names of a list as they are."""
    if isinstance(values, Mapping):
        return tuple(f"{name}={value}" for name, value in values.items())
    return tuple(values)
