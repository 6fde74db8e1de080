"""Everything we use of the MCP SDK's insides, in one place: a test fails when an update changes one of these names.

Private today: `ClientSession._stamp`, `ClientSession._build_capabilities`, `mcp.client._probe.negotiate_auto`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeAlias

import anyio
import httpx2
import mcp_types
from mcp.client._probe import negotiate_auto
from mcp.client.session import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.dispatcher import CallOptions, DispatchContext, OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import mcp_param_headers
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext

from reconciler.sessions.envelope import client_info, on_behalf_of
from reconciler.sessions.exchange import EXCHANGE, Exchange
from reconciler.sessions.frames import is_finite
from reconciler.sessions.http_client import NOTICE_SECONDS, HttpClient
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.questions import BUSY, INTERNAL_ERROR
from reconciler.sessions.session import CLIENT_CAPABILITIES, Caller, DeadlineExceeded, Era, RpcError, SessionError

__all__ = [
    "CallOptions",
    "Conversation",
    "MCPError",
    "Wire",
    "headers_of",
    "made_here",
    "transport_of",
]

Told: TypeAlias = Callable[[str, Mapping[str, Any], Exchange | None], None]
Asked: TypeAlias = Callable[[str, Mapping[str, Any], Exchange | None], Awaitable[dict[str, Any]]]
"""Method, params, and the exchange on whose stream it came, where it came on one."""
_MADE_HERE = ("Connection closed", "Failed to parse", "SSE stream", "Unexpected content type", "server answered a")
"""How errors begin that the SDK makes itself where a server's answer should have been."""

