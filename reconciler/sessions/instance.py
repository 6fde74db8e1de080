"""One session of one server: its task enters and leaves the connection, keeps its lists fresh and notices its end.

It decides nothing: the hub, which keeps one or more of a server, says when it goes.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from reconciler.model.server import Server
from reconciler.sessions.listing import KINDS, Listing, list_again, list_all
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.pulse import Pulse
from reconciler.sessions.session import (
    RESUMED,
    STARTED,
    Caller,
    End,
    Open,
    Progress,
    RpcError,
    Sent,
    Session,
    SessionError,
    Take,
)
from reconciler.sessions.stale import Stale
from reconciler.sessions.starts import Start, Starts
from reconciler.sessions.wishes import NONE, UPDATED, Granter, Wishes

State = Literal["opening", "ready", "draining", "closed"]
Told: TypeAlias = Callable[[str, str, Mapping[str, Any]], None]
"""Takes notifications of serving sessions: server id, method, params. Changed lists come when they are read again."""

DRAIN_SECONDS = 10.0

LISTED_AGAIN = "lists/read"
"""Told instead of a server's list_changed notifications, when all lists were read again."""
_CHANGED = {f"notifications/{kind}/list_changed": kind for kind in KINDS}


class NotLive(Exception):
    """There is no session to ask; the message says why and what is being done."""


class _Started:
    """A request in flight that was started."""

    __slots__ = ("_instance", "_sent", "over")

    def __init__(self, instance: Instance, sent: Sent) -> None:
        self._instance = instance
        self._sent = sent
        self.over = sent.over

    async def result(self) -> dict[str, Any]:
        try:
            return await self._sent.result()
        finally:
            self._instance.leave()

    def drop(self) -> None:
        self._sent.drop()
        self._instance.leave()


