"""Sessions with servers at a URL: streamable HTTP in both protocol eras, and the older HTTP with server-sent events.

Imported through `door` only: the SDK takes most of a second to load. One inner task of ours owns the SDK's contexts,
because the SDK cancels whoever entered them when a connection dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio

from reconciler.model.server import Remote, Server
from reconciler.sessions.addresses import choose_written
from reconciler.sessions.dial import CheckedTransport
from reconciler.sessions.exchange import Exchange
from reconciler.sessions.http_client import HttpClient, Watch
from reconciler.sessions.http_failures import RefusedRpc, clean, describe
from reconciler.sessions.questions import Answer, decline
from reconciler.sessions.remote_changes import ACKNOWLEDGED, LISTEN, changing_lists, filter_for, keep_listening
from reconciler.sessions.remote_life import Life
from reconciler.sessions.sdk import Conversation, MCPError, Wire, headers_of, made_here, param_headers, transport_of
from reconciler.sessions.session import (
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
from reconciler.sessions.target import Target, target_of

PROBE_SECONDS = 10.0
LEAVE_SECONDS = 3.0
_ENVELOPE = "io.modelcontextprotocol/"
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"


@asynccontextmanager
async def open_remote(
    server: Server,
    resolve: Resolve,
    on_notification: Notify,
    *,
    era: Era | None = None,
    answer: Answer = decline,
) -> AsyncIterator[RemoteSession]:
    """An Opener for model.server.Remote. `era` is what this server spoke last time, to save a round trip.

    `answer` answers what the server asks of us. Raises SessionError: codes auth, http-<status>, tls, dns, refused,
    unreachable, closed, redirect, address, url, header, protocol, protocol-version, handshake, deadline.
    """
    assert isinstance(server.transport, Remote)
    target = target_of(server.transport, resolve)
    session = RemoteSession(server, target.where, on_notification, answer)
    owner = asyncio.create_task(session.own(server.transport, target, era), name=f"transport of {server.id}")
    try:
        await session.opened(owner)
        yield session
    finally:
        await session.leave(owner)


class RemoteSession:
    """A Session over HTTP. `probe` asks the server whether it is still there."""

    handshake: Handshake
    pid: int | None = None

    def __init__(self, server: Server, where: str, on_notification: Notify, answer: Answer) -> None:
        self._where = where
        self._on_notification = on_notification
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._life = Life(where, self.probe)
        self._start = server.timeouts.start
        self._start_deadline = self._loop.time() + self._start
        self._failure: SessionError | None = None
        self._progress: dict[str, Progress] = {}
        self._tokens = 0
        self._acknowledged = 0
        self._param_headers: dict[str, dict[tuple[str, ...], str]] = {}

    async def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float,
        on_progress: Progress | None = None,
    ) -> dict[str, Any]:
        """As Session.request. SessionError with code http-429 while the server asked not to be asked."""
        self._life.check_may_ask()
        token, prepared = self._prepared(params, on_progress)
        try:
            result = await self._ask(method, prepared, Exchange(self._loop.time() + timeout))
        except DeadlineExceeded:
            raise DeadlineExceeded(f"No answer to {method} within {timeout:g} s.") from None
        except SessionError as error:
            self._life.heed(error)
            raise
        except RefusedRpc as error:
            self._life.doubt(SessionError(f"{self._where} answered HTTP {error.status}: {clean(str(error))}"))
            raise
        finally:
            self._progress.pop(token, None)
        if method == "tools/list":
            self._learn_headers(result)
        return result

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """As Session.notify. The stateless era has no notifications from us over HTTP; they are dropped."""
        if self._life.over:
            raise self._life.why_over()
        if self.handshake.era == "handshake":
            _, prepared = self._prepared(params, None)
            stamped, options = self._conversation.stamped(method, prepared)
            await self._wire.notify(method, stamped, options)

    async def ended(self) -> End:
        return await self._life.ended()

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
            message = f"{self._where} does not take the session any more (HTTP {error.status}: {clean(str(error))})."
            raise SessionError(message, code="lost") from None
        except RpcError:
            pass

    # Opening and leaving; `own` runs in a task of its own

    async def own(self, transport: Remote, target: Target, era: Era | None) -> None:
        """Enter the SDK's contexts, greet the server, stay until the session is over. Raises only a cancellation."""
        watch = Watch(self._life.doubt, self._life.lose, self._resumed)
        signs_in = bool(transport.oauth or transport.azure)
        dialler = CheckedTransport(target.url, choose_written)
        client = HttpClient(target.url, transport.kind, target.headers, dialler, watch, signs_in=signs_in)
        try:
            async with transport_of(transport.kind, target.url, client) as (read, write):
                self._wire = Wire(read, write, told=self._told, answer=self._answer, deadline=self._start_deadline)
                async with Conversation(self._wire) as self._conversation:
                    await self._greet("handshake" if transport.kind == "sse" else era)
                    await self._stay()
        except Exception as error:
            self._failure = describe(error, self._where)
        finally:
            self._life.finish(self._failure)

    async def opened(self, owner: asyncio.Task[None]) -> None:
        """Wait until the session may be used. Raises SessionError."""
        opening = asyncio.create_task(self._life.begun.wait())
        try:
            patience = self._start_deadline - self._loop.time()
            await asyncio.wait({owner, opening}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
        if self._life.begun.is_set():
            return
        if owner.done() and self._failure is not None and not isinstance(self._failure, DeadlineExceeded):
            raise self._failure
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

    async def _greet(self, era: Era | None) -> None:
        try:
            await self._conversation.negotiate(era)
        except MCPError as error:
            said = clean(str(error))
            raise SessionError(f"{self._where} refused the handshake: {said}", code="handshake") from None
        except RuntimeError as error:
            raise SessionError(clean(str(error)), terminal=True, code="protocol-version") from None
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
        finally:
            self._life.leaving()
            for wait in waits:
                wait.cancel()
            await self._wire.leave()

    # Asking

    async def _ask(self, method: str, params: Mapping[str, Any] | None, exchange: Exchange) -> dict[str, Any]:
        """One request on the wire. Raises RpcError, DeadlineExceeded, SessionError."""
        stamped, options = self._conversation.stamped(method, params)
        if method == "tools/call" and params and (mapping := self._param_headers.get(str(params.get("name")))):
            options.setdefault("headers", {}).update(headers_of(mapping, params.get("arguments")))
        try:
            return await self._wire.call(method, stamped, options, exchange)
        except MCPError as error:
            raise await self._answered(error, exchange) from None

    async def _answered(self, error: MCPError, exchange: Exchange) -> Exception:
        """What an error stands for: the server's own, or the SDK's for an answer that never came."""
        if not made_here(error):
            found = error.error.model_dump(by_alias=True, mode="json", exclude_none=True)
            status = exchange.status or 0
            return RefusedRpc(found, status) if status >= 400 else RpcError(found)
        if exchange.broke is not None:
            return exchange.broke
        if self._wire.over.is_set():
            return await self._life.wait_for_the_reason(LEAVE_SECONDS)
        return SessionError(f"{self._where} sent an answer that is not MCP: {clean(str(error))}", code="protocol")

    def _prepared(
        self, params: Mapping[str, Any] | None, on_progress: Progress | None
    ) -> tuple[str, Mapping[str, Any] | None]:
        """`params` without a caller's envelope and token, which would be taken for ours; a token of ours if wanted."""
        given = dict(params) if params is not None else {}
        meta = given.pop("_meta", None)
        kept = {key: value for key, value in meta.items() if _is_theirs(key)} if isinstance(meta, Mapping) else {}
        token = ""
        if on_progress is not None:
            self._tokens += 1
            token = kept["progressToken"] = f"progress-{self._tokens}"
            self._progress[token] = on_progress
        if kept:
            given["_meta"] = kept
        return token, None if params is None and not given else given

    def _learn_headers(self, result: Mapping[str, Any]) -> None:
        """Some tools want arguments as headers too; a tool whose schema says so wrongly gets none."""
        tools = result.get("tools")
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._param_headers[tool["name"]] = param_headers(tool.get("inputSchema")) or {}

    # Hearing

    def _told(self, method: str, params: Mapping[str, Any]) -> None:
        try:
            self._tell(method, params)
        except Exception as error:
            self._loop.call_exception_handler({"message": "a session's listener failed", "exception": error})

    def _tell(self, method: str, params: Mapping[str, Any]) -> None:
        if method == "notifications/progress":
            token = params.get("progressToken")
            found = self._progress.get(token) if isinstance(token, str) else None
            if found is not None:
                found(params)
        elif method == ACKNOWLEDGED:
            self._acknowledged += 1
            if self._acknowledged > 1:
                self._resumed()
        elif method != "notifications/cancelled":
            self._on_notification(method, params)

    def _resumed(self) -> None:
        """Whatever was told while the stream was away is lost: say that every list may have changed."""
        for kind in changing_lists(self.handshake.capabilities) if self._life.begun.is_set() else ():
            self._on_notification(f"notifications/{kind}/list_changed", {})

    async def _listen(self, lists: list[str]) -> object:
        return await self._ask(LISTEN, filter_for(lists), Exchange())

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


def _is_theirs(key: str) -> bool:
    return key != "progressToken" and not key.startswith(_ENVELOPE)
