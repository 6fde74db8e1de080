"""A token that is renewed before it runs out, once for everybody who needs it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

from reconciler.sessions.session import SessionError

_LAST_WORDS = 10.0
"""Seconds that an end waits for a renewal: what it brings may be the only token that still holds."""
_PAUSE = 30.0
"""Seconds until a renewal that failed is tried again while the token holds."""


class Shown:
    """What goes with every request, and the one renewal that may be on its way. Times are wall-clock seconds."""

    def __init__(self, renew: Callable[[], Awaitable[None]], now: Callable[[], float] | None = None) -> None:
        self.value: str | None = None
        self._now = now or _wall_clock
        self._renew_at = self._ends_at = -math.inf
        self._renew = renew
        self._renewal: asyncio.Task[None] | None = None

    def header(self) -> str | None:
        """See Credential: asked for every request."""
        return self.value if self._now() < self._renew_at else None

    @property
    def holds(self) -> bool:
        """Whether the token has not ended yet."""
        return self.value is not None and self._now() < self._ends_at

    def use(self, token: str | None, ends_at: float | None = None, renew_at: float | None = None) -> None:
        """Show this token from now on, None for none."""
        self.value = None if token is None else f"Bearer {token}"
        self._ends_at = math.inf if ends_at is None else ends_at
        self._renew_at = math.inf if renew_at is None else renew_at

    async def renew(self) -> None:
        """Wait for another token. Whoever gives up waiting does not stop it. Raises SessionError."""
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._run(), name="renewing a token")
            self._renewal.add_done_callback(_heard)
        await asyncio.shield(self._renewal)

    async def renew_ahead(self) -> None:
        """The same while the present token may still hold: others use it meanwhile, all if there is no other."""
        if self.holds:
            self._renew_at = min(self._now() + _PAUSE, self._ends_at)
        try:
            await self.renew()
        except SessionError:
            if not self.holds:
                raise

    @property
    def renews(self) -> bool:
        """Whether another token is on its way."""
        return self._renewal is not None

    def give_up(self) -> None:
        """Whatever is on its way is not worth waiting for."""
        if self._renewal is not None:
            self._renewal.cancel()

    async def settle(self) -> None:
        """Let a renewal on its way come to its end."""
        if self._renewal is not None:
            _, late = await asyncio.wait({self._renewal}, timeout=_LAST_WORDS)
            for renewal in late:
                renewal.cancel()

    async def _run(self) -> None:
        try:
            await self._renew()
        finally:
            self._renewal = None


def _heard(renewal: asyncio.Task[None]) -> None:
    if not renewal.cancelled():
        renewal.exception()


def _wall_clock() -> float:
    return time.time()
