"""The page as a face of an engine. It is loaded with the first request for it: most engines are never looked at."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from reconciler.engine.host import Host
from reconciler.faces.http.access import Scope
from reconciler.faces.http.face import App, Face
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.page.entering import ENTER, who_visits

STATIC = ("page.css", "page.js", "icon.svg")


def face(host: Host) -> Face:
    """The page of every project of a host."""
    app = _Later(host)
    free = {("GET", ENTER), *((method, f"/ui/static/{name}") for name in STATIC for method in ("GET", "HEAD"))}
    return Face(app, app.said, who=who_visits(host), open=frozenset(free), visited=frozenset({("GET", ENTER)}))


class _Later:
    """The app, once somebody asks for it; templates and their library take 0.2 s to load."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._app: App | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if self._app is None:
            module = await asyncio.to_thread(importlib.import_module, "reconciler.faces.page.endpoint")
            self._app = module.application(self._host)
        await self._app(scope, receive, send)

    def said(self, problem: HttpProblem) -> App:
        """A refusal, as a page."""

        async def answer(scope: Scope, receive: Any, send: Any) -> None:
            module = await asyncio.to_thread(importlib.import_module, "reconciler.faces.page.outside")
            await (await module.refusal(problem, self._host, scope, receive))(scope, receive, send)

        return answer
