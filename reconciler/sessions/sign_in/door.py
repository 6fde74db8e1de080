"""The lazy doors of signing in: the SDK is loaded when the first token is asked for, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from reconciler.sessions.sign_in.credential import Challenge
from reconciler.sessions.sign_in.grants import Attempt, Grant, Publish, Registered, Site
from reconciler.sessions.sign_in.machine_settings import Fetch, Settings, Token


def token_fetcher(settings: Settings, now: Callable[[], float]) -> Fetch:
    """Fetches the tokens of a program; what that takes is loaded with the first one."""
    loaded: Fetch | None = None

    async def fetch(challenge: Challenge | None) -> Token | None:
        nonlocal loaded
        if loaded is None:
            loaded = (await asyncio.to_thread(_load_fetcher))(settings, now)
        return await loaded(challenge)

    return fetch


def _load_fetcher() -> Callable[[Settings, Callable[[], float]], Fetch]:
    from reconciler.sessions.sign_in.machine_tokens import fetcher_of

    return fetcher_of


_SignIn: TypeAlias = Callable[[Site, Attempt, Publish, Registered], Awaitable[tuple[str, Grant]]]
_Renew: TypeAlias = Callable[[Site, Grant], Awaitable[Grant]]


async def sign_in_as_a_person(
    site: Site, attempt: Attempt, publish: Publish, registered: Registered
) -> tuple[str, Grant]:
    """As `sdk_oauth.sign_in`, which see."""
    begin, _ = await asyncio.to_thread(_load_sign_in)
    return await begin(site, attempt, publish, registered)


async def renew_grant(site: Site, grant: Grant) -> Grant:
    """As `sdk_oauth.renew`, which see."""
    _, renew = await asyncio.to_thread(_load_sign_in)
    return await renew(site, grant)


def _load_sign_in() -> tuple[_SignIn, _Renew]:
    from reconciler.sessions.sign_in.sdk_oauth import renew, sign_in

    return sign_in, renew
