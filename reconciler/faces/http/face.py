"""A face under the front: its app, how it says no, and who comes in without a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.faces.http.access import OWNER, Guarded, principal_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal

App: TypeAlias = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]
Who: TypeAlias = Callable[[MutableMapping[str, Any], Guarded, Principal], Principal]
"""Gets a scope, whose tokens hold, and who comes without one over the owner's socket; raises HttpProblem."""


@dataclass(frozen=True, slots=True)
class Face:
    """One dialect. `said` gives a problem the dialect's own body; `local` is who comes over the owner's socket without
    a token; `open` are the (method, path) that need none from anywhere."""

    app: App
    said: Callable[[HttpProblem], App] = HttpProblem.response
    local: Principal = OWNER
    open: frozenset[tuple[str, str]] = frozenset()
    visited: frozenset[tuple[str, str]] = frozenset()
    """Those of the open ones that pages of other sites send a browser to, below `/p/<project>` as well."""
    who: Who = principal_of
    """Who makes a request, where it must be known."""
    sockets: bool = False
    """Whether its app takes WebSockets; elsewhere an upgrade is answered with 404."""
