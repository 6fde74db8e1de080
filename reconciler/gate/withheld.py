"""Whether the lock lets a request through to a server: by what it names, before the server is asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.gate.principal import Refused
from reconciler.model.pins import Kind
from reconciler.plan.lock import Withheld

_EXPRESSION = re.compile(r"\{[^{}]*\}")
"""RFC 6570: whatever it expands to, it may stand for any text here."""


def check_lock(withheld: Withheld, server_id: str, method: str, params: Mapping[str, Any]) -> None:
    """Raises Refused for what the lock keeps from the server."""
    why = why_withheld(withheld, method, params)
    if why is not None:
        name = params.get("name") or params.get("uri") or params.get("ref")
        raise Refused("tool-locked", f'"{name}" of "{server_id}" is withheld: {why}')


def why_withheld(withheld: Withheld, method: str, params: Mapping[str, Any]) -> str | None:
    """Why the lock keeps this request from the server; None when it does not."""
    if withheld.accepted is None or withheld.server is not None:
        return withheld.server
    match method:
        case "tools/call":
            return _named(withheld, "tool", params.get("name"))
        case "prompts/get":
            return _named(withheld, "prompt", params.get("name"))
        case "completion/complete":
            return _referred(withheld, params.get("ref"))
        case "resources/read" | "resources/subscribe":
            return _addressed(withheld, params.get("uri"))
        case _:
            return None


def _named(withheld: Withheld, kind: Kind, name: Any) -> str | None:
    entry = (kind, name if isinstance(name, str) else "")
    if entry in withheld.entries:
        return withheld.entries[entry]
    return None if entry in (withheld.accepted or ()) else "the server does not list it"


def _referred(withheld: Withheld, reference: Any) -> str | None:
    match reference:
        case {"type": "ref/prompt", "name": name}:
            return _named(withheld, "prompt", name)
        case {"type": "ref/resource", "uri": uri}:
            return _addressed(withheld, uri)
        case _:
            return "it refers to nothing that the lock has"


def _addressed(withheld: Withheld, uri: Any) -> str | None:
    """Resources are not pinned, their templates are: what a withheld template could have made does not pass."""
    text = uri if isinstance(uri, str) else ""
    return next((why for template, why in withheld.of("resourceTemplate").items() if _fits(text, template)), None)


def _fits(uri: str, template: str) -> bool:
    """Whether a template could expand to this URI; linear in both, whatever the template says."""
    first, *rest = _EXPRESSION.split(template)
    if not rest:
        return uri == template
    *middle, last = rest
    if not uri.startswith(first) or not uri.endswith(last) or len(uri) < len(first) + len(last):
        return False
    at, end = len(first), len(uri) - len(last)
    for literal in middle:
        found = uri.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True
