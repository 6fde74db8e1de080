"""Which transport opens which server. The hub opens sessions through here and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.server import Mock, Remote, Server, Stdio, Uplink
from reconciler.sessions.door import open_remote
from reconciler.sessions.listing import Listing
from reconciler.sessions.mock import open_mock
from reconciler.sessions.orphans import sweep
from reconciler.sessions.session import Era, Notify, Resolve, Session, SessionError
from reconciler.sessions.sign_in.credential import Credential
from reconciler.sessions.stdio import open_stdio


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a session needs to know of its project. `cookie` and `instance` mark every process that is started; `log` is
    a file for what it prints on standard error, None for none."""

    workspace: Path
    cookie: str
    instance: str
    log: Path | None
    environment: Callable[[], Mapping[str, str]]
    """What a process gets of ours. It is asked when one starts, and not kept: it would be as long as the session is."""
    era: Era | None = None
    """What this server spoke last time; None asks it."""
    auth: Callable[[Server, Resolve], Credential | None] = lambda *_: None
    """See SignIns.auth."""
    pinned: Callable[[Server], Listing | None] = lambda _: None
    """What the lock has of a server."""


def sweep_leftovers(cookie: str) -> list[int]:
    """Kill what an engine that was killed left behind; the process ids."""
    return sweep(f"{cookie}:")


@asynccontextmanager
async def open_session(
    server: Server, resolve: Resolve, on_notification: Notify, around: Surroundings
) -> AsyncIterator[Session]:
    """A live session of `server`, handshake done. Raises SessionError."""
    async with AsyncExitStack() as stack:
        match server.transport:
            case Stdio():
                yield await _enter_stdio(stack, server, resolve, on_notification, around)
            case Remote():
                auth = around.auth(server, resolve)
                opened = open_remote(server, resolve, on_notification, era=around.era, auth=auth)
                yield await stack.enter_async_context(opened)
            case Mock():
                yield await stack.enter_async_context(open_mock(server, around.pinned(server)))
            case Uplink():
                raise SessionError("an uplink server dials in; nothing can be opened", terminal=True, code="uplink")


async def _enter_stdio(
    stack: AsyncExitStack, server: Server, resolve: Resolve, on_notification: Notify, around: Surroundings
) -> Session:
    """Start the process; one that dies of the question for its era is started again without that question."""

    async def enter(era: Era | None) -> Session:
        opened = open_stdio(
            server,
            resolve,
            on_notification,
            workspace=str(around.workspace),
            cookie=around.cookie,
            instance=around.instance,
            log_path=around.log,
            era=era,
            environment=around.environment(),
        )
        return await stack.enter_async_context(opened)

    try:
        return await enter(around.era)
    except SessionError as error:
        if error.code != "exited-on-probe":
            raise
        return await enter("handshake")
