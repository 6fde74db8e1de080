"""Our HTTP client under the SDK's transports: every exchange ends in time and in bounds, and none fails unseen.

The SDK knows two ways of failing, an error without its HTTP status or the death of the whole session. So nothing fails
towards the SDK: what went wrong is put into the Exchange of the request, where the session waits for it, and the SDK is
told that its message was accepted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import anyio
import httpx2

from reconciler.sessions.http_failures import HttpRefused, describe, explanation, is_rpc_error, place, refused
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import DeadlineExceeded, SessionError

NOTICE_SECONDS = 5.0
"""For what nobody waits for: notifications, cancellations, our answers to a server's questions."""
CONNECT_SECONDS = 10.0
GOODBYE_SECONDS = 2.0
PIECE = 64 * 1024
STREAM = "text/event-stream"
_LEGACY_SESSION = "mcp-session-id"
_GATEWAY_TROUBLE = frozenset({401, 403, 407, 429, 502, 503, 504})
"""Statuses that say nothing about which protocol era is spoken: probing on would only make it worse."""


@dataclass(slots=True, eq=False)
class Exchange:
    """What becomes of one JSON-RPC request on the wire. `deadline` is in loop time.

    `failed` is set when no answer can come any more; `broke` says why an answer stream stopped, which the SDK may mend.
    """

    deadline: float = math.inf
    lenient: bool = False
    """A status below 500 is an answer too: the probe of a server that may be of the other era."""
    failed: asyncio.Future[SessionError] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    broke: SessionError | None = None
    status: int | None = None
    posted: bool = False
    redirects: int = 0

    def fail(self, error: SessionError) -> None:
        if not self.failed.done():
            self.failed.set_result(error)


EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""The SDK posts each message in the context of whoever sent it, which is how a post finds its exchange."""


@dataclass(slots=True, eq=False)
class Watch:
    """What the session wants to hear of the wire. All three are called from the loop and must not block."""

    trouble: Callable[[SessionError], None]
    """A connection failed or the standing stream broke; the session may live on."""
    lost: Callable[[SessionError], None]
    """The server no longer knows the session."""
    resumed: Callable[[], None]
    """The standing stream is open again; what was told in between is lost."""


class HttpClient(httpx2.AsyncClient):
    """One remote server's client. `kind` is that of model.server.Remote, `signs_in` that sign-in is configured."""

    def __init__(
        self,
        url: httpx2.URL,
        kind: Literal["http", "sse"],
        headers: dict[str, str],
        transport: httpx2.AsyncBaseTransport,
        watch: Watch,
        *,
        signs_in: bool = False,
    ) -> None:
        super().__init__(
            headers=headers,
            transport=transport,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
            max_redirects=LIMITS.redirects + 1,
        )
        self.where = place(url)
        self._kind = kind
        self._watch = watch
        self._signs_in = signs_in
        self._notices: set[asyncio.Task[httpx2.Response]] = set()
        self._streams_opened = 0
        self._streams_failed = 0

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send one request of the SDK. Raises nothing but a cancellation, and SessionError for the SSE stream."""
        request.headers["accept-encoding"] = "gzip"
        exchange = EXCHANGE.get()
        match request.method:
            case "GET" if exchange is None:
                return await self._standing_stream(request, options)
            case "DELETE":
                return await self._goodbye(request, options)
            case "POST" if exchange is not None and exchange.posted and not exchange.redirects:
                return self._notice(request, options)
            case _:
                return await self._exchange(request, options, exchange)

    async def aclose(self) -> None:
        for notice in self._notices:
            notice.cancel()
        await asyncio.gather(*self._notices, return_exceptions=True)
        await super().aclose()

    async def __aexit__(self, *raised: Any) -> None:
        await self.aclose()

    def _notice(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """A later message of a caller: its cancellation, an answer to a question. The SDK would hold up all others."""
        notice = asyncio.create_task(self._exchange(request, options, None))
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)
        return httpx2.Response(202, request=request)

    # Requests that somebody waits for

    async def _exchange(
        self, request: httpx2.Request, options: dict[str, Any], exchange: Exchange | None
    ) -> httpx2.Response:
        """A request in its exchange; a later message of the same caller, or one of nobody, in one of its own."""
        here = exchange or Exchange(_now() + NOTICE_SECONDS)
        here.posted = True
        try:
            with anyio.fail_after(here.deadline - _now()):
                response = await super().send(request, **options)
                return await self._judged(request, response, here)
        except TimeoutError:
            return self._failed(request, here, self._late())
        except Exception as error:
            return self._failed(request, here, describe(error, self.where))

    async def _judged(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        here.status = response.status_code
        if response.has_redirect_location:
            here.redirects += 1
            return await self._redirected(request, response, here.redirects)
        if response.status_code >= 400:
            return await self._refusal(request, response, here)
        self._check_body(request, response, here)
        return self._bounded(request, response, here)

    async def _refusal(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        """A status of 400 or more: JSON-RPC's own error goes to the caller, anything else ends the exchange."""
        status = response.status_code
        body = await self._beginning(response)
        error = self._refused(response, body)
        if status == 404 and (self._kind == "sse" or _LEGACY_SESSION in request.headers):
            self._watch.lost(SessionError(f"{self.where} no longer knows the session (HTTP 404).", code="lost"))
            raise error
        if status not in _GATEWAY_TROUBLE and (here.lenient or is_rpc_error(body)):
            kind = {"content-type": response.headers.get("content-type", "")}
            return httpx2.Response(status, headers=kind, content=body, request=request)
        raise error

    def _refused(self, response: httpx2.Response, body: bytes) -> HttpRefused:
        now = datetime.now(UTC)
        return refused(self.where, response, self._hidden(explanation(body)), signs_in=self._signs_in, now=now)

    async def _beginning(self, response: httpx2.Response) -> bytes:
        """The first bytes of a refusal; the rest is never read."""
        body = b""
        try:
            async for piece in response.aiter_bytes():
                body += piece[: LIMITS.refusal - len(body)]
                if len(body) >= LIMITS.refusal:
                    break
        finally:
            await response.aclose()
        return body

    def _hidden(self, text: str) -> str:
        """A server's words without our credentials, which some repeat."""
        for value in self.headers.values():
            for secret in (value, value.partition(" ")[2]):
                if len(secret) >= 8:
                    text = text.replace(secret, "***")
        return text

    async def _redirected(self, request: httpx2.Request, response: httpx2.Response, count: int) -> httpx2.Response:
        """For the SDK to follow: within the origin, with the method kept, so often. Raises SessionError otherwise."""
        await response.aclose()
        target = response.next_request
        if target is not None and count <= LIMITS.redirects and _keeps_to(request, target):
            bare = httpx2.Response(response.status_code, content=b"", request=request)
            bare.next_request = target
            return bare
        shown = (
            "nowhere" if target is None else str(target.url.copy_with(userinfo=b"", query=None, fragment=None))[:200]
        )
        message = f"{self.where} redirects to {shown} (HTTP {response.status_code}), which is not followed."
        raise HttpRefused(message, status=response.status_code, terminal=True, code="redirect")

    def _check_body(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> None:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        usable = kind in ("application/json", STREAM, "") or response.status_code != 200 or self._kind == "sse"
        if not usable and not here.lenient:
            raise SessionError(f"{self.where} answered {kind[:60]} instead of JSON.", code="protocol")
        self._check_encoding(response)
        length = response.headers.get("content-length", "")
        if kind != STREAM and length.isascii() and length.isdigit() and float(length[:12]) > LIMITS.response:
            raise self._too_large()

    def _check_encoding(self, response: httpx2.Response) -> None:
        """One layer of what we asked for: layers multiply what a small answer can grow to."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "deflate", ""):
            raise SessionError(f"{self.where} answered in the encoding {encoding[:40]}.", code="protocol")

    def _bounded(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        streams = response.headers.get("content-type", "").lower().startswith(STREAM)
        lasting = here.deadline == math.inf

        def stopped(error: SessionError | None) -> None:
            if error is not None and (not streams or error.code in ("deadline", "message-too-large")):
                here.fail(error)
            elif streams:
                here.broke = error or SessionError(f"{self.where} ended the stream without an answer.", code="closed")

        limit = math.inf if lasting else LIMITS.event_stream if streams else LIMITS.response
        return self._wrapped(request, response, _Body(self, response, limit, here.deadline, stopped))

    def _failed(self, request: httpx2.Request, here: Exchange, error: SessionError) -> httpx2.Response:
        here.fail(error)
        if not isinstance(error, HttpRefused | DeadlineExceeded) and not error.terminal:
            self._watch.trouble(error)
        return httpx2.Response(202, request=request)

    # The stream that stands as long as the session

    async def _standing_stream(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """The GET stream. The SDK gives it up after two failures; answered with an empty stream it tries again."""
        try:
            response = await super().send(request, **options)
            if response.has_redirect_location:
                return await self._redirected(request, response, 1)
            if response.status_code != 200:
                return await self._no_stream(request, response)
            self._check_encoding(response)
        except Exception as error:
            return await self._stream_failed(request, describe(error, self.where))
        self._streams_failed = 0
        self._streams_opened += 1
        if self._streams_opened > 1:
            self._watch.resumed()
        return self._wrapped(request, response, _Body(self, response, math.inf, math.inf, self._stream_stopped))

    def _stream_stopped(self, error: SessionError | None) -> None:
        self._watch.trouble(error or SessionError(f"{self.where} ended the event stream.", code="closed"))

    async def _no_stream(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """Servers need not offer the stream (405); one that offered it and refuses now is in trouble."""
        error = self._refused(response, await self._beginning(response))
        if self._kind == "sse":
            raise error
        if response.status_code == 404:
            self._watch.lost(SessionError(f"{self.where} no longer knows the session (HTTP 404).", code="lost"))
        if self._streams_opened:
            return await self._stream_failed(request, error)
        return httpx2.Response(response.status_code, request=request)

    async def _stream_failed(self, request: httpx2.Request, error: SessionError) -> httpx2.Response:
        if self._kind == "sse":
            raise error
        self._watch.trouble(error)
        await anyio.sleep(min(2.0**self._streams_failed, 30.0) - 1)
        self._streams_failed += 1
        return httpx2.Response(200, headers={"content-type": STREAM}, content=b"", request=request)

    async def _goodbye(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        with anyio.move_on_after(GOODBYE_SECONDS):
            try:
                response = await super().send(request, **options)
                await response.aclose()
            except Exception:
                pass
        return httpx2.Response(204, request=request)

    # Bodies

    def _wrapped(self, request: httpx2.Request, response: httpx2.Response, body: _Body) -> httpx2.Response:
        """The same response with its body decoded and bounded by us."""
        headers = response.headers.copy()
        for name in ("content-encoding", "content-length"):
            headers.pop(name, None)
        return httpx2.Response(
            response.status_code, headers=headers, stream=body, request=request, extensions=response.extensions
        )

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"No answer from {self.where} in time.")

    def _too_large(self) -> SessionError:
        return SessionError(f"The answer of {self.where} exceeds {LIMITS.response} bytes.", code="message-too-large")


class _Body(httpx2.AsyncByteStream):
    """A decoded body that stops at its limit and its deadline instead of failing; `stopped` hears how it stopped."""

    def __init__(
        self,
        client: HttpClient,
        response: httpx2.Response,
        limit: float,
        deadline: float,
        stopped: Callable[[SessionError | None], None],
    ) -> None:
        self._client = client
        self._response = response
        self._limit = limit
        self._deadline = deadline
        self._stopped = stopped

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._response.aiter_bytes()
        try:
            total = 0
            while (piece := await self._next(pieces)) is not None:
                total += len(piece)
                for start in range(0, len(piece), PIECE):
                    yield piece[start : start + PIECE]
                    if start:
                        await asyncio.sleep(0)
                if max(total, self._response.num_bytes_downloaded) > self._limit:
                    self._stopped(self._client._too_large())
                    return
        finally:
            await pieces.aclose()

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            with anyio.fail_after(self._deadline - _now()):
                return await anext(pieces)
        except StopAsyncIteration:
            self._stopped(None)
        except TimeoutError:
            self._stopped(self._client._late())
        except Exception as error:
            self._stopped(describe(error, self._client.where))
        return None

    async def aclose(self) -> None:
        await self._response.aclose()


def _keeps_to(request: httpx2.Request, target: httpx2.Request) -> bool:
    """Whether following leads to the same origin with the same method and no user information of its own."""
    here, there = request.url, target.url
    same = (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
    return same and target.method == request.method and there.userinfo in (b"", here.userinfo)


def _now() -> float:
    return asyncio.get_running_loop().time()
