"""The body of an HTTP answer, decompressed, that ends at its limit and its deadline instead of failing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeAlias

import httpx2

from reconciler.sessions.exchange import Exchange
from reconciler.sessions.http_failures import describe, too_large, too_late
from reconciler.sessions.session import SessionError

PIECE = 16 * 1024
"""Handed on at a time, with a turn for everybody else in between: as empty lines of events this much takes 4 ms."""
STREAM, JSON = "text/event-stream", "application/json"
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})

Stopped: TypeAlias = Callable[[SessionError | None], None]
"""Hears how a body ended: None at its own end."""


class Body(httpx2.AsyncByteStream):
    """What is read of `response`: at most `limit` bytes, until the deadline of its exchange."""

    def __init__(self, response: httpx2.Response, where: str, limit: float, here: Exchange, stopped: Stopped) -> None:
        self._response = response
        self._where = where
        self._limit = limit
        self._here = here
        self._stopped: Stopped | None = stopped

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        pieces, loop = self._response.aiter_bytes(), asyncio.get_running_loop()
        try:
            total = 0
            while (piece := await self._next(pieces)) is not None:
                self._here.beat.came(piece, loop.time())
                total += len(piece)
                if max(total, self._response.num_bytes_downloaded) > self._limit:
                    self._stop(too_large(self._where, self._limit))
                    return
                for start in range(0, len(piece), PIECE):
                    yield piece[start : start + PIECE]
                    await asyncio.sleep(0)
        finally:
            await pieces.aclose()

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The next piece, None at the end, whatever that was."""
        try:
            with self._here.in_time():
                return await anext(pieces)
        except StopAsyncIteration:
            self._stop(None)
        except TimeoutError:
            self._stop(too_late(self._where))
        except Exception as error:
            self._stop(describe(error, self._where))
        return None

    def _stop(self, error: SessionError | None) -> None:
        if self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            stopped(error)

    @property
    def read_to_its_end(self) -> bool:
        """False while more could come."""
        return self._stopped is None

    async def aclose(self) -> None:
        await self._response.aclose()


def bounded(response: httpx2.Response, body: Body | bytes) -> httpx2.Response:
    """The same response with `body` for its body; the SDK finds it decompressed."""
    headers = response.headers.copy()
    for name in ("content-encoding", "content-length", "transfer-encoding"):
        headers.pop(name, None)
    given: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"stream": body}
    return httpx2.Response(
        response.status_code, headers=headers, request=response.request, extensions=response.extensions, **given
    )


def media_type(response: httpx2.Response) -> str:
    """The content type without its parameters, in lower case."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _encoding(response: httpx2.Response) -> str:
    return response.headers.get("content-encoding", "").strip().lower()


def is_encoded(response: httpx2.Response) -> bool:
    """Whether a body grows when it is read."""
    return _encoding(response) not in ("", "identity")


def check_encoding(response: httpx2.Response, where: str, *, plain: bool) -> None:
    """One layer of what we asked for, or none: layers multiply what a small answer grows to. Raises SessionError."""
    encoding = _encoding(response)
    if encoding not in _ENCODINGS or (plain and is_encoded(response)):
        raise SessionError(f"{where} answered in the content encoding {encoding[:40]!r}.", code="protocol")


def check_length(response: httpx2.Response, where: str, limit: int) -> None:
    """Refuse a body that announces itself as too large, before any of it is read. Raises SessionError."""
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and float(length[:20]) > limit:
        raise too_large(where, limit)


async def beginning(response: httpx2.Response, limit: int) -> bytes:
    """The first bytes of a body; the rest is never read."""
    body = bytearray()
    try:
        async for piece in response.aiter_bytes():
            body += piece[: limit - len(body)]
            if len(body) >= limit:
                break
    finally:
        await response.aclose()
    return bytes(body)
