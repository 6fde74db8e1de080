"""How long is a tool call through the gateway, and how many fit into a second with 32 in flight?

The baseline is `raw_gateway.py`, the least that a gateway written in Python can do, on the event loop that ours uses.
Ours has every duty on: bearer token, gate, lock. Peers come from the package index, each in an environment of its own
outside the repository (`--peers FOLDER` keeps them there); with --quick there are none. All of them run at the same
time and are asked in turn, so that the machine's moods hit them alike; `cpu` is what the gateway's own process took.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.gateways import Gateway, ours, peers, raw, written
from benchmarks.measure import Row, heading, options, row, table

KIB, MIB = 1024, 1024 * 1024
IN_FLIGHT = 32
SECONDS = 5.0
_TICK = 1 / os.sysconf("SC_CLK_TCK")

Figures = dict[str, dict[str, list[float]]]
"""Of each kind of figure, of each gateway: one for each run."""


def main() -> int:
    given = options(__doc__ or "", flags={"--peers": "a folder for the peers' environments, kept for another time"})
    heading(f"Tool calls through a gateway, {given.runs} runs in turn")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place, ExitStack() as open_ones:
        folder = Path(place)
        gateways = [open_ones.enter_context(raw(loop)) for loop in _loops()]
        file = folder / "reconciler.yaml"
        file.write_text(json.dumps(written()), encoding="utf-8")
        gateways += open_ones.enter_context(ours(folder, file))
        if not given.quick:
            kept = Path(given.peers) if given.peers else folder
            kept.mkdir(parents=True, exist_ok=True)
            gateways += peers(kept, open_ones)
        figures, wrong = _measured(gateways, given.runs, 100 if given.quick else 2000)
    _report(figures, gateways[0].name)
    for name, reason in wrong.items():
        print(f"{name}: {reason}")
    return 0


def _loops() -> list[str]:
    """The event loop that ours uses here comes first."""
    return ["uvloop", "asyncio"] if importlib.util.find_spec("uvloop") else ["asyncio"]


def _measured(gateways: Sequence[Gateway], runs: int, calls: int) -> tuple[Figures, dict[str, str]]:
    """Every figure, and what went wrong with whom: a gateway that fails at something is not asked that again."""
    figures: Figures = defaultdict(lambda: defaultdict(list))
    wrong: dict[str, str] = {}
    for counted in range(-1, runs):
        for gateway in gateways:
            for what, job in _jobs(gateway, calls).items():
                label = f"{gateway.name}, {what}"
                if label in wrong:
                    continue
                before = _cpu(gateway.pid)
                try:
                    seconds = load(job)
                except subprocess.CalledProcessError as error:
                    wrong[label] = (error.stderr.strip().splitlines() or ["failed"])[-1]
                    continue
                if counted >= 0:
                    _note(figures, gateway.name, what, job, seconds, _cpu(gateway.pid) - before)
    return figures, wrong


def _jobs(gateway: Gateway, calls: int) -> dict[str, dict[str, Any]]:
    return {
        "one": gateway.job(KIB, 1, calls, SECONDS),
        "many": gateway.job(KIB, IN_FLIGHT, calls * 5, SECONDS),
        "large": gateway.job(MIB, 1, max(5, calls // 100), SECONDS),
    }


def _note(figures: Figures, name: str, what: str, job: Mapping[str, Any], seconds: Sequence[float], cpu: float) -> None:
    if what == "one":
        figures["p50"][name].append(statistics.median(seconds))
        figures["p99"][name].append(statistics.quantiles(seconds, n=100)[98])
    elif what == "many":
        figures["many"][name].append(seconds[0])
        done = min(job["calls"], round(SECONDS / seconds[0]))
        figures["cpu"][name].append(cpu / done)
    else:
        figures["large"][name].append(statistics.median(seconds))


def load(job: Mapping[str, Any]) -> list[float]:
    """The seconds that a job takes (see `load.py`). Raises CalledProcessError."""
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=True)
    seconds: list[float] = json.loads(done.stdout)["seconds"]
    return seconds


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has had (proc_pid_stat(5)); 0 where the system does not tell."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) * _TICK


def _report(figures: Figures, baseline: str) -> None:
    titles = {
        "p50": ("p50 of a call of one client, 1 KiB of arguments", "us"),
        "p99": ("p99 of the same", "us"),
        "many": (f"{IN_FLIGHT} calls in flight: the time of all by their number", "us"),
        "cpu": ("cpu of the gateway's process for each of those", "us"),
        "large": ("p50 of a call of one client, 1 MiB of arguments and of answer", "ms"),
    }
    for what, (title, unit) in titles.items():
        print(f"{title}; baseline: {baseline}")
        table(
            [_row(name, seconds, figures[what][baseline], what) for name, seconds in figures[what].items()], unit=unit
        )
        print()


def _row(name: str, seconds: Sequence[float], baseline: Sequence[float], what: str) -> Row:
    note = f"{1 / statistics.median(seconds):,.0f} a second" if what == "many" else ""
    return row(name, seconds, baseline, note)


if __name__ == "__main__":
    sys.exit(main())
