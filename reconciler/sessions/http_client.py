"""Our HTTP client under the SDK's transports: every exchange ends in time and in bounds, and none fails unseen.

The SDK knows two ways of failing, an error without its HTTP status or the death of the whole session. So nothing fails
towards the SDK: what went wrong is put into the Exchange of the request, where the session waits for it, and the SDK is
told that its message was accepted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import anyio
import httpx2

from reconciler.model.secret import HIDDEN
from reconciler.sessions import http_failures as failures
from reconciler.sessions.exchange import EXCHANGE, Exchange
from reconciler.sessions.http_body import (
    JSON,
    STREAM,
    Body,
    beginning,
    bounded,
    check_encoding,
    check_length,
    is_encoded,
    media_type,
)
from reconciler.sessions.http_stream import SseBody, StandingBody, same_origin
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import DeadlineExceeded, SessionError
from reconciler.sessions.sign_in.credential import Challenge, Credential
from reconciler.sessions.target import Target

NOTICE_SECONDS = 5.0
"""For what nobody waits for: notifications, cancellations, our answers to a server's questions."""
CONNECT_SECONDS = 10.0
GOODBYE_SECONDS = 2.0
STANDS, LONGEST_PAUSE = 30.0, 60.0
"""Seconds: a standing stream that ends sooner is opened again ever later, at the most this late."""
_SESSION_ID = "mcp-session-id"
_WHO_ARE_YOU = (401, 403)
_TRIES = 3
"""Of one request: without a token or with an old one, with one that others just got, with one of its own."""
_NOTHING_ELSE = httpx2.Auth()
"""In place of user information in the URL, which would be shown instead of what a Credential says."""
_UNRELATED = frozenset({401, 403, 407, 429, 502, 503, 504})
"""Statuses that say nothing about which protocol era is spoken: asking on would only make it worse."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the session wants to hear of the wire. All three are called from the loop and return at once."""

    trouble: Callable[[SessionError], None]
    """A connection failed or the standing stream broke; the session may live on."""
    lost: Callable[[SessionError], None]
    """The standing stream cannot be had back."""
    resumed: Callable[[], None]
    """The standing stream is open again; what was told in between is lost."""


