"""What every benchmark shares: options, repeated runs in turn, and the table. Standard library only.

Ways of doing one thing are run in turn (A B C A B C ...) after one run that is not counted, and each ratio is taken
within its own turn: when the machine gets slower, all of them do.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: seconds of each run, and each run's ratio to the baseline's run of the same turn."""

    name: str
    seconds: tuple[float, ...]
    ratios: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def options(
    description: str,
    *,
    sizes: Sequence[int] = (),
    quick_sizes: Sequence[int] = (),
    flags: Mapping[str, str] | None = None,
) -> argparse.Namespace:
    """`--runs`, `--sizes` where there are any, `--quick` (few runs of small sizes); `flags`: more, with help."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes and two runs: whether it works at all")
    parser.add_argument("--runs", type=int, help="counted runs (default 7, with --quick 2)")
    if sizes:
        parser.add_argument(
            "--sizes", type=int, nargs="+", help=f"how many servers (default {' '.join(map(str, sizes))})"
        )
    for flag, explained in (flags or {}).items():
        parser.add_argument(flag, help=explained)
    given = parser.parse_args()
    given.runs = given.runs or (2 if given.quick else 7)
    if sizes:
        given.sizes = given.sizes or list(quick_sizes if given.quick else sizes)
    return given


def in_turn(ways: Mapping[str, Callable[[], object]], runs: int) -> list[Row]:
    """Time each way `runs` times, in turn. The first is the baseline."""
    timed = [{name: _timed(way) for name, way in ways.items()} for _ in range(runs + 1)]
    return _rows(timed[1:])


async def in_turn_async(ways: Mapping[str, Callable[[], Awaitable[float]]], runs: int) -> list[Row]:
    """The same for coroutines, which answer the seconds that count."""
    timed = [{name: await way() for name, way in ways.items()} for _ in range(runs + 1)]
    return _rows(timed[1:])


def row(name: str, seconds: Sequence[float], baseline: Sequence[float] | None = None, note: str = "") -> Row:
    """A row of figures that were taken elsewhere; ratios are to the baseline's median."""
    against = statistics.median(baseline) if baseline else 0.0
    return Row(name, tuple(seconds), tuple(one / against for one in seconds) if against else (), note)


def _timed(way: Callable[[], object]) -> float:
    """As `timeit` does: without the collector of cycles, whose work belongs to whoever happens to be measured."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        way()
        return time.perf_counter() - start
    finally:
        gc.enable()


def _rows(turns: Sequence[Mapping[str, float]]) -> list[Row]:
    baseline = next(iter(turns[0]))
    return [
        Row(name, tuple(turn[name] for turn in turns), tuple(turn[name] / turn[baseline] for turn in turns))
        for name in turns[0]
    ]


def heading(title: str) -> None:
    """What follows, where and when."""
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(
        f"\n{title}\n{moment}, {_processors()}, Python {platform.python_version()}, {platform.system()}\n", flush=True
    )


def _processors() -> str:
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 0
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
    return f"{allowed or 'some'} processors{f' ({model})' if model else ''}"


def table(rows: Sequence[Row], *, unit: str = "ms") -> None:
    """Minimum, median and maximum of each row, and the median ratio to the first. Seconds become `ms` or `us`."""
    factor = {"ms": 1e3, "us": 1e6}.get(unit, 1)
    widest = max(len(one.name) for one in rows)
    print(f"{'':{widest}}  {'min':>9} {'median':>9} {'max':>9}  {'ratio':>7}")
    for one in rows:
        low, middle, high = (f"{value * factor:9.1f}" for value in (min(one.seconds), one.median, max(one.seconds)))
        ratio = f"{statistics.median(one.ratios):7.2f}" if one.ratios else " " * 7
        print(f"{one.name:{widest}}  {low} {middle} {high}  {ratio}  {one.note}".rstrip(), flush=True)
    print(f"{'':{widest}}  {unit}; ratio: to the first row, median of each run's", flush=True)
