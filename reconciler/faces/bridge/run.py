"""The bridge as a process: from standard input to standard output, until either ends or a signal comes."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import aclosing

from reconciler.faces.bridge.bridge import Bridge
from reconciler.faces.bridge.link import Link
from reconciler.faces.bridge.stdio import Output, lines

_INTERRUPTED = 130


def run(link: Link) -> int:
    """Carry what comes. Answers the exit code: 0, or 130 after SIGINT."""
    return asyncio.run(_serve(link, sys.stdin.fileno(), sys.stdout.fileno()))


async def _serve(link: Link, stdin: int, stdout: int) -> int:
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _end_on_signals(over)
    bridge = Bridge(link, Output(stdout, lambda: _end(over, 0)).send)
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_read(stdin, waiting, over)), asyncio.create_task(_take(bridge, waiting))]
    tasks[1].add_done_callback(lambda task: _fail(over, task))
    try:
        return await over
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bridge.close()


async def _read(stdin: int, waiting: asyncio.Queue[bytes | None], over: asyncio.Future[int]) -> None:
    """The end of the input is noticed at once, also while a line waits for an engine that is away."""
    async with aclosing(lines(stdin)) as found:
        async for line in found:
            if line is None or line.strip():
                waiting.put_nowait(line)
    _end(over, 0)


async def _take(bridge: Bridge, waiting: asyncio.Queue[bytes | None]) -> None:
    while True:
        await bridge.take(await waiting.get())


def _end_on_signals(over: asyncio.Future[int]) -> None:
    loop = asyncio.get_running_loop()
    for which, exit_code in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, _INTERRUPTED)):
        loop.add_signal_handler(which, _end, over, exit_code)


def _end(over: asyncio.Future[int], exit_code: int) -> None:
    if not over.done():
        over.set_result(exit_code)


def _fail(over: asyncio.Future[int], task: asyncio.Task[None]) -> None:
    """A defect of ours ends the process with its traceback instead of a client that waits for ever."""
    if not task.cancelled() and not over.done() and (error := task.exception()):
        over.set_exception(error)