class HttpClient(httpx2.AsyncClient):
    """One remote server's client. `kind` is that of model.server.Remote; `auth` says who we are, to it and no other."""

    def __init__(
        self,
        target: Target,
        kind: Literal["http", "sse"],
        transport: httpx2.AsyncBaseTransport,
        watch: Watch,
        *,
        auth: Credential | None = None,
    ) -> None:
        timeout = httpx2.Timeout(None, connect=CONNECT_SECONDS)
        redirects = LIMITS.redirects + 1  # we stop them before the SDK does
        super().__init__(headers=target.headers, transport=transport, timeout=timeout, max_redirects=redirects)
        self._target = target
        self._where = target.where
        self._kind = kind
        self._watch = watch
        self._credential = auth
        self._notices: set[asyncio.Task[None]] = set()
        self._stream: Exchange | None = None
        self._setbacks = 0

    @property
    def hears(self) -> bool:
        """Whether there is a stream on which the server tells what nobody asked for, and that has not fallen silent."""
        return self._stream is not None and self._stream.tells

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send one request of the SDK. Raises nothing but a cancellation, and SessionError for the SSE stream."""
        exchange = EXCHANGE.get()
        stands = request.method == "GET" or (exchange is not None and exchange.lasts)
        request.headers["accept-encoding"] = "identity" if stands else "gzip"
        match request.method:
            case "GET" if exchange is None:
                return await self._stand(request, options)
            case "DELETE":
                return await self._say_goodbye(request, options)
            case "POST" if exchange is not None and exchange.begun and exchange.follows is not request:
                return self._send_beside(request, options)
        return await self._send_in(exchange or _of_a_notice(), request, options)

    async def _sent(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """Sent with what says who we are; once more, at most twice, where the server wants something else."""
        who = self._credential
        if who is None or not same_origin(self._target.url, request.url):
            return await super().send(request, **options)
        options = {**options, "auth": _NOTHING_ELSE}
        value = who.header() or await who.prepare()
        for tries in range(1, _TRIES + 1):
            if value is not None:
                request.headers["authorization"] = value
            response = await super().send(request, **options)
            if response.status_code not in _WHO_ARE_YOU:
                break
            try:
                challenge = Challenge(response.status_code, response.headers.get("www-authenticate"))
                better = await who.refused(value, challenge, tries) if tries < _TRIES else None
            except BaseException:
                await response.aclose()
                raise
            if better is None:
                break
            await response.aclose()
            value = better
        return response

    async def aclose(self) -> None:
        for notice in self._notices:
            notice.cancel()
        await asyncio.gather(*self._notices, return_exceptions=True)
        await super().aclose()

    async def __aexit__(self, *raised: Any) -> None:
        await self.aclose()

    # Requests that somebody waits for

    async def _send_in(self, here: Exchange, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        here.begun = True
        try:
            with here.in_time():
                response = await self._sent(request, options)
                return await self._judge(request, response, here)
        except TimeoutError:
            error: SessionError = failures.too_late(self._where)
        except Exception as raised:
            error = failures.describe(raised, self._where)
        here.fail(error)
        if not isinstance(error, failures.HttpRefused | DeadlineExceeded) and not error.terminal:
            self._watch.trouble(error)
        return httpx2.Response(202, request=request)

    async def _judge(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        """What the SDK gets to see of a response. Raises SessionError where it is not to see it."""
        here.status = response.status_code
        if response.has_redirect_location:
            here.redirects += 1
            return await self._redirected(request, response, here)
        if response.status_code >= 400:
            return await self._refused(request, response, here)
        try:
            self._check(response, here)
        except SessionError:
            await response.aclose()
            raise
        kind = media_type(response)
        streams = kind == STREAM
        if streams and here.stands is not None:
            here.standing = True
            here.stands()
        limit = math.inf if here.lasts and streams else _limit(response, streams)
        body = Body(response, self._where, limit, here, self._ender(here, streams))
        return await self._whole(response, body, here) if kind == JSON else bounded(response, body)

    async def _whole(self, response: httpx2.Response, body: Body, here: Exchange) -> httpx2.Response:
        """An answer that is read before the SDK sees it: one that was cut is not worth parsing, which takes long, and
        putting into words what is wrong with it takes longer."""
        try:
            content = b"".join([piece async for piece in body])
        finally:
            await body.aclose()
        if here.failed.done():
            return httpx2.Response(202, request=response.request)
        return bounded(response, content)

    def _ender(self, here: Exchange, streams: bool) -> Callable[[SessionError | None], None]:
        """A stream that breaks may be mended by the SDK; everything else that ends too soon ends the exchange."""

        def stopped(error: SessionError | None) -> None:
            here.standing = False
            if streams and (error is None or error.code not in ("deadline", "message-too-large")):
                here.broke = error or failures.stream_ended(self._where)
            elif error is not None:
                here.fail(error)

        return stopped

    def _check(self, response: httpx2.Response, here: Exchange) -> None:
        kind = media_type(response)
        check_encoding(response, self._where, plain=here.lasts)
        if kind != STREAM:
            check_length(response, self._where, LIMITS.response)
        answers = response.status_code == 200 and self._kind == "http" and not here.lenient
        if answers and kind not in (STREAM, JSON):
            raise SessionError(f"{self._where} answered {kind[:60] or 'nothing'} instead of JSON.", code="protocol")

    async def _redirected(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        """For the SDK to follow, within the origin and with the method kept. Raises HttpRefused otherwise."""
        await response.aclose()
        target = response.next_request
        if target is None or here.redirects > LIMITS.redirects or not _keeps_to(request, target):
            raise failures.not_followed(self._where, response, self._target.said)
        bare = httpx2.Response(response.status_code, content=b"", request=request)
        bare.next_request = here.follows = target
        return bare

    async def _refused(self, request: httpx2.Request, response: httpx2.Response, here: Exchange) -> httpx2.Response:
        """A status of 400 or more: JSON-RPC's own error goes to the caller. Raises SessionError for anything else."""
        status, body = response.status_code, await beginning(response, LIMITS.refusal)
        if status == 404 and (self._kind == "sse" or _SESSION_ID in request.headers):
            raise failures.no_session(self._where)
        if status in _UNRELATED or not (here.lenient or is_error_answer(response, body)):
            raise self._refusal(response, body)
        kind = {"content-type": response.headers.get("content-type", "")}
        return httpx2.Response(status, headers=kind, content=body, request=request)

    def _refusal(self, response: httpx2.Response, body: bytes) -> failures.HttpRefused:
        told = failures.explanation(body)
        shown = response.request.headers.get("authorization", "").partition(" ")[2]
        said = self._target.said(told.replace(shown, HIDDEN) if shown else told)
        return failures.refused(
            self._where, response, said, signs_in=self._credential is not None, now=datetime.now(UTC)
        )

    # Requests that nobody waits for

    def _send_beside(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """A later message of a caller: its cancellation, an answer to a question. The SDK would hold up all others."""
        notice = asyncio.create_task(self._give_notice(request, options))
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)
        return httpx2.Response(202, request=request)

    async def _give_notice(self, request: httpx2.Request, options: dict[str, Any]) -> None:
        """The answer is read to its end: until then nobody else can have its connection."""
        response = await self._send_in(_of_a_notice(), request, options)
        try:
            await response.aread()
        finally:
            await response.aclose()

    async def _say_goodbye(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        with anyio.move_on_after(GOODBYE_SECONDS):
            try:
                response = await self._sent(request, options)
                await response.aclose()
            except Exception:
                pass  # the server may be gone, which is as good
        return httpx2.Response(204, request=request)

    # The stream that stands as long as the session

    async def _stand(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """The GET stream. The SDK gives up after two failures; an empty stream makes it try for ever, as we pace it."""
        await anyio.sleep(min(2.0 ** min(self._setbacks, 10) - 1, LONGEST_PAUSE))
        try:
            response = await self._sent(request, options)
            if response.has_redirect_location:
                return await self._redirected(request, response, Exchange(redirects=1))
            if response.status_code != 200 or media_type(response) != STREAM:
                return await self._no_stream(request, response)
            check_encoding(response, self._where, plain=True)
        except Exception as raised:
            error = failures.describe(raised, self._where)
            if self._kind == "sse":
                raise error from None
            return self._set_back(request, error)
        if self._stream is not None:
            self._watch.resumed()
        self._stream = here = Exchange(standing=True)
        body = StandingBody if self._kind == "http" else SseBody
        return bounded(response, body(response, self._where, here, self._watch.lost, self._stream_ender(here)))

    def _stream_ender(self, here: Exchange) -> Callable[[SessionError | None], None]:
        began = asyncio.get_running_loop().time()

        def stopped(error: SessionError | None) -> None:
            here.standing = False
            stood = asyncio.get_running_loop().time() - began
            self._setbacks = 0 if stood > STANDS else self._setbacks + 1
            self._watch.trouble(error or failures.stream_ended(self._where))

        return stopped

    async def _no_stream(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        """A server need not offer the stream (405); one that did and refuses now is in trouble."""
        body = await beginning(response, LIMITS.refusal)
        error = self._refusal(response, body)
        if self._kind == "sse":
            raise error
        if self._stream is not None:
            return self._set_back(request, error)
        return httpx2.Response(405, request=request)

    def _set_back(self, request: httpx2.Request, error: SessionError) -> httpx2.Response:
        self._setbacks += 1
        self._watch.trouble(error)
        return httpx2.Response(200, headers={"content-type": STREAM}, content=b"", request=request)


def is_error_answer(response: httpx2.Response, body: bytes) -> bool:
    """Whether the SDK would take this for JSON-RPC's own error, which counts whatever the HTTP status."""
    return media_type(response) == JSON and failures.is_rpc_error(body)


def _limit(response: httpx2.Response, streams: bool) -> int:
    """A stream may be longer than an answer, unless it grows out of little: that would cost us and not the server."""
    return LIMITS.event_stream if streams and not is_encoded(response) else LIMITS.response


def _of_a_notice() -> Exchange:
    return Exchange(asyncio.get_running_loop().time() + NOTICE_SECONDS)


def _keeps_to(request: httpx2.Request, target: httpx2.Request) -> bool:
    """Whether following leads to the same origin with the same method and no user information of its own."""
    here, there = request.url, target.url
    return same_origin(here, there) and target.method == request.method and there.userinfo in (b"", here.userinfo)
