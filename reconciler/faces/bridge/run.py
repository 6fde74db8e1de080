"""The bridge as a process: from standard input to standard output, until either ends or a signal comes.

What was asked before the input ended is still answered, if that takes no longer than `LAST_WORDS`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import aclosing, suppress

from reconciler.faces.bridge.bridge import Bridge
from reconciler.faces.bridge.link import Link
from reconciler.faces.bridge.stdio import Output, lines

_INTERRUPTED = 130
LAST_WORDS = 5.0
"""Seconds that answers may still take when the input has ended."""


def run(link: Link) -> int:
    """Carry what comes. Answers the exit code: 0, or 130 after SIGINT."""
    return asyncio.run(_serve(link, sys.stdin.fileno(), sys.stdout.fileno()))


async def _serve(link: Link, stdin: int, stdout: int) -> int:
    over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    _end_on_signals(over)
    output = Output(stdout, lambda: _end(over, 0))
    bridge = Bridge(link, output.send)
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def carry() -> None:
        await _read(stdin, waiting)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await waiting.join()
                await bridge.settled()
                await output.flushed()
        _end(over, 0)

    tasks = [asyncio.create_task(carry()), asyncio.create_task(_take(bridge, waiting))]
    for each in tasks:
        each.add_done_callback(lambda task: _fail(over, task))
    try:
        return await over
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await bridge.close()


async def _read(stdin: int, waiting: asyncio.Queue[bytes | None]) -> None:
    """The end of the input is noticed at once, also while a line waits for an engine that is away."""
    async with aclosing(lines(stdin)) as found:
        async for line in found:
            if line is None or line.strip():
                waiting.put_nowait(line)


async def _take(bridge: Bridge, waiting: asyncio.Queue[bytes | None]) -> None:
    while True:
        await bridge.take(await waiting.get())
        waiting.task_done()


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
