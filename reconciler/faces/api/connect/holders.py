"""In which namespaces whoever asks is somebody: one token may hold in several, with a role in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.api.access import RANKS
from reconciler.gate.gate import Principal

_BEARER = len("bearer ")


def held_in(scope: Mapping[str, Any], host: Host) -> Mapping[str, tuple[Project, Principal]]:
    """By name of the namespace. Whoever came over the owner's socket without a token holds in all of them."""
    bearer = bearer_of(scope)
    projects = {name: host.projects[name] for name in sorted(host.projects)}
    if bearer is None:
        return {name: (project, scope["principal"]) for name, project in projects.items()}
    found = ((name, project, project.tokens.check(bearer)) for name, project in projects.items())
    return {name: (project, principal) for name, project, principal in found if principal is not None}


def strongest(scope: Mapping[str, Any], host: Host) -> Principal:
    """Who asks, in the namespace where they may do most."""
    held = (principal for _, principal in held_in(scope, host).values())
    found: Principal = max(held, key=lambda principal: RANKS[principal.role], default=scope["principal"])
    return found


def bearer_of(scope: Mapping[str, Any]) -> bytes | None:
    """The token that was shown; the front found it good."""
    shown = [value for name, value in scope["headers"] if name == b"authorization"]
    return shown[0][_BEARER:] if shown else None
