"""The way in of one listener: Host and Origin, then who asks, then the gateway or the API.

What a token's holder has open is ended when the token is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from starlette.responses import JSONResponse

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.http.access import LOCAL, OWNER, Door, Scope, principal_of, unauthorized
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal

App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class Front:
    """The outermost ASGI app of a listener."""

    def __init__(self, host: Host, door: Door, api: App, gateway: App) -> None:
        self._host = host
        self._door = door
        self._api = api
        self._gateway = gateway
        self._open: dict[asyncio.Task[Any], Scope] = {}
        for project in host.projects.values():
            project.tokens.listen(self._revoked)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = scope
        try:
            self._door.admit(scope)
            scope["door"] = self._door
            await self._app(scope)(scope, receive, send)
        except HttpProblem as problem:
            await problem.response()(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(scope, receive, send)
        finally:
            del self._open[task]
            if "begun" in scope:  # it was refused before anybody took up what it had begun (see http.hot)
                scope["begun"].drop()

    def end(self) -> None:
        """The engine stops: what is open is told so and ended."""
        for task in tuple(self._open):
            task.cancel()

    def _app(self, scope: Scope) -> App:
        """Who answers. Nobody does without a token, but for /healthz."""
        path: str = scope["path"]
        if path == "/healthz":
            return _healthy
        name, below = _below_project(path)
        is_mcp = below == "mcp" if name is not None else path == "/mcp" or path.startswith("/mcp/")
        principal_of(scope, self._project(name), LOCAL if is_mcp else OWNER)
        return self._gateway if is_mcp else self._api

    def _project(self, name: str | None) -> Project:
        """The project whose token must be shown; the first one's where there is none of that name."""
        return self._host.projects.get(name or "") or self._host.first

    def _revoked(self, principals: Sequence[Principal]) -> None:
        for task, scope in tuple(self._open.items()):
            if any(scope.get("principal") is principal for principal in principals):
                task.cancel()

    async def _end(self, scope: Scope, receive: Any, send: Any) -> None:
        """The end of a request that was cut off: an error where nothing was answered yet, else that of the stream."""
        stops = HttpProblem(503, "stopping", "the engine stops")
        problem = stops if self._host.stopping.is_set() else unauthorized("the token was taken back")
        try:
            await problem.response()(scope, receive, send)
        except RuntimeError:  # the answer has begun
            with suppress(RuntimeError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _below_project(path: str) -> tuple[str | None, str]:
    """`/p/NAME/mcp/...` -> NAME and `mcp`; no name for any other path."""
    if not path.startswith("/p/"):
        return None, ""
    parts = path.split("/", 4)
    return parts[2], parts[3] if len(parts) > 3 else ""


async def _healthy(scope: Scope, receive: Any, send: Any) -> None:
    await JSONResponse({"status": "ok"})(scope, receive, send)
