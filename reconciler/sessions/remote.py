"""Sessions with servers at a URL: streamable HTTP in both protocol eras, and the older HTTP with server-sent events.

Imported through `door` only: the SDK takes most of a second to load. One inner task of ours owns the SDK's contexts,
because the SDK cancels whoever entered them when a connection dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio

from reconciler.model.server import Remote, Server
from reconciler.sessions.addresses import choose_written
from reconciler.sessions.callers import Callers
from reconciler.sessions.dial import CheckedTransport
from reconciler.sessions.exchange import Exchange
from reconciler.sessions.frames import is_finite
from reconciler.sessions.http_client import HttpClient, Watch
from reconciler.sessions.http_failures import RefusedRpc, describe
from reconciler.sessions.remote_changes import ACKNOWLEDGED, LISTEN, changing_lists, filter_for, keep_listening
from reconciler.sessions.remote_life import Life
from reconciler.sessions.remote_params import ParamHeaders, prepared
from reconciler.sessions.remote_unasked import Unasked
from reconciler.sessions.sdk import Conversation, MCPError, Wire, made_here, transport_of
from reconciler.sessions.session import (
    RESUMED,
    Caller,
    DeadlineExceeded,
    End,
    Era,
    Handshake,
    Notify,
    Progress,
    Resolve,
    RpcError,
    SessionError,
)
from reconciler.sessions.sign_in.credential import Credential
from reconciler.sessions.target import Target, target_of

PROBE_SECONDS = 10.0
LEAVE_SECONDS = 3.0
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"


@asynccontextmanager
async def open_remote(
    server: Server,
    resolve: Resolve,
    on_notification: Notify,
    *,
    era: Era | None = None,
    auth: Credential | None = None,
) -> AsyncIterator[RemoteSession]:
    """An Opener for model.server.Remote. `era` is what this server spoke last time, to save a round trip.

    `auth` says who we are. Raises SessionError: codes auth, sign-in, http-<status>, tls, dns, refused, unreachable,
    closed, redirect, address, url, header, protocol, protocol-version, handshake, deadline.
    """
    assert isinstance(server.transport, Remote)
    target = target_of(server.transport, resolve)
    session = RemoteSession(server, target, on_notification)
    owner = asyncio.create_task(session.own(server.transport, era, auth), name=f"transport of {server.id}")
    try:
        await session.opened(owner)
        yield session
    finally:
        await session.leave(owner)


class RemoteSession:
    """A Session over HTTP. `probe` asks the server whether it is still there."""

    handshake: Handshake
    pid: int | None = None

    def __init__(self, server: Server, target: Target, on_notification: Notify) -> None:
        self._target = target
        self._where = target.where
        self._said = target.said
        self._on_notification = on_notification
        self._callers = Callers(lambda: self._wire.flights())
        self._loop = asyncio.get_running_loop()
        self._life = Life(target.where, self.probe)
        self._start = server.timeouts.start
        self._start_deadline = self._loop.time() + self._start
        self._progress: dict[str, Progress] = {}
        self._tokens = count(1)
        self._listening: Exchange | None = None
        self._acknowledged = 0
        self._stood = 0
        self._param_headers = ParamHeaders()
        self._unasked = Unasked()

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
        caller: Caller | None = None,
    ) -> dict[str, Any]:
        """As Session.request. SessionError with code http-429 while the server asked not to be asked."""
        if caller is not None and self._callers.take_turns:
            async with self._callers.turn(caller, timeout):
                return await self._request(method, params, timeout, on_progress, caller)
        return await self._request(method, params, timeout, on_progress, caller)

    async def _request(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        timeout: float,
        on_progress: Progress | None,
        caller: Caller | None,
    ) -> dict[str, Any]:
        self._life.check_may_ask()
        token = self._token(on_progress)
        exchange = Exchange(self._loop.time() + timeout, method=method, caller=caller)
        try:
            result = await self._ask(method, prepared(params, token), exchange)
        except DeadlineExceeded:
            raise DeadlineExceeded(f"No answer to {method} within {timeout:g} s.") from None
        except SessionError as error:
            self._life.heed(error)
            raise
        except RefusedRpc as error:
            self._life.doubt(SessionError(f"{self._where} answered HTTP {error.status}: {self._said(str(error))}"))
            raise
        finally:
            self._progress.pop(token or "", None)
        if method == "tools/list":
            self._param_headers.learn(result)
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """As Session.notify. The stateless era has no notifications from us over HTTP; they are dropped."""
        if self._life.over:
            raise self._life.why_over()
        if self.handshake.era == "handshake":
            stamped, options = self._conversation.stamped(method, prepared(params, None))
            await self._wire.notify(method, stamped, options)

    async def ended(self) -> End:
        return await self._life.ended()

    @property
    def hears(self) -> bool:
        """As Session.hears: by the standing stream, in the stateless era by the subscription."""
        return self._client.hears or (self._listening is not None and self._listening.tells)

    @property
    def flooding(self) -> bool:
        """See Unasked.flooding."""
        return self._unasked.flooding

    async def probe(self, timeout: float = PROBE_SECONDS) -> None:
        """Ask for a sign of life: `ping`, in the stateless era `server/discover`. Raises SessionError for none.

        Any JSON-RPC answer is one, and so is having been asked to wait (429).
        """
        if self._life.quiet_for() > 0:
            return
        method = "ping" if self.handshake.era == "handshake" else "server/discover"
        try:
            await self.request(method, {}, timeout=timeout)
        except RefusedRpc as error:
            said = self._said(str(error))
            message = f"{self._where} does not take the session any more (HTTP {error.status}: {said})."
            raise SessionError(message, code="lost") from None
        except RpcError:
            pass

    # Opening and leaving; `own` runs in a task of its own

    async def own(self, transport: Remote, era: Era | None, auth: Credential | None) -> None:
        """Enter the SDK's contexts, greet the server, stay until the session is over. Raises only a cancellation."""
        watch = Watch(self._life.doubt, self._life.lose, self._resumed)
        try:
            dialled = CheckedTransport(self._target.url, choose_written, held_up=self._unasked.held_up)
            self._client = HttpClient(self._target, transport.kind, dialled, watch, auth=auth)
            async with transport_of(transport.kind, self._target.url, self._client) as (read, write):
                self._wire = Wire(
                    read,
                    write,
                    told=self._told,
                    answer=self._callers.answer,
                    unasked=self._unasked.came,
                    flooded=self._flooded,
                    deadline=self._start_deadline,
                )
                async with Conversation(self._wire) as self._conversation:
                    try:
                        await self._greet(transport.kind, era)
                        await self._stay()
                    finally:
                        self._life.leaving()
        except Exception as error:
            self._life.finish(describe(error, self._where))
        finally:
            self._life.finish()

    async def opened(self, owner: asyncio.Task[None]) -> None:
        """Wait until the session may be used. Raises SessionError."""
        events = [asyncio.create_task(event.wait()) for event in (self._life.begun, self._life.stop)]
        try:
            patience = self._start_deadline - self._loop.time()
            await asyncio.wait([owner, *events], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for event in events:
                event.cancel()
        if self._life.begun.is_set():
            return
        if self._life.failure is not None and not isinstance(self._life.failure, DeadlineExceeded):
            raise self._life.failure
        raise DeadlineExceeded(f"{self._where} did not answer the handshake within {self._start:g} s.")

    async def leave(self, owner: asyncio.Task[None]) -> None:
        """Leave nothing behind, in bounded time, whatever is being cancelled around us."""
        self._life.finish(SessionError("The session was closed."))
        with anyio.CancelScope(shield=True):
            try:
                if self._life.begun.is_set():
                    await asyncio.wait({owner}, timeout=LEAVE_SECONDS)
            finally:
                owner.cancel()
                await asyncio.gather(owner, return_exceptions=True)
                await self._life.leave()

    async def _greet(self, kind: str, era: Era | None) -> None:
        """The SSE transport is older than the stateless era."""
        try:
            await (self._conversation.initialize() if kind == "sse" else self._conversation.negotiate(era))
        except MCPError as error:
            said = self._said(str(error))
            raise SessionError(f"{self._where} refused the handshake: {said}", code="handshake") from None
        except RuntimeError as error:
            raise SessionError(self._said(str(error)), terminal=True, code="protocol-version") from None
        except ValueError:
            message = f"{self._where} answered the handshake with something that is not MCP."
            raise SessionError(message, code="protocol") from None
        self.handshake = _handshake(self._conversation, self._wire.last_result)

    async def _stay(self) -> None:
        self._life.begin()
        lists = changing_lists(self.handshake.capabilities)
        if self.handshake.era == "stateless" and lists:
            self._life.help(keep_listening(lambda: self._listen(lists), self._listening_ended))
        waits = [asyncio.create_task(self._wire.over.wait()), asyncio.create_task(self._life.stop.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            self._life.finish()
        finally:
            for wait in waits:
                wait.cancel()
            await self._wire.leave(self._life.why_over())

    # Asking

    async def _ask(self, method: str, params: Mapping[str, Any] | None, exchange: Exchange) -> dict[str, Any]:
        """One request on the wire. Raises RpcError, DeadlineExceeded, SessionError."""
        stamped, options = self._conversation.stamped(method, params, exchange.caller)
        options.setdefault("headers", {}).update(self._param_headers.of(method, params))
        try:
            return await self._wire.call(method, stamped, options, exchange)
        except MCPError as error:
            raise await self._answered(error, exchange) from None

    async def _answered(self, error: MCPError, exchange: Exchange) -> Exception:
        """What an error stands for: the server's own, or the SDK's for an answer that never came."""
        if not made_here(error) and is_finite(error.error.data):
            found = error.error.model_dump(by_alias=True, mode="json", exclude_none=True)
            status = exchange.status or 0
            return RefusedRpc(found, status) if status >= 400 else RpcError(found)
        if exchange.broke is not None:
            return exchange.broke
        if self._wire.over.is_set():
            return await self._life.wait_for_the_reason(LEAVE_SECONDS)
        return SessionError(f"{self._where} sent an answer that is not MCP: {self._said(str(error))}", code="protocol")

    def _token(self, on_progress: Progress | None) -> str | None:
        if on_progress is None:
            return None
        token = f"progress-{next(self._tokens)}"
        self._progress[token] = on_progress
        return token

    # Hearing

    def _told(self, method: str, params: Mapping[str, Any], exchange: Exchange | None) -> None:
        try:
            self._tell(method, params, exchange)
        except Exception as error:
            self._loop.call_exception_handler({"message": "a session's listener failed", "exception": error})

    def _tell(self, method: str, params: Mapping[str, Any], exchange: Exchange | None) -> None:
        if method == "notifications/progress":
            token = params.get("progressToken")
            found = self._progress.get(token) if isinstance(token, str) else None
            if found is not None:
                found(params)
        elif method == ACKNOWLEDGED:
            if exchange is self._listening:
                self._acknowledged += 1
                if self._acknowledged > 1:
                    self._resumed()
        elif method != "notifications/cancelled" and not self._callers.tell(method, params, exchange):
            self._on_notification(method, params)

    def _flooded(self) -> None:
        self._life.lose(SessionError(f"{self._where} asks faster than it takes our answers.", code="flood"))

    def _resumed(self) -> None:
        """Whatever was told while the stream was away is lost: say that everything may have changed."""
        if self._life.begun.is_set():
            for kind in changing_lists(self.handshake.capabilities):
                self._on_notification(f"notifications/{kind}/list_changed", {})
            self._on_notification(RESUMED, {})

    async def _listen(self, lists: list[str]) -> object:
        self._listening = listening = Exchange(method=LISTEN, stands=self._listens)
        try:
            return await self._ask(LISTEN, filter_for(lists), listening)
        finally:
            listening.standing = False

    def _listens(self) -> None:
        """A stream that tells of changed lists is there; of what changed since the one before it nobody told."""
        self._stood += 1
        if self._stood > 1:
            self._resumed()

    def _listening_ended(self, error: SessionError) -> None:
        self._life.heed(error)
        self._life.doubt(error)


def _handshake(conversation: Conversation, result: Mapping[str, Any]) -> Handshake:
    """What the server said, raw; only the version is what was agreed on."""
    stateless = conversation.discover_result is not None
    meta = result.get("_meta")
    info = (meta.get(_SERVER_INFO) if isinstance(meta, dict) else None) if stateless else result.get("serverInfo")
    capabilities, instructions = result.get("capabilities"), result.get("instructions")
    return Handshake(
        era="stateless" if stateless else "handshake",
        protocol_version=conversation.protocol_version or "",
        server_info=info if isinstance(info, dict) else None,
        capabilities=capabilities if isinstance(capabilities, dict) else {},
        instructions=instructions if isinstance(instructions, str) else None,
    )
