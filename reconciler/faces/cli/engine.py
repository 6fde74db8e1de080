"""The engine process: projects, the local socket, and an orderly end. Loaded only by the process that hosts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.engine.follow import AutoApprove
from reconciler.engine.host import Host, SameName
from reconciler.faces.api.own import application
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.hosting import bind, peer_uid
from reconciler.store.sources import Sources


class OwnerOnly(H11Protocol):
    """HTTP for this user alone: a connection of another uid is closed before it says anything."""

    def connection_made(self, transport: Any) -> None:
        connection = transport.get_extra_info("socket")
        if peer_uid(connection) not in (None, os.getuid()):
            transport.close()
            return
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Signals are the engine's, not the listener's."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


async def serve(
    projects: Sequence[Sources],
    base: Path,
    *,
    follow: bool,
    auto_approve: str,
    poll: bool,
    on_ready: Callable[[Host], Awaitable[None]] | None,
) -> int:
    """See hosting.run_engine."""
    host = Host()
    interrupted = _stop_on_signals(host)
    try:
        for sources in projects:
            await _add(host, sources, base)
        socket = host.first.state.socket
        server = _Server(_config(host))
        serving = asyncio.create_task(server.serve(sockets=[bind(socket)]))
        host.announce(socket)
        if follow:
            for project in host.projects.values():
                host.follow(project, cast(AutoApprove, auto_approve), poll=poll)
        beside = asyncio.create_task(_beside(host, on_ready))
        await host.stopping.wait()
        beside.cancel()
        server.should_exit = True
        await asyncio.gather(serving, beside, return_exceptions=True)
        socket.unlink(missing_ok=True)
    finally:
        await host.stop()
    return 130 if interrupted.is_set() else 0


async def _add(host: Host, sources: Sources, base: Path) -> None:
    try:
        await host.add(sources, base)
    except SameName as error:
        raise Stop(Exit.INVALID, "same-project", str(error)) from error


def _config(host: Host) -> uvicorn.Config:
    return uvicorn.Config(
        application(host),
        http=OwnerOnly,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )


async def _beside(host: Host, on_ready: Callable[[Host], Awaitable[None]] | None) -> None:
    if on_ready is not None:
        await on_ready(host)


def _stop_on_signals(host: Host) -> asyncio.Event:
    """SIGINT, SIGTERM and SIGHUP end the engine in order. The event tells that it was SIGINT."""
    interrupted, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop(which: signal.Signals) -> None:
        if which == signal.SIGINT:
            interrupted.set()
        host.stopping.set()

    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(which, stop, which)
    return interrupted
