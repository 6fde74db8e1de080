"""A connection that cannot keep us busy: what comes over it is taken in pieces that are soon dealt with, and dealing
with them takes a part of our time at most. What a server sends without end then harms nobody but itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpcore2

from reconciler.sessions.streams import Ration

PART, AT_ONCE = 0.2, 0.5
"""Of our time in the long run, and the seconds that may be used at once: a large answer needs a tenth of that."""
SOON, LONGEST = 0.004, 0.1
"""Seconds: pieces get smaller while one takes longer than that; more is somebody else's time."""
SMALLEST, LARGEST = 1024, 64 * 1024


class Rationed(httpcore2.AsyncNetworkStream):
    """`stream`, read no faster than that. How long a piece takes is the time until the next one is asked for.

    `held_up` is called whenever its next piece has to wait.
    """

    def __init__(self, stream: httpcore2.AsyncNetworkStream, held_up: Callable[[], None] = lambda: None) -> None:
        self._stream = stream
        self._held_up = held_up
        self._loop = asyncio.get_running_loop()
        self._ration = Ration(PART, AT_ONCE)
        self._piece = LARGEST // 4
        self._handed: float | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._handed is not None:
            await self._pay(min(self._loop.time() - self._handed, LONGEST))
        data = await self._stream.read(min(max_bytes, self._piece), timeout)
        self._handed = self._loop.time()
        return data

    async def _pay(self, took: float) -> None:
        self._piece = max(SMALLEST, self._piece // 2) if took > SOON else min(LARGEST, self._piece * 2)
        if not self._ration.take(took, self._loop.time()):
            self._held_up()
            await asyncio.sleep(took / PART)
            self._ration.take(took, self._loop.time())

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._handed = None  # what is read next was asked for
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        return Rationed(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._held_up)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
