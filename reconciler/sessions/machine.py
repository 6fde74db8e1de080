"""Credentials of programs, for which nobody has to sign in: kept while they hold, renewed ahead, fetched once for all.

Loads no HTTP library: what fetches tokens is behind `door`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio

from reconciler.model.server import Server
from reconciler.sessions.credential import Challenge, Credential
from reconciler.sessions.door import token_fetcher
from reconciler.sessions.machine_settings import Fetch, Settings, Token, settings_of
from reconciler.sessions.session import DeadlineExceeded, Resolve, SessionError

FETCH_SECONDS = 30.0
"""For everything from a challenge to its token."""
TRIES, TRIES_WITHIN = 3, 300.0
"""So many challenges of a server are answered with a new token, in so many seconds: it may never be content."""
_PAUSE = 30.0
"""Seconds until a renewal that failed is tried again, as long as the token holds."""


class Machine:
    """A Credential that needs no person."""

    def __init__(self, fetch: Fetch, now: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._now = now
        self._token: Token | None = None
        self._flight: _Flight | None = None
        self._tries: list[float] = []

    def header(self) -> str | None:
        token = self._token
        return token.header if token is not None and self._now() < token.renewed else None

    async def prepare(self) -> str | None:
        token, now = self._token, self._now()
        if token is None or now >= token.expires:
            return _header(await self._fetched(None))
        if self._flight is None:
            self._token = replace(token, renewed=min(now + _PAUSE, token.expires))
            with suppress(SessionError):
                return _header(await self._fetched(None))
        return token.header

    async def refused(self, sent: str | None, challenge: Challenge, tries: int) -> str | None:
        held = _header(self._token)
        if held is not None and held != sent:
            return held  # another request was quicker
        if self._flight is None and not self._may_try():
            return None
        newer = _header(await self._fetched(challenge))
        return newer if newer != sent else None

    def begin_anew(self) -> None:
        """A new session is opened: it may try again."""
        self._tries.clear()

    def _may_try(self) -> bool:
        now = self._now()
        self._tries = [then for then in self._tries if now - TRIES_WITHIN < then <= now]
        self._tries.append(now)
        return len(self._tries) <= TRIES

    async def _fetched(self, challenge: Challenge | None) -> Token | None:
        """The next token: whoever comes while one is fetched gets that one, or what came of it."""
        while (flight := self._flight) is not None:
            await flight.over.wait()
            if flight.failure is not None:
                raise flight.failure
            if flight.landed:
                return self._token
        flight = self._flight = _Flight()
        try:
            with anyio.fail_after(FETCH_SECONDS):
                self._token = await self._fetch(challenge) or self._token
            flight.landed = True
        except TimeoutError:
            flight.failure = DeadlineExceeded(f"No token was to be had within {FETCH_SECONDS:g} s.")
            raise flight.failure from None
        except SessionError as error:
            flight.failure = error
            raise
        finally:
            self._flight = None
            flight.over.set()
        return self._token


@dataclass(eq=False)
class _Flight:
    """A fetch on its way; neither landed nor failed at its end where whoever began it gave up."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    landed: bool = False
    failure: SessionError | None = None


def _header(token: Token | None) -> str | None:
    return None if token is None else token.header


class Machines:
    """The Machine of each server that has one, for as long as its settings are the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Settings, Machine]] = {}

    def auth(self, server: Server, resolve: Resolve) -> Credential | None:
        """What a session with the server shows; None where a person signs in, or nobody. Raises SessionError."""
        settings = settings_of(server, resolve)
        if settings is None:
            self._kept.pop(server.id, None)
            return None
        kept = self._kept.get(server.id)
        if kept is None or kept[0] != settings:
            kept = self._kept[server.id] = settings, Machine(token_fetcher(settings))
        kept[1].begin_anew()
        return kept[1]

    def forget(self, server_id: str) -> None:
        self._kept.pop(server_id, None)
