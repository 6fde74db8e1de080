"""The addresses of coming and going: a link that lets in, and leaving."""

from __future__ import annotations

import asyncio

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from reconciler.faces.api.hosted import host_of
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import cookie_name, is_secure, visit_of
from reconciler.faces.page.layout import base_of
from reconciler.faces.page.look import answer, markup
from reconciler.store.link_page import remove_link_page


async def enter(request: Request) -> Response:
    """A browser comes with a link: it gets a cookie, and goes on by itself.

    By a redirect it would still come from wherever the link was, and a strict cookie stays at home then.
    """
    host, word = host_of(request), request.query_params.get("word", "")
    cookie = host.visits.enter(word)
    if cookie is None:
        raise HttpProblem(401, "old-link", "this link let somebody in already, or is too old")
    for project in host.projects.values():
        await asyncio.to_thread(remove_link_page, project.state, word)
    response = answer(markup("enter.html", base=base_of(request)))
    secure = is_secure(host)
    response.set_cookie(cookie_name(host), cookie, path="/", httponly=True, samesite="strict", secure=secure)
    return response


async def leave(request: Request, _: FormData) -> Response:
    """The visit ends."""
    host = host_of(request)
    host.visits.leave(visit_of(request))
    for project in host.projects.values():
        project.news.tell()  # what is shown live in this visit ends now
    response = answer(markup("left.html"))
    response.delete_cookie(cookie_name(host), path="/", httponly=True, samesite="strict", secure=is_secure(host))
    return response
