"""Which role a route needs at least, stated where the route is, and checked before anything else of it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar, get_args

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from reconciler.faces.api.asked import read_asked
from reconciler.faces.api.description import Says
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal, Role

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
R = TypeVar("R", bound=BaseRoute)

RANKS = {role: rank for rank, role in enumerate(get_args(Role))}
"""Each role may do what those before it may."""
_WITHOUT_BODY = ("GET", "HEAD", "DELETE")
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class RoleRoute(Route):
    """A route with the `least` role that may use it, and the media `kinds` that its body may have.

    With `says` nothing reaches the endpoint that is not as described there. Where `least` is None nobody is asked who
    they are; the face says so too (`Face.open`).
    """

    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        least: Role | None,
        method: str = "GET",
        *,
        kinds: Collection[str] = (JSON,),
        says: Says | None = None,
    ) -> None:
        self.least = least
        self.kinds = tuple(kinds)
        self.says = says
        self.beside: Sequence[RoleRoute] = (self,)

        async def guarded(request: Request) -> Response:
            if least is not None:
                require(request, least)
            _check_content_type(request, kinds)
            if says is not None:
                await read_asked(request, says)
            return await endpoint(request)

        super().__init__(path, guarded, methods=[method], name=getattr(endpoint, "__name__", path))

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """As a route's; where the method is another, all that this path has are named (RFC 9110 section 15.5.6)."""
        if scope["method"] not in (self.methods or ()):
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            methods = {method for each in self.beside if each.path_regex.match(path) for method in each.methods or ()}
            message = f"this address has {', '.join(sorted(methods))}"
            raise HttpProblem(405, "not-this-method", message, headers={"allow": ", ".join(sorted(methods))})
        await super().handle(scope, receive, send)


def with_all_methods(routes: Iterable[R]) -> list[R]:
    """The routes of one app, each of which knows the others."""
    found = list(routes)
    known = [route for route in found if isinstance(route, RoleRoute)]
    for route in known:
        route.beside = known
    return found


def principal(request: HTTPConnection) -> Principal:
    """Who asks, as the front found out."""
    found: Principal = request.scope["principal"]
    return found


def require(request: HTTPConnection, least: Role, what: str = "this") -> None:
    """Return where whoever asks may do it. Raises HttpProblem 403."""
    asks = principal(request)
    if RANKS[asks.role] < RANKS[least]:
        message = f'"{asks.name}" has the role {asks.role}; {what} needs {least}'
        if least == "owner":
            message += ": use the command line of the user that runs the engine"
        raise HttpProblem(403, "not-allowed", message)


def _check_content_type(request: Request, kinds: Collection[str]) -> None:
    """A form of another site cannot send JSON without being asked for leave first; over TCP a body is JSON by name."""
    if request.method in _WITHOUT_BODY or request.scope["door"].local:
        return
    given = request.headers.getlist("content-type")
    kind, _, parameters = given[0].lower().partition(";") if len(given) == 1 else ("", "", "")
    if kind.strip() not in kinds or not all(map(_fits_json, parameters.split(";"))):
        raise HttpProblem(415, "not-json", f"the body must be sent as {' or '.join(kinds)}, in UTF-8")


def _fits_json(parameter: str) -> bool:
    """JSON has no parameters (RFC 8259 section 11); a charset that clients name all the same must be the one it has."""
    name, _, value = parameter.partition("=")
    return name.strip() != "charset" or value.strip().strip('"') in ("utf-8", "utf8", "us-ascii")
