"""The way in of one listener: Host and Origin, then who asks, then the face that answers.

What a token's holder has open is ended when the token is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import JSONResponse, Response

from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.faces.cli.paths import FaceName, Place, place_of
from reconciler.faces.http.access import Door, Scope, unauthorized
from reconciler.faces.http.face import App, Face
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal


class Front:
    """The outermost ASGI app of a listener."""

    def __init__(self, host: Host, door: Door, faces: Mapping[FaceName, Face]) -> None:
        self._host = host
        self._door = door
        self._faces = faces
        self._open: dict[asyncio.Task[Any], Scope] = {}
        self._ends = False
        for project in host.projects.values():
            self._added(project)
        host.added.append(self._added)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = scope
        place = place_of(scope["path"], scope["query_string"])
        face = self._faces[place.face]
        try:
            self._door.admit(scope, visited=_spot(scope) in face.visited)
            scope["door"] = self._door
            await self._app(scope, place, face)(scope, receive, send)
        except HttpProblem as problem:
            await face.said(problem)(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(scope, receive, send)
        finally:
            del self._open[task]
            if "begun" in scope:  # it was refused before anybody took up what it had begun (see http.hot)
                scope["begun"].drop()

    def end(self) -> None:
        """The engine stops: what is open is told so and ended."""
        self._ends = True
        for task in tuple(self._open):
            task.cancel()

    def _app(self, scope: Scope, place: Place, face: Face) -> App:
        """Who answers. Nobody does without a token, but where the face says so, and for /healthz."""
        if scope["path"] == "/healthz":
            return _healthy
        if (scope.get("method"), scope["path"]) not in face.open and _spot(scope) not in face.visited:
            face.who(scope, _Accepted(self._projects(place)), face.local)
        if scope["type"] == "websocket" and not face.sockets:
            raise HttpProblem(404, "no-socket", "nothing here speaks WebSocket")
        return face.app

    def _projects(self, place: Place) -> Iterable[Project]:
        """The projects whose tokens hold for this place."""
        named = self._host.projects.get(place.project or "")
        if named is None and place.anywhere:
            return self._host.projects.values()
        return (named or self._host.root,)

    def _added(self, project: Project) -> None:
        project.tokens.listen(self._revoked)

    def _revoked(self, principals: Sequence[Principal]) -> None:
        for task, scope in tuple(self._open.items()):
            if any(scope.get("principal") is principal for principal in principals):
                task.cancel()

    async def _end(self, scope: Scope, receive: Any, send: Any) -> None:
        """The end of a request that was cut off: an error where nothing was answered yet, else that of the stream."""
        stops = HttpProblem(503, "stopping", "the engine stops")
        problem = stops if self._ends or self._host.stopping.is_set() else unauthorized("the token was taken back")
        if scope["type"] == "websocket":
            await _end_socket(problem, scope, receive, send)
            return
        try:
            await problem.response()(scope, receive, send)
        except RuntimeError:  # the answer has begun
            with suppress(RuntimeError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _spot(scope: Scope) -> tuple[str, str]:
    """Method and path, without the project that the path may name."""
    path: str = scope["path"]
    if path.startswith("/p/"):
        path = "/" + "/".join(path.split("/", 3)[3:])
    return scope.get("method", ""), path


class _Accepted:
    """Whose tokens hold for one request (http.access.Guarded)."""

    def __init__(self, projects: Iterable[Project]) -> None:
        self._projects = projects

    @property
    def tokens(self) -> _Accepted:
        return self

    def check(self, bearer: bytes) -> Principal | None:
        checks = (project.tokens.check(bearer) for project in self._projects)
        return next((found for found in checks if found is not None), None)


async def _end_socket(problem: HttpProblem, scope: Scope, receive: Any, send: Any) -> None:
    """In HTTP where the socket was not opened yet; then with the codes for "come again" and for "you may not"."""
    with suppress(ConnectionError):
        try:
            await problem.response()(scope, receive, send)
        except RuntimeError:
            code = 1012 if problem.status == 503 else 1008
            await send({"type": "websocket.close", "code": code, "reason": str(problem)})


async def _healthy(scope: Scope, receive: Any, send: Any) -> None:
    answer: Response = JSONResponse({"status": "ok"})
    await answer(scope, receive, send)
