"""Coming in by a link, and who comes with a request: the visit that its cookie belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterator

from starlette.requests import Request

from reconciler.engine.host import Host
from reconciler.engine.visits import Visit
from reconciler.faces.http.access import Guarded, Scope
from reconciler.faces.http.face import Who
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal
from reconciler.store.files import text_digest

ENTER = "/ui/enter"
"""Where links lead, with `?word=`."""


def cookie_name(host: Host) -> str:
    """The same for every run of an engine, and another for each that may listen beside it: ports share cookies."""
    name = f"reconciler-{text_digest(os.fsencode(host.root.state.path.resolve()))[7:15]}"
    return f"__Host-{name}" if is_secure(host) else name


def is_secure(host: Host) -> bool:
    """Whether browsers reach the engine by TLS alone."""
    return (host.facts.url or "").startswith("https:")


def who_visits(host: Host) -> Who:
    """What tells who makes a request: nobody but a visitor, whatever tokens there are."""

    def found(scope: Scope, _: Guarded, __: Principal) -> Principal:
        visits = map(host.visits.of, _cookies(scope, cookie_name(host)))
        visit = next((each for each in visits if each is not None), None)
        if visit is None:
            raise HttpProblem(401, "not-signed-in", "this browser has not come in, or was away for too long")
        scope["visit"] = visit
        scope["principal"] = visit.principal
        return visit.principal

    return found


def visit_of(request: Request) -> Visit:
    """The visit that a request belongs to."""
    visit: Visit = request.scope["visit"]
    return visit


def _cookies(scope: Scope, name: str) -> Iterator[str]:
    """The values of a cookie. Programs on other ports of this host set cookies for it too, and no rule holds those."""
    for key, value in scope["headers"]:
        if key == b"cookie":
            pairs = (pair.strip().partition("=") for pair in value.decode("latin-1").split(";"))
            yield from (text for found, _, text in pairs if found == name)
