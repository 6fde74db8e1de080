"""How much processor time an engine takes while nothing happens: N quiet servers connected, nobody calls. Linux.

The baseline is a process that holds the same servers with `benchmarks/plain.py` and waits.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks.measure import heading, options, row, table
from benchmarks.memory import running
from benchmarks.plain import standing

SETTLE_SECONDS = 3.0
"""What begins with a start is over after that."""


def main() -> None:
    given = options(__doc__ or "", sizes=(50,), quick_sizes=(3,))
    seconds = 1.0 if given.quick else 60.0
    runs = min(given.runs, 3)
    for size in given.sizes:
        heading(f"{size} quiet servers for {seconds:.0f} s")
        plain, ours = [], []
        for _ in range(runs):
            with standing(size) as process:
                plain.append(_share(process.pid, seconds))
            with running(size) as pid:
                ours.append(_share(pid, seconds))
        print("percent of one processor")
        table([row("plain asyncio (baseline)", plain), row("engine", ours)], unit="%")


def _share(pid: int, seconds: float) -> float:
    time.sleep(SETTLE_SECONDS)
    before = _processor(pid)
    time.sleep(seconds)
    return 100 * (_processor(pid) - before) / seconds


def _processor(pid: int) -> float:
    """Seconds that a process has had so far, its own and the kernel's for it (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