class Instance:
    """One session of one server. Its task enters and leaves the connection; everybody else only asks."""

    def __init__(
        self,
        server: Server,
        opened: Open,
        starts: Starts,
        on_change: Callable[[], None],
        told: Told | None = None,
    ) -> None:
        self.id = f"ins-{secrets.token_hex(4)}"
        self.server = server
        self.state: State = "opening"
        self.session: Session | None = None
        self.listing = Listing()
        self.end: End | None = None
        self.failure: SessionError | None = None
        self.in_flight = 0
        self._opened = opened
        self._starts = starts
        self._start: Start | None = None
        self.on_change = on_change
        self._told = told
        self._stop = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stale = Stale()
        self._pulse = Pulse()
        self._granter: Granter | None = None
        self._granting: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._own(), name=f"owner of {server.id}")

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """Ask the server; see Session.request. Draining waits for requests in flight."""
        if self.session is None:
            raise NotLive("the session is not ready")
        self.enter(timeout)
        try:
            return await self.session.request(method, params, timeout=timeout, on_progress=on_progress, caller=caller)
        finally:
            self.leave()

    def start(
        self, method: str, params: Mapping[str, Any] | None, *, timeout: float, caller: Caller, take: Take
    ) -> Sent | None:
        """Ask the server and wait for nothing; see PipeSession.start. None where only `request` can do it."""
        if not isinstance(self.session, PipeSession):
            return None

        def taken(result: dict[str, Any]) -> bool:
            if take(result):
                self.leave()
                return True
            return False

        sent = self.session.start(method, params, timeout=timeout, caller=caller, take=taken)
        if sent is None:
            return None
        self.enter(timeout)
        return _Started(self, sent)

    def enter(self, timeout: float) -> None:
        """One more request is in flight, for at most `timeout` seconds."""
        self.in_flight += 1
        self._idle.clear()
        self._pulse.works(timeout)

    def leave(self) -> None:
        """One less."""
        self.in_flight -= 1
        if self.in_flight == 0:
            self._idle.set()

    @property
    def storm(self) -> int:
        """See Stale.storm."""
        return self._stale.storm

    def wish(self, wishes: Wishes) -> None:
        """What is wished of the server from now on, all of it; the same again does nothing. For a ready session."""
        if self._granter is None and self.session is not None and wishes != NONE and self.state == "ready":
            self._granter = Granter(self.session, self.updated, self.server.timeouts.list)
            self._granting = asyncio.create_task(self._granter.run(), name=f"wishes for {self.server.id}")
        if self._granter is not None:
            self._granter.wish(wishes)

    def doubt(self) -> None:
        """It may be gone without a word, as after a sleep of the machine: one ping, at once, tells."""
        self._pulse.hurry(of_a_process=self.session is not None and self.session.pid is not None)
        self._stale.hurry()

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Let requests in flight finish for at most `seconds`, then close. Returns when nothing is left."""
        if self.state == "ready":
            self.state = "draining"
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """End the session and whatever it started. Returns when nothing is left."""
        self._stop.set()
        if self.state == "opening":
            self._task.cancel()
        await asyncio.wait({self._task})
        self.state = "closed"  # also when its task was cancelled before it began

    async def _own(self) -> None:
        try:
            await self._live()
        except SessionError as error:
            self.failure = error
        except RpcError as error:
            self.failure = SessionError(f"the server refused: {error}", code="rpc")
        except asyncio.CancelledError:
            self.failure = SessionError("closed before it was ready", code="closed")
        except Exception as error:  # a defect of ours or of a library must stay with this server
            self.failure = SessionError(f"{type(error).__name__}: {error}", code="internal")
        finally:
            self.state = "closed"
            self._idle.set()
            self.on_change()

    async def _live(self) -> None:
        self._start = start = await self._starts.begin()
        try:
            async with self._opened(self.server, self.id, self._notified) as session:
                start.end()
                self._stale.all_read(hears=session.hears)
                self.listing = await list_all(session, timeout=self.server.timeouts.list)
                self.session, self.state = session, "ready"
                self.on_change()
                await self._serve(session)
        finally:
            start.end()

    async def _serve(self, session: Session) -> None:
        waits = [asyncio.create_task(wait) for wait in (session.ended(), self._stop.wait(), self._keep(session))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            self.state = "draining"  # whoever asks while what is left of it is put away waits for the next session
            ended, _, kept = waits
            if ended.done():
                self.end = ended.result()  # type: ignore[assignment]  # the first of the three answers an End
                self.on_change()
            elif kept.done():
                kept.result()
        finally:
            helpers = [*waits, self._granting] if self._granting else waits
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _keep(self, session: Session) -> None:
        """Ping and re-read the lists, for as long as the server answers."""
        loop = asyncio.get_running_loop()
        while True:
            until = loop.time() + self._pulse.wait
            if not self._pulse.silent:
                until = min(until, self._stale.all_due(hears=session.hears))
            kinds = await self._stale.due(until)
            if kinds and await self._relist(session, kinds):
                self._pulse.heard()
                continue
            await self._pulse.ask(session, patience=self.server.timeouts.list, works=self.in_flight > 0)
            if not self._pulse.silent and loop.time() >= self._stale.all_due(hears=session.hears):
                await self._relist_all(session)

    async def _relist_all(self, session: Session) -> None:
        """Of a server that just answered: who is silent would only be noticed later."""
        every = frozenset(KINDS)
        self._stale.all_read(hears=session.hears)
        self._stale.read(every)
        await self._relist(session, every)

    async def _relist(self, session: Session, kinds: frozenset[str]) -> bool:
        """Whether the server gave them; else the lists of before stay, and it is asked again later."""
        try:
            self.listing = await list_again(session, self.listing, kinds, timeout=self.server.timeouts.list)
        except (SessionError, RpcError):
            self._stale.not_read(kinds)
            return False
        self.on_change()
        self._tell(LISTED_AGAIN, {})
        return True

    def _notified(self, method: str, params: Mapping[str, Any]) -> None:
        if method in _CHANGED:
            self._stale.mark(_CHANGED[method])
        elif method == RESUMED:
            if self._granter is not None:
                self._granter.missed()
        elif method == STARTED:
            self._started(params.get("pid"))
        else:
            self._tell(method, params)

    def _started(self, pid: object) -> None:
        if self._start is not None and isinstance(pid, int):
            self._start.started(pid)

    def updated(self, uri: str) -> None:
        """Tell of an update that the server itself may not have told of."""
        self._tell(UPDATED, {"uri": uri})

    def _tell(self, method: str, params: Mapping[str, Any]) -> None:
        if self._told is not None and self.state == "ready":
            self._told(self.server.id, method, params)
