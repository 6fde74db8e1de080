"""The lazy door to remote sessions: the SDK is loaded when the first one is opened, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from reconciler.model.server import Server
from reconciler.sessions.credential import Challenge, Credential
from reconciler.sessions.grants import Attempt, Grant, Publish, Registered, Site
from reconciler.sessions.machine_settings import Fetch, Settings, Token
from reconciler.sessions.session import Era, Notify, Opened, Resolve, Session


@asynccontextmanager
async def open_remote(
    server: Server,
    resolve: Resolve,
    on_notification: Notify,
    *,
    era: Era | None = None,
    auth: Credential | None = None,
) -> AsyncIterator[Session]:
    """As `remote.open_remote`, which see; its start deadline does not count the loading."""
    opener = await asyncio.to_thread(_load)
    async with opener(server, resolve, on_notification, era, auth) as session:
        yield session


def _load() -> Callable[[Server, Resolve, Notify, Era | None, Credential | None], Opened]:
    from reconciler.sessions.remote import open_remote as opened

    return lambda server, resolve, told, era, auth: opened(server, resolve, told, era=era, auth=auth)


def token_fetcher(settings: Settings, now: Callable[[], float]) -> Fetch:
    """Fetches the tokens of a program; what that takes is loaded with the first one."""
    loaded: Fetch | None = None

    async def fetch(challenge: Challenge | None) -> Token | None:
        nonlocal loaded
        if loaded is None:
            loaded = (await asyncio.to_thread(_load_machine_sign_in))(settings, now)
        return await loaded(challenge)

    return fetch


def _load_machine_sign_in() -> Callable[[Settings, Callable[[], float]], Fetch]:
    from reconciler.sessions.machine_sign_in import fetcher_of

    return fetcher_of


_SignIn: TypeAlias = Callable[[Site, Attempt, Publish, Registered], Awaitable[tuple[str, Grant]]]
_Renew: TypeAlias = Callable[[Site, Grant], Awaitable[Grant]]


async def sign_in_as_a_person(
    site: Site, attempt: Attempt, publish: Publish, registered: Registered
) -> tuple[str, Grant]:
    """As `sdk_sign_in.sign_in`, which see."""
    begin, _ = await asyncio.to_thread(_load_sign_in)
    return await begin(site, attempt, publish, registered)


async def renew_grant(site: Site, grant: Grant) -> Grant:
    """As `sdk_sign_in.renew`, which see."""
    _, renew = await asyncio.to_thread(_load_sign_in)
    return await renew(site, grant)


def _load_sign_in() -> tuple[_SignIn, _Renew]:
    from reconciler.sessions.sdk_sign_in import renew, sign_in

    return sign_in, renew
