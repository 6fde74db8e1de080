"""Sessions of clients of the handshake era: what one client opened, asked for and is owed."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Protocol

from reconciler.faces.gateway.limits import Limits
from reconciler.faces.gateway.messages import Id, Response, fault, notification
from reconciler.faces.gateway.protocol import UNAVAILABLE
from reconciler.faces.gateway.scope import Scope
from reconciler.faces.gateway.streams import EventStream
from reconciler.faces.http.problems import HttpProblem
from reconciler.gate.gate import Principal
from reconciler.sessions.session import RpcError


class Running(Protocol):
    """A request that is being answered: a task, or what stands for one."""

    def cancel(self) -> object:
        """The client does not want it any more."""
        ...


class OpenQuestions:
    """What one client was asked and has not answered yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = count(1)

    def open(self) -> tuple[str, asyncio.Future[dict[str, Any]]]:
        """A new question: its id, and where the answer comes. Raises RpcError when too many wait."""
        if len(self._open) >= self._most:
            raise fault(UNAVAILABLE, "Too many questions wait for the client's answer")
        number = f"reconciler-{next(self._numbers)}"
        answer = self._open[number] = asyncio.get_running_loop().create_future()
        return number, answer

    def close(self, number: str) -> None:
        """Whatever comes for this question now is too late."""
        self._open.pop(number, None)

    def answer(self, response: Response) -> None:
        """Take a client's answer; one to nothing that was asked is not looked at."""
        found = self._open.get(response.id) if isinstance(response.id, str) else None
        if found is None or found.done():
            return
        if response.result is not None:
            found.set_result(response.result)
        else:
            found.set_exception(RpcError(response.error or {}))

    def fail(self, number: str, error: RpcError) -> None:
        """There will be no answer."""
        found = self._open.get(number)
        if found is not None and not found.done():
            found.set_exception(error)

    def fail_all(self) -> None:
        """The client is gone."""
        for number in tuple(self._open):
            self.fail(number, fault(UNAVAILABLE, "The client's session is over"))


class ClientSession:
    """One client. `used` is the loop's time when it was last heard of; `running` are its requests being answered."""

    def __init__(
        self,
        principal: Principal,
        scope: Scope,
        version: str,
        capabilities: Mapping[str, Any],
        limits: Limits,
    ) -> None:
        self.id = secrets.token_urlsafe(24)
        self.principal = principal
        self.scope = scope
        self.version = version
        self.capabilities = capabilities
        self.log_level: str | None = None
        self.running: dict[Id, Running] = {}
        self.withdrawn: set[Id] = set()
        self.questions = OpenQuestions(limits.questions)
        self.initialized = False
        self.over = False
        self.used = asyncio.get_running_loop().time()
        self._followed: dict[str, Callable[[], None]] = {}
        self._at_end: dict[str, Callable[[], None]] = {}
        self._limits = limits
        self._streams: list[EventStream] = []
        self._changed: dict[str, None] = {}

    def takes(self, number: Id, begun: Running | None = None) -> bool:
        """Whether a request of that id can be answered now. `begun` stands for that very request."""
        if number in self.running:
            return self.running[number] is begun
        return not self.over and len(self.running) < self._limits.running

    @property
    def is_idle(self) -> bool:
        """Whether it asks nothing and hears nothing at the moment."""
        return not self.running and not any(not stream.over for stream in self._streams)

    def hear(self, stream: EventStream) -> None:
        """A new stream to the client: from now on it hears everything there."""
        self._streams = [known for known in self._streams if not known.over]
        if len(self._streams) >= self._limits.streams:
            self._streams.pop(0).end()
        self._streams.append(stream)
        for method in self._changed:
            stream.put(notification(method, {}))
        self._changed.clear()

    def leave(self, stream: EventStream) -> None:
        """That stream is no more."""
        with suppress(ValueError):
            self._streams.remove(stream)

    def tell(self, method: str, params: Mapping[str, Any]) -> None:
        """Tell the client something that belongs to no request: on one of its streams, as the specification wants."""
        message = notification(method, params)
        for stream in reversed(self._streams):
            if stream.put(message):
                return
        if method.endswith("/list_changed"):
            self._changed[method] = None

    def follow(self, uri: str, begin: Callable[[], Callable[[], None]]) -> None:
        """Follow one more resource; `begin` does it and answers what stops it. Raises RpcError beyond the limit."""
        if uri in self._followed:
            return
        if len(self._followed) >= self._limits.followed:
            raise fault(UNAVAILABLE, f"A client follows at most {self._limits.followed} resources")
        self._followed[uri] = begin()

    def unfollow(self, uri: str) -> None:
        """Follow a resource no more."""
        stop = self._followed.pop(uri, None)
        if stop is not None:
            stop()

    def at_end(self, what: str, stop: Callable[[], None]) -> None:
        """Call `stop` when the session ends; one for each `what`."""
        self._at_end[what] = stop

    def cancel(self, number: Id) -> None:
        """The client takes a request back."""
        task = self.running.get(number)
        if task is not None:
            self.withdrawn.add(number)
            task.cancel()

    def close(self) -> None:
        """Everything of it ends."""
        self.over = True
        for stop in (*self._at_end.values(), *self._followed.values()):
            stop()
        self._at_end.clear()
        self._followed.clear()
        self.questions.fail_all()
        for number in tuple(self.running):
            self.cancel(number)
        for stream in self._streams:
            stream.end()


class ClientSessions:
    """The sessions of all clients, the one that was used longest ago first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_id: OrderedDict[str, ClientSession] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, principal: Principal) -> list[ClientSession]:
        """Those of one principal, the one that was used longest ago first."""
        return [session for session in self._by_id.values() if session.principal is principal]

    def add(self, session: ClientSession) -> None:
        """Keep a new session; where there is no room, the one that was idle longest goes. Raises HttpProblem 503."""
        mine = self.of(session.principal)
        if len(mine) >= self._limits.sessions_each:
            self._make_room(mine)
        elif len(self._by_id) >= self._limits.sessions:
            self._make_room(list(self._by_id.values()))
        self._by_id[session.id] = session
        self._sweep_later()

    def find(self, number: str, principal: Principal, scope: Scope) -> ClientSession | None:
        """The session of that id, if it is this principal's and of this endpoint."""
        session = self._by_id.get(number)
        if session is None or session.principal is not principal or session.scope != scope:
            return None
        self.touch(session)
        return session

    def touch(self, session: ClientSession) -> None:
        """It was heard of."""
        session.used = asyncio.get_running_loop().time()
        if session.id in self._by_id:
            self._by_id.move_to_end(session.id)

    def end(self, session: ClientSession) -> None:
        """End one."""
        self._by_id.pop(session.id, None)
        session.close()

    def _make_room(self, among: list[ClientSession]) -> None:
        oldest = next((known for known in among if known.is_idle), None)
        if oldest is None:
            raise HttpProblem(503, "too-many-sessions", "too many sessions are open", headers={"retry-after": "60"})
        self.end(oldest)

    def _sweep_later(self) -> None:
        if self._timer is None and self._by_id:
            self._timer = asyncio.get_running_loop().call_later(self._limits.idle / 30, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for session in tuple(self._by_id.values()):
            if not session.is_idle:
                session.used = now
            elif now - session.used >= self._limits.idle:
                self.end(session)
        self._sweep_later()
