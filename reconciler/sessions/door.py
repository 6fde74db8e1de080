"""The lazy door to remote sessions: the SDK is loaded when the first one is opened, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from reconciler.model.server import Server
from reconciler.sessions.session import Era, Notify, Opened, Resolve, Session
from reconciler.sessions.sign_in.credential import Credential


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
