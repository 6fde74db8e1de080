"""`/api/v1/visits`: a link that lets somebody in to the page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from reconciler.engine.visits import LINK_SECONDS
from reconciler.faces.api.access import RoleRoute, principal
from reconciler.faces.api.description import Nothing, Says, Shown
from reconciler.faces.api.hosted import host_of, project_of
from reconciler.faces.http.page_link import page_link
from reconciler.faces.http.problems import HttpProblem


class Link(Shown):
    """Lets one browser in, once, within so many seconds; what is done there is done as an operator."""

    url: str
    seconds: int


_LINK = Says("Make a link to the page", Link, body=Nothing, refusals={409: ("not-listening",)})


def routes() -> list[RoleRoute]:
    """The one route, with the role that it needs."""
    return [RoleRoute("/visits", post_visit, "owner", "POST", says=_LINK)]


async def post_visit(request: Request) -> JSONResponse:
    url = page_link(host_of(request), project_of(request), principal(request).name)
    if url is None:
        raise HttpProblem(409, "not-listening", "this engine listens on its own socket only, where no browser comes")
    return JSONResponse({"url": url, "seconds": int(LINK_SECONDS)})
