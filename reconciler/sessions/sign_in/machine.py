"""Credentials of programs, for which nobody has to sign in: kept while they hold, renewed ahead, fetched once for all.

Loads no HTTP library: what fetches tokens is behind `door`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import anyio

from reconciler.model.server import Server
from reconciler.sessions.session import DeadlineExceeded, Resolve
from reconciler.sessions.sign_in.credential import Challenge, Credential
from reconciler.sessions.sign_in.door import token_fetcher
from reconciler.sessions.sign_in.machine_settings import Fetch, Settings, settings_of
from reconciler.sessions.sign_in.renewal import Shown

FETCH_SECONDS = 30.0
"""For everything from a challenge to its token."""
TRIES, TRIES_WITHIN = 3, 300.0
"""So many challenges of a server are answered with a new token, in so many seconds: it may never be content."""


class Machine:
    """A Credential that needs no person."""

    def __init__(self, fetch: Fetch, now: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._now = now
        self._shown = Shown(self._renew, now)
        self.header = self._shown.header
        self._challenge: Challenge | None = None
        self._tries: list[float] = []

    async def prepare(self) -> str | None:
        await self._shown.renew_ahead()
        return self._shown.value

    async def refused(self, sent: str | None, challenge: Challenge, tries: int) -> str | None:
        value = self._shown.value
        if value is not None and value != sent:
            return value  # another request was quicker
        if not self._shown.renews:
            if not self._may_try():
                return None
            self._challenge = challenge
        await self._shown.renew()
        return self._shown.value if self._shown.value != sent else None

    @property
    def secret(self) -> str | None:
        """What must never be shown."""
        return self._shown.value and self._shown.value.removeprefix("Bearer ")

    def begin_anew(self) -> None:
        """A new session is opened: it may try again."""
        self._tries.clear()

    def give_up(self) -> None:
        """Nobody waits for a token any more."""
        self._shown.give_up()

    def _may_try(self) -> bool:
        now = self._now()
        self._tries = [then for then in self._tries if now - TRIES_WITHIN < then <= now]
        self._tries.append(now)
        return len(self._tries) <= TRIES

    async def _renew(self) -> None:
        challenge, self._challenge = self._challenge, None
        try:
            with anyio.fail_after(FETCH_SECONDS):
                token = await self._fetch(challenge)
        except TimeoutError:
            raise DeadlineExceeded(f"No token was to be had within {FETCH_SECONDS:g} s.") from None
        if token is not None:
            self._shown.use(token.text, token.ends_at, token.renew_at)


class Machines:
    """The Machine of each server that has one, for as long as its settings are the same."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: dict[str, tuple[Settings, Machine]] = {}

    def auth(self, server: Server, resolve: Resolve) -> Credential | None:
        """What a session with the server shows; None where a person signs in, or nobody. Raises SessionError."""
        settings = settings_of(server, resolve)
        if settings is None:
            self._kept.pop(server.id, None)
            return None
        kept = self._kept.get(server.id)
        if kept is None or kept[0] != settings:
            kept = self._kept[server.id] = settings, Machine(token_fetcher(settings, self._now), self._now)
        kept[1].begin_anew()
        return kept[1]

    def knows(self, server_id: str) -> bool:
        """Whether the server is one that needs no person."""
        return server_id in self._kept

    def forget(self, server_id: str) -> None:
        """The next session fetches a token of its own."""
        self._kept.pop(server_id, None)

    def secrets(self) -> Iterator[str]:
        """What must never be shown."""
        for settings, machine in tuple(self._kept.values()):
            yield settings.client_secret
            if machine.secret is not None:
                yield machine.secret

    def close(self) -> None:
        """Nobody waits for a token any more."""
        for _, machine in self._kept.values():
            machine.give_up()
