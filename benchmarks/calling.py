"""How long a tool call takes: one after the other, and with 32 in flight.

The baseline asks the same server with `benchmarks/plain.py`: asyncio's own subprocess, no ids to look up, no deadline,
no cancelling. The same with blocking reads and writes is the least that can be. `session` is our thin JSON-RPC session
as the hub hands it out, `gate` the way of a call inside the engine. A call that needs approval leaves two rows on the
disk, before and after, each with an fsync.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.engines import OWNER, engine, name, servers
from benchmarks.measure import heading, options, row, table
from benchmarks.plain import Plain, argv

HELLO = {"text": "hello"}
CALL = {"name": "echo", "arguments": HELLO}
IN_FLIGHT = 32
Ask = Callable[[], Awaitable[Any]]


async def main() -> None:
    given = options(__doc__ or "")
    calls = 300 if given.quick else 3000
    heading(f"Tool calls, {calls} a run")
    plain = await Plain.start("plain")
    asking = {"asking": servers(1, asks=True)[name(0)]}
    async with engine(servers(1) | asking) as ours:
        await ours.apply()
        live = ours.project.hub.slot(name(0)).live
        assert live is not None
        gate = ours.project.gate
        with _blocking() as blocking:
            ways: dict[str, Ask] = {
                "plain asyncio (baseline)": lambda: plain.ask("tools/call", CALL),
                "blocking pipes, no event loop": blocking,
                "session": lambda: live.request("tools/call", CALL, timeout=60),
                "gate": lambda: gate.call(OWNER, name(0), "echo", HELLO),
                "gate, a call that needs approval": lambda: gate.call(OWNER, "asking", "echo", HELLO),
            }
            await _report(ways, given.runs, calls)
    await plain.stop()


@contextmanager
def _blocking() -> Iterator[Ask]:
    """Calls of a server of their own; nothing else happens meanwhile."""
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL}).encode() + b"\n"
    with subprocess.Popen(argv("blocking"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout
        write, read = process.stdin.fileno(), process.stdout.fileno()

        async def ask() -> Any:
            os.write(write, line)
            answer = os.read(read, 65536)
            while not answer.endswith(b"\n"):
                answer += os.read(read, 65536)
            return json.loads(answer)["result"]

        yield ask


async def _report(ways: dict[str, Ask], runs: int, calls: int) -> None:
    one_by_one = [{way: await _one_by_one(ask, calls) for way, ask in ways.items()} for _ in range(runs + 1)][1:]
    for title, quantile in (("p50", 50), ("p99", 99)):
        print(f"{title} of a call")
        found = {way: [_percentile(turn[way], quantile) for turn in one_by_one] for way in ways}
        baseline = next(iter(found.values()))
        table([row(way, seconds, baseline) for way, seconds in found.items()], unit="us")
        print()
    print(f"{IN_FLIGHT} calls in flight: the time of all by their number")
    several = list(ways.items())[2:]
    table([row(way, [await _at_once(ask, calls) for _ in range(runs)]) for way, ask in several], unit="us")


async def _one_by_one(ask: Ask, calls: int) -> list[float]:
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        await ask()
        seconds.append(time.perf_counter() - start)
    return seconds


async def _at_once(ask: Ask, calls: int) -> float:
    async def some() -> None:
        for _ in range(calls // IN_FLIGHT):
            await ask()

    start = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    return (time.perf_counter() - start) / (calls // IN_FLIGHT * IN_FLIGHT)


def _percentile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1]


if __name__ == "__main__":
    asyncio.run(main())
