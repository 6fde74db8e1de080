"""The event stream that stands as long as its session: nothing bounds it but its end, and every end is heard of."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx2

from reconciler.sessions.exchange import Exchange
from reconciler.sessions.http_body import PIECE, Body, Stopped
from reconciler.sessions.session import SessionError


class StandingBody(Body):
    """The SDK stops reading only when it leaves, or because of an event that it cannot take."""

    def __init__(
        self,
        response: httpx2.Response,
        where: str,
        lost: Callable[[SessionError], None],
        stopped: Stopped,
    ) -> None:
        super().__init__(response, where, math.inf, Exchange(), stopped)
        self._lost = lost

    async def aclose(self) -> None:
        if not self.read_to_its_end:
            self._lost(SessionError(f"{self._where} sent an event that is too large, or is no text.", code="protocol"))
        await super().aclose()


class SseBody(StandingBody):
    """The stream of an SSE server, whose first event names where to post. The SDK says nothing when it minds."""

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        first: bytes | None = b""
        async with aclosing(super().__aiter__()) as pieces:
            async for piece in pieces:
                if first is not None:
                    first += piece[:PIECE]
                    first = None if self._named_endpoint(first) else first
                yield piece

    def _named_endpoint(self, first: bytes) -> bool:
        event, end, _ = first.replace(b"\r\n", b"\n").partition(b"\n\n")
        if not end and len(first) < PIECE:
            return False
        named = b"".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        here = self._response.request.url
        try:
            kept = same_origin(here, here.join(named.decode()))
        except (httpx2.InvalidURL, UnicodeError):
            kept = False
        if not kept:
            message = f"{self._where} wants its messages at another origin, which is not trusted with them."
            self._lost(SessionError(message, terminal=True, code="redirect"))
        return True


def same_origin(here: httpx2.URL, there: httpx2.URL) -> bool:
    """Scheme, host and port alike (RFC 6454); httpx2 normalises default ports and case."""
    return (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
