"""How long it takes until N light stdio servers are connected, their tools listed.

The baseline starts the same servers with `benchmarks/plain.py`, all at once or as many at a time as ours. Ours keeps
an accepted state on the disk, guards every process and asks each server for its era first. Importing is not counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks.engines import engine, name, servers
from benchmarks.measure import heading, in_turn_async, options, table
from benchmarks.plain import Plain
from reconciler.sessions.starts import processes_at_a_time

AT_A_TIME = processes_at_a_time()
"""How many servers the hub starts at a time."""


async def main() -> None:
    given = options(__doc__ or "", sizes=(1, 10, 50, 100), quick_sizes=(1, 5))
    heading("Bringing servers up")
    for size in given.sizes:
        ways: dict[str, Callable[[], Awaitable[float]]] = {
            "plain asyncio, all at once (baseline)": lambda size=size: _plain(size, size),
            f"plain asyncio, {AT_A_TIME} at a time": lambda size=size: _plain(size, AT_A_TIME),
            "engine: apply, all connected": lambda size=size: _applied(size),
        }
        print(f"{size} servers")
        table(await in_turn_async(ways, given.runs))
        print()


async def _plain(size: int, at_a_time: int) -> float:
    places = asyncio.Semaphore(at_a_time)

    async def begin(number: int) -> Plain:
        async with places:
            return await Plain.start(name(number))

    start = time.perf_counter()
    sessions = await asyncio.gather(*map(begin, range(size)))
    seconds = time.perf_counter() - start
    await asyncio.gather(*(session.stop() for session in sessions))
    return seconds


async def _applied(size: int) -> float:
    async with engine(servers(size)) as ours:
        start = time.perf_counter()
        await ours.apply()
        seconds = time.perf_counter() - start
        assert ours.connected() == size
        return seconds


if __name__ == "__main__":
    asyncio.run(main())