_NO_NUMBER = "It sent a number that JSON does not have (NaN or Infinity)."
_LOUD = ("mcp.client", "client", "mcp.shared.jsonrpc_dispatcher", "httpx2", "httpcore2")
for _name in _LOUD:
    # They print tracebacks of what we report as a sentence, and URLs and headers that may hold secrets.
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class _Outgoing:
    """The SDK's way out, with the count of messages that wait for their turn on it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.waiting = 0

    async def send(self, item: Any) -> None:
        self.waiting += 1
        try:
            await self._stream.send(item)
        finally:
            self.waiting -= 1

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aclose()


class Wire(JSONRPCDispatcher[TransportContext]):
    """The SDK's request correlation: every request in an Exchange, everything the server says passed on raw.

    `over` is set when nothing more can arrive. `deadline`, in loop time, bounds what the SDK's handshake asks.
    `unasked` is called for each message that answers nothing, `flooded` when the server asks faster than it takes
    answers.
    """

    def __init__(
        self,
        read: Any,
        write: Any,
        *,
        told: Told,
        answer: Asked,
        unasked: Callable[[], None],
        flooded: Callable[[], None],
        deadline: float,
    ) -> None:
        self._outgoing = _Outgoing(write)
        super().__init__(read, self._outgoing)
        self._unasked = unasked
        self._flooded = flooded
        self.over = asyncio.Event()
        self.last_result: dict[str, Any] = {}
        self._read = read
        self._told = told
        self._answer = answer
        self._deadline = deadline
        self._questions = 0
        self._calls: dict[asyncio.Task[dict[str, Any]], Exchange] = {}

    async def send_raw_request(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        opts: CallOptions | None = None,
        *,
        _related_request_id: str | int | None = None,
    ) -> dict[str, Any]:
        """What the SDK's own handshake asks. Raises MCPError, which it takes for an answer, and SessionError."""
        exchange = Exchange(self._deadline, lenient=method == "server/discover", method=method)
        self.last_result = await self.call(method, params, opts or {}, exchange)
        return self.last_result

    async def call(
        self, method: str, params: Mapping[str, Any] | None, options: CallOptions, exchange: Exchange
    ) -> dict[str, Any]:
        """The raw `result` object. Raises MCPError for an error answer, DeadlineExceeded, or why the exchange failed.

        The SDK tells the server of an abandoned request; that goes on behind the back of whoever gave it up. A server
        that does not end its answer then is hung up on a little later.
        """
        call = asyncio.create_task(self._in_exchange(method, params, options, exchange))
        self._calls[call] = exchange
        call.add_done_callback(self._left)
        try:
            waits: set[asyncio.Future[Any]] = {call, exchange.failed}
            with suppress(TimeoutError), exchange.in_time():
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            exchange.over.cancel()
            call.cancel()
            exchange.move(min(exchange.deadline, asyncio.get_running_loop().time() + NOTICE_SECONDS))
        if exchange.failed.done():
            raise exchange.failed.result()
        if not call.done():
            raise DeadlineExceeded(f"No answer to {method} in time.")
        return _checked(call.result())

    async def _in_exchange(
        self, method: str, params: Mapping[str, Any] | None, options: CallOptions, exchange: Exchange
    ) -> dict[str, Any]:
        EXCHANGE.set(exchange)
        return await super().send_raw_request(method, params, options)

    def flights(self) -> list[Exchange]:
        """The requests that are on their way."""
        return list(self._calls.values())

    def _left(self, call: asyncio.Task[dict[str, Any]]) -> None:
        del self._calls[call]
        if not call.cancelled():
            call.exception()

    async def leave(self, error: SessionError) -> None:
        """Stop whatever is still on its way; who waits for it is told `error`."""
        for call, exchange in self._calls.items():
            exchange.fail(error)
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await super().run(self._asked, on_notify, self._notified, task_status=task_status)
        finally:
            self.over.set()

    def _notified(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Every notification ends here, before the typed layer drops what it does not know."""
        self._unasked()
        context = getattr(self._read, "last_context", None)
        if not is_finite(params):
            return True
        self._told(method, params or {}, context.get(EXCHANGE) if context is not None else None)
        return True

    async def _asked(
        self, context: DispatchContext[TransportContext], method: str, params: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        self._unasked()
        if self._outgoing.waiting > LIMITS.unsent:
            self._flooded()
        if method == "ping":
            return {}
        if not is_finite(params):
            raise MCPError(mcp_types.INVALID_PARAMS, _NO_NUMBER)
        if self._questions >= LIMITS.questions:
            raise MCPError(BUSY, "Too many requests at a time")
        self._questions += 1
        try:
            return await self._answer(method, params or {}, EXCHANGE.get())
        except RpcError as error:
            raise MCPError(error.code, str(error), error.error.get("data")) from None
        except Exception as error:  # the SDK would send its text to the server
            failed = {"message": "a server's question failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failed)
            raise MCPError(INTERNAL_ERROR, "The question could not be answered") from None
        finally:
            self._questions -= 1


def _checked(result: dict[str, Any]) -> dict[str, Any]:
    if not is_finite(result):
        raise SessionError(_NO_NUMBER, code="protocol")
    return result


class Conversation(ClientSession):
    """The SDK's session, used for finding the era and for what each message of that era must carry."""

    def __init__(self, wire: Wire) -> None:
        info = mcp_types.Implementation.model_validate(client_info())
        super().__init__(dispatcher=wire, client_info=info)

    def _build_capabilities(self, version: str) -> mcp_types.ClientCapabilities:
        return mcp_types.ClientCapabilities.model_validate(CLIENT_CAPABILITIES)

    async def negotiate(self, era: Era | None) -> None:
        """Agree on a version. `era` is what this server spoke last time; a wrong one costs a round trip.

        Raises MCPError, RuntimeError or ValueError for a server that shares no version with us or makes no sense.
        """
        if era == "handshake":
            try:
                await self.initialize()
            except MCPError:
                await negotiate_auto(self)
        else:
            await negotiate_auto(self)

    def stamped(
        self, method: str, params: Mapping[str, Any] | None, caller: Caller | None = None
    ) -> tuple[dict[str, Any] | None, CallOptions]:
        """`params` and options with what the era wants in `_meta` and in HTTP headers."""
        data: dict[str, Any] = {"method": method}
        if params is not None:
            data["params"] = dict(params)
        options: CallOptions = {}
        self._stamp(data, options)
        if caller is not None and self.discover_result is not None:
            data["params"]["_meta"] |= on_behalf_of(caller)
        return data.get("params"), options


def made_here(error: MCPError) -> bool:
    """Whether the SDK made this error because no usable answer came."""
    return error.error.message.startswith(_MADE_HERE)


def headers_of(mapping: Mapping[tuple[str, ...], str], arguments: Any) -> dict[str, str]:
    """The `Mcp-Param-*` headers of one call."""
    return mcp_param_headers(mapping, arguments) if isinstance(arguments, Mapping) else {}


@asynccontextmanager
async def transport_of(kind: str, url: httpx2.URL, client: HttpClient) -> AsyncIterator[tuple[Any, Any]]:
    """The SDK's transport over our client, which is closed with it: the pair of streams that Wire takes."""
    if kind == "sse":

        def ours(headers: object = None, timeout: object = None, auth: object = None) -> HttpClient:
            return client

        async with sse_client(str(url), httpx_client_factory=ours) as streams:
            yield streams
        return
    async with client, streamable_http_client(str(url), http_client=client, max_sse_event_size=LIMITS.response) as pair:
        yield pair
