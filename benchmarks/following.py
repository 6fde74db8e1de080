"""With 50 servers live and the file followed: from the save that changes one of them until its new version answers.

The baseline starts that one server with `benchmarks/plain.py` and asks it once. During every change one caller keeps
calling the server that changes and another one the server beside it; calls that fail are counted.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.engines import Engine, engine, name, servers
from benchmarks.measure import heading, options, row, table
from benchmarks.plain import Plain
from reconciler.engine.watch import SETTLE_RENAMED

CHANGED = 0
VERSION = {"name": "version", "arguments": {}}


@dataclass
class Calls:
    """What the callers saw."""

    done: int = 0
    failed: int = 0


async def main() -> None:
    given = options(__doc__ or "", sizes=(50,), quick_sizes=(5,))
    for size in given.sizes:
        heading(f"One of {size} live servers changes in the file")
        calls = Calls()
        async with engine(servers(size)) as ours:
            await ours.apply()
            follower = ours.host.follow(ours.project, "all")
            await follower.settled.wait()
            plain, seen = [], []
            for turn in range(given.runs + 1):
                plain.append(await _plain(f"{turn}"))
                seen.append(await _change(ours, size, f"1.{turn}", calls))
        note = f"{calls.done} calls meanwhile, {calls.failed} failed"
        settle = f"save to visible, less the {SETTLE_RENAMED * 1000:.0f} ms that a save must be quiet"
        table(
            [
                row("start one server and ask it (baseline)", plain[1:], plain[1:]),
                row("save to visible", seen[1:], plain[1:], note),
                row(settle, [one - SETTLE_RENAMED for one in seen[1:]], plain[1:]),
            ]
        )


async def _plain(version: str) -> float:
    start = time.perf_counter()
    session = await Plain.start("plain", version)
    await session.ask("tools/call", VERSION)
    seconds = time.perf_counter() - start
    await session.stop()
    return seconds


async def _change(ours: Engine, size: int, version: str, calls: Calls) -> float:
    over = asyncio.Event()
    beside = asyncio.create_task(_keep_calling(ours, name(size - 1), over, calls))
    await asyncio.sleep(0.2)  # what the change before has left is over
    start = time.perf_counter()
    ours.save(servers(size, {CHANGED: version}))
    while await _answer(ours, name(CHANGED), calls) != version:  # noqa: ASYNC110  it shows only in an answer
        await asyncio.sleep(0.001)
    seconds = time.perf_counter() - start
    over.set()
    await beside
    return seconds


async def _keep_calling(ours: Engine, server: str, over: asyncio.Event, calls: Calls) -> None:
    while not over.is_set():
        await _answer(ours, server, calls)
        await asyncio.sleep(0.001)


async def _answer(ours: Engine, server: str, calls: Calls) -> str | None:
    calls.done += 1
    try:
        return await ours.call(server, "version", {})
    except Exception:
        calls.failed += 1
        return None


if __name__ == "__main__":
    asyncio.run(main())
