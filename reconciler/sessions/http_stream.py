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
        here: Exchange,
        lost: Callable[[SessionError], None],
        stopped: Stopped,
    ) -> None:
        super().__init__(response, where, math.inf, here, stopped)
        self._lost = lost

    async def aclose(self) -> None:
        if not self.read_to_its_end:
            self._lost(SessionError(f"{self._where} sent an event that is too large, or is no text.", code="protocol"))
        await super().aclose()


class SseBody(StandingBody):
    """The stream of an SSE server, whose first event names where to post. The SDK says nothing when it minds."""

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        begun: bytes | None = b""
        async with aclosing(super().__aiter__()) as pieces:
            async for piece in pieces:
                if begun is not None:
                    begun = self._unnamed(begun + piece)
                yield piece

    def _unnamed(self, begun: bytes) -> bytes | None:
        """The event that is not whole yet, as long as none says where to post; None once that is settled."""
        *events, begun = begun.replace(b"\r\n", b"\n").split(b"\n\n")
        named = next((data for event in events if (data := _data(event)) is not None), None)
        if named is not None:
            self._check(named)
        elif len(begun) >= PIECE:
            message = f"{self._where} does not say where to post: its first event has no end within {PIECE} bytes."
            self._lost(SessionError(message, code="protocol"))
        else:
            return begun
        return None

    def _check(self, named: bytes) -> None:
        here = self._response.request.url
        try:
            kept = same_origin(here, here.join(named.decode()))
        except (httpx2.InvalidURL, UnicodeError):
            message = f"{self._where} wants its messages at something that is no URL."
            self._lost(SessionError(message, code="protocol"))
        else:
            if not kept:
                message = f"{self._where} wants its messages at another origin, which is not trusted with them."
                self._lost(SessionError(message, terminal=True, code="redirect"))


def _data(event: bytes) -> bytes | None:
    """What an event says; None where that is nothing, as of a comment."""
    found = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"".join(found) if found else None


def same_origin(here: httpx2.URL, there: httpx2.URL) -> bool:
    """Scheme, host and port alike (RFC 6454); httpx2 normalises default ports and case."""
    return (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
