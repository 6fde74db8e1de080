"""From SIGKILL of one server's process until a call of it is answered again; how many calls failed meanwhile.

The baseline starts the same server again with `benchmarks/plain.py` and asks it once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

from benchmarks.engines import Engine, engine, name, servers
from benchmarks.measure import heading, options, row, table
from benchmarks.plain import Plain


async def main() -> None:
    given = options(__doc__ or "", sizes=(10,), quick_sizes=(3,))
    for size in given.sizes:
        heading(f"One of {size} servers is killed")
        plain, again, failed = [], [], 0
        for _ in range(given.runs + 1):
            async with engine(servers(size)) as ours:  # a fresh one each time: repeated deaths are answered with pauses
                await ours.apply()
                plain.append(await _plain())
                seconds, failures = await _killed(ours, name(0))
                again.append(seconds)
                failed += failures
        table(
            [
                row("start it and ask it (baseline)", plain[1:], plain[1:]),
                row("SIGKILL to answered", again[1:], plain[1:], f"{failed} calls failed in {given.runs + 1} deaths"),
            ]
        )


async def _plain() -> float:
    start = time.perf_counter()
    session = await Plain.start("plain")
    await session.ask("tools/call", {"name": "version", "arguments": {}})
    seconds = time.perf_counter() - start
    await session.stop()
    return seconds


async def _killed(ours: Engine, server: str) -> tuple[float, int]:
    live = ours.project.hub.slot(server).live
    assert live is not None and live.session is not None and live.session.pid is not None
    failed = 0
    start = time.perf_counter()
    os.kill(live.session.pid, signal.SIGKILL)
    while True:
        try:
            await ours.call(server, "version", {})
        except Exception:
            failed += 1
            await asyncio.sleep(0.001)
        else:
            return time.perf_counter() - start, failed


if __name__ == "__main__":
    asyncio.run(main())
