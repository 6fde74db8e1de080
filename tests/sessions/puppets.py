"""Sessions without servers, for what is logic: each does what its troupe was told, and everything is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from reconciler.model.secret import Template
from reconciler.model.server import Server, Stdio, Timeouts
from reconciler.sessions.session import End, Handshake, Notify, Progress, SessionError

ENDED = SessionError("the session is over", code="ended")


def server(server_id: str = "a", spec: str = "one", **fields: Any) -> Server:
    """A server whose spec is also its command."""
    fields = {"timeouts": Timeouts(30.0, 15.0, 60.0), "transport": Stdio(Template((spec,))), **fields}
    return Server(id=server_id, name=server_id, spec=spec, **fields)


class Puppet:
    """A session. `hold` is what its calls wait for; `answers` what it says to a method, an error is raised."""

    pid = None
    hears = True

    def __init__(self, played: Server, notify: Notify) -> None:
        self.server = played
        self.notify_client = notify
        self.handshake = Handshake("handshake", "2025-11-25", capabilities={"tools": {}})
        self.hold = asyncio.Event()
        self.answers: dict[str, Any] = {"tools/list": {"tools": [tool("echo")]}, "ping": {}}
        self.asked: list[str] = []
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Any = None,
    ) -> dict[str, Any]:
        self.asked.append(method)
        if method == "tools/call":
            held = asyncio.ensure_future(self.hold.wait())
            await asyncio.wait({held, self._end}, return_when=asyncio.FIRST_COMPLETED)
            if not held.done():
                held.cancel()
                raise ENDED
            return {"content": [{"type": "text", "text": self.server.spec}]}
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        self.asked.append(method)

    async def ended(self) -> End:
        return await asyncio.shield(self._end)

    def die(self, end: End | None = None) -> None:
        """Be over, as a process that exits."""
        if not self._end.done():
            self._end.set_result(end or End("it exited with status 1", 1, ("one", "two", "last words")))


class Troupe:
    """Opens puppets. `plays` says, by spec, what an opening does: nothing more, wait for an Event, or an error.

    `said` is what happened: `open one`, `close one`. `times` is when each opening began, by spec.
    """

    def __init__(self) -> None:
        self.plays: dict[str, Exception | asyncio.Event | None] = {}
        self.said: list[str] = []
        self.times: dict[str, list[float]] = {}
        self.puppets: list[Puppet] = []
        self.inside = 0
        self.hears = True
        self.short_lived: set[str] = set()
        """Specs whose sessions die as soon as they are there."""

    @asynccontextmanager
    async def open(self, played: Server, instance: str, notify: Notify) -> AsyncIterator[Puppet]:
        self.said.append(f"open {played.spec}")
        self.times.setdefault(played.spec, []).append(asyncio.get_running_loop().time())
        self.inside += 1
        try:
            play = self.plays.get(played.spec)
            if isinstance(play, asyncio.Event):
                await play.wait()
            elif play is not None:
                raise play
            puppet = Puppet(played, notify)
            puppet.hears = self.hears
            self.puppets.append(puppet)
            if played.spec in self.short_lived:
                asyncio.get_running_loop().call_soon(puppet.die)
            try:
                yield puppet
            finally:
                puppet.die(End("it was closed"))
        finally:
            self.inside -= 1
            self.said.append(f"close {played.spec}")

    @property
    def last(self) -> Puppet:
        return self.puppets[-1]

    def waits(self, spec: str) -> list[float]:
        """Seconds between the openings of a spec."""
        times = self.times[spec]
        return [round(later - earlier, 3) for earlier, later in pairwise(times)]


def tool(name: str) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}}
