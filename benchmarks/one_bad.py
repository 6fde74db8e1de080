"""Ten servers of which some never come: how long until the good ones are usable, from `apply` on.

A mute one reads and never answers, one is not found, one crashes again and again; each alone, and all three at once.
The baseline starts the good ones alone, at once, with `benchmarks/plain.py`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from benchmarks.engines import engine, name, servers
from benchmarks.measure import heading, in_turn_async, options, table
from benchmarks.plain import Plain
from reconciler.engine.change import Consent, apply_file

LOOK_SECONDS = 0.002
BAD: Mapping[str, Mapping[str, Any]] = {
    "mute": {"command": sys.executable, "args": ["-ISc", "import sys; sys.stdin.read()"]},
    "not-found": {"command": "no-such-command"},
    "crashing": {"command": sys.executable, "args": ["-ISc", "raise SystemExit(3)"]},
}


async def main() -> None:
    given = options(__doc__ or "", sizes=(10,), quick_sizes=(4,))
    for size in given.sizes:
        heading(f"Of {size} servers some never come")
        ways: dict[str, Callable[[], Awaitable[float]]] = {
            f"plain asyncio, {size} good ones (baseline)": lambda size=size: _plain(size),
            f"engine, {size} good ones": lambda size=size: _usable(size, ()),
        }
        for bad in BAD:
            ways[f"engine, one of them {bad}"] = lambda size=size, bad=bad: _usable(size, (bad,))
        ways["engine, three of them bad"] = lambda size=size: _usable(size, tuple(BAD))
        table(await in_turn_async(ways, given.runs))


async def _plain(size: int) -> float:
    start = time.perf_counter()
    sessions = await asyncio.gather(*(Plain.start(name(number)) for number in range(size)))
    seconds = time.perf_counter() - start
    await asyncio.gather(*(session.stop() for session in sessions))
    return seconds


async def _usable(size: int, bad: tuple[str, ...]) -> float:
    """The bad ones stand first in the file."""
    good = size - len(bad)
    async with engine({which: BAD[which] for which in bad} | servers(good)) as ours:
        start = time.perf_counter()
        applying = asyncio.create_task(apply_file(ours.project, Consent("benchmark", None), lambda _: None))
        while ours.connected() < good:  # noqa: ASYNC110  nobody tells when all of some are there
            await asyncio.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - start
        applying.cancel()
        await asyncio.gather(applying, return_exceptions=True)
        return seconds


if __name__ == "__main__":
    asyncio.run(main())
