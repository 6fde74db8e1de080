"""What an attack costs us: how late the event loop is, how large the process gets, how long calls take."""

from __future__ import annotations

import asyncio
import gc
import math
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

LOOK = 0.01
PACE = 0.002


@dataclass
class Reading:
    """`lags` in seconds, one every `LOOK`; `before` and `most` are resident KiB."""

    before: int
    most: int = 0
    lags: list[float] = field(default_factory=list)

    @property
    def grown(self) -> int:
        """KiB, at the worst moment."""
        return max(self.most - self.before, 0)


def resident() -> int:
    """KiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` (0 to 1) of all do not exceed; NaN of none."""
    ranked = sorted(values)
    return ranked[max(math.ceil(part * len(ranked)) - 1, 0)] if ranked else math.nan


@asynccontextmanager
async def metered() -> AsyncIterator[Reading]:
    """Look at the running loop and this process, all the while."""
    gc.collect()
    reading = Reading(before=resident())
    watching = asyncio.create_task(_watch(reading))
    try:
        yield reading
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(reading: Reading) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK
        await asyncio.sleep(LOOK)
        reading.lags.append(loop.time() - due)
        reading.most = max(reading.most, resident())


async def paced(call: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """The seconds of each of so many calls, one after the other with a pause of `PACE` in between."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(PACE)
    return taken
