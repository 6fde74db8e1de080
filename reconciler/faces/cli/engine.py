"""The engine process: projects, listeners, and an orderly end. Loaded only by the process that hosts."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

from reconciler.engine.folder import Folder
from reconciler.engine.follow import AutoApprove
from reconciler.engine.host import Host, SameName
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.listening import Listening
from reconciler.faces.cli.memory import collect_like_an_engine, give_back, keep_what_is_loaded
from reconciler.faces.cli.talk import tell
from reconciler.sessions.adopted import adopt_orphans
from reconciler.sessions.child import kill_all
from reconciler.store.sources import Sources

_HASTE_SECONDS = 0.05


async def serve(
    projects: Sequence[Sources],
    base: Path,
    listening: Listening,
    *,
    follow: bool,
    auto_approve: str,
    poll: bool,
    on_ready: Callable[[Host], Awaitable[None]] | None,
    directory: Path | None = None,
) -> int:
    """See hosting.run_engine."""
    collect_like_an_engine()
    adopt_orphans()
    host = Host(read_only=listening.read_only)
    if directory is not None:
        host.folder = Folder(directory, base, cast(AutoApprove, auto_approve), poll)
    interrupted = _stop_on_signals(host)
    try:
        for sources in projects:
            await _add(host, sources, base)
        open_listeners = await asyncio.to_thread(_load_listeners)  # the servers start meanwhile
        keep_what_is_loaded()
        async with open_listeners(host, listening):
            if follow:
                for project in host.projects.values():
                    host.follow(project, cast(AutoApprove, auto_approve), poll=poll)
            beside = [asyncio.create_task(work) for work in _beside(host, on_ready)]
            await host.stopping.wait()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
    finally:
        for refusal in await host.stop():
            tell(f"note: {refusal}")
    return 130 if interrupted.is_set() else 0


def _load_listeners() -> Callable[[Host, Listening], AbstractAsyncContextManager[None]]:
    from reconciler.faces.cli.listeners import open_listeners  # a door: all faces take 0.3 s to load

    return open_listeners


async def _add(host: Host, sources: Sources, base: Path) -> None:
    try:
        await host.add(sources, base)
    except SameName as error:
        raise Stop(Exit.INVALID, "same-project", str(error)) from error


def _beside(host: Host, on_ready: Callable[[Host], Awaitable[None]] | None) -> Iterator[Coroutine[None, None, None]]:
    """What runs while the engine does."""
    yield give_back()
    if host.folder is not None:
        yield host.take_in_new()
    if on_ready is not None:
        yield _run(on_ready(host))


async def _run(work: Awaitable[None]) -> None:
    await work


def _stop_on_signals(host: Host) -> asyncio.Event:
    """SIGINT, SIGTERM and SIGHUP end the engine in order. The event tells that it was SIGINT.

    A second SIGINT is of somebody who does not want to wait for servers that do not end by themselves.
    """
    interrupted, loop = asyncio.Event(), asyncio.get_running_loop()

    def hasten() -> None:
        kill_all()
        loop.call_later(_HASTE_SECONDS, hasten)  # what died may have been started anew just before

    def stop(which: signal.Signals) -> None:
        if which == signal.SIGINT:
            if host.stopping.is_set():
                hasten()
            interrupted.set()
        host.stopping.set()

    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(which, stop, which)
    return interrupted


def new_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop that can be had here."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop
