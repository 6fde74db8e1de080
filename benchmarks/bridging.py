"""How long until `reconciler bridge` gives its first answer, how much memory it has, and what a call through it takes.

An engine runs already. The baseline of the start is a bare interpreter from start to exit, that of memory one that has
done nothing, and that of a call the same call over HTTP without the bridge. Memory is read on Linux.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.commands import COMMAND
from benchmarks.gateway import KIB, SECONDS, load
from benchmarks.gateways import Gateway, ours, written
from benchmarks.measure import heading, in_turn, options, row, table
from benchmarks.memory import bare, resident

_GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}}


def main() -> None:
    given = options(__doc__ or "")
    calls = 50 if given.quick else 1000
    heading(f"The bridge, {given.runs} runs in turn")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        folder = Path(place)
        file = folder / "reconciler.yaml"
        file.write_text(json.dumps(written()), encoding="utf-8")
        where = ["--state-dir", str(folder / "state"), "-f", str(file)]
        with ours(folder, file) as (gateway, _):
            _starts(where, given.runs)
            _memory(where, given.runs, calls)
            _calls(where, gateway, given.runs, calls)


def _starts(where: Sequence[str], runs: int) -> None:
    print("from its start to its first answer")
    ways = {
        "python -c pass (baseline)": lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "python -c 'import asyncio'": lambda: subprocess.run([sys.executable, "-c", "import asyncio"], check=True),
        "bridge": lambda: _first_answer(where),
    }
    table(in_turn(ways, runs))
    print()


def _memory(where: Sequence[str], runs: int, calls: int) -> None:
    def used() -> float:
        with _bridge(where) as (process, ask):
            for _ in range(calls):
                ask("tools/call", _call())
            return resident(process.pid)

    print(f"memory after {calls} calls")
    nothing = [bare() for _ in range(runs)]
    rows = [
        row("python, nothing done (baseline)", nothing, nothing),
        row("bridge", [used() for _ in range(runs)], nothing),
    ]
    table(rows, unit="MiB")
    print()


def _calls(where: Sequence[str], gateway: Gateway, runs: int, calls: int) -> None:
    found: dict[str, list[float]] = {"over HTTP (baseline)": [], "through the bridge": []}
    for _ in range(runs):
        found["over HTTP (baseline)"].append(statistics.median(load(gateway.job(KIB, 1, calls, SECONDS))))
        with _bridge(where) as (_process, ask):
            found["through the bridge"].append(statistics.median(_timed(ask) for _ in range(calls)))
    print("p50 of a call of one client, 1 KiB of arguments")
    table([row(name, seconds, found["over HTTP (baseline)"]) for name, seconds in found.items()], unit="us")


def _call() -> dict[str, Any]:
    return {"name": "light-0__echo", "arguments": {"text": "x" * KIB}}


def _timed(ask: Any) -> float:
    start = time.perf_counter()
    ask("tools/call", _call())
    return time.perf_counter() - start


def _first_answer(where: Sequence[str]) -> None:
    with _bridge(where):
        return


@contextmanager
def _bridge(where: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """A bridge that was greeted, and how to ask it one thing after the other."""
    command = [str(COMMAND), "bridge", *where]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout
        stdin, stdout, number = process.stdin, process.stdout, 0

        def ask(method: str, params: Any) -> Any:
            nonlocal number
            number += 1
            message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            stdin.write(json.dumps(message).encode() + b"\n")
            while True:
                line = stdout.readline()
                while not line.endswith(b"\n"):
                    line += stdout.readline()
                answer = json.loads(line)
                if answer.get("id") == number:
                    return answer["result"]

        ask("initialize", _GREETING)
        try:
            yield process, ask
        finally:
            stdin.close()


if __name__ == "__main__":
    main()
