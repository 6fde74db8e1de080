"""How much memory the engine's own process has resident, with N light servers connected. Linux.

The baseline is an interpreter that has done nothing. The servers' processes have their own memory, which is theirs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.commands import COMMAND
from benchmarks.engines import servers
from benchmarks.measure import heading, options, row, table


def main() -> None:
    given = options(__doc__ or "", sizes=(0, 10, 50, 100), quick_sizes=(0, 3))
    heading("Memory of the engine's process")
    nothing = [bare() for _ in range(given.runs)]
    rows = [row("python, nothing done (baseline)", nothing, nothing)]
    for size in given.sizes:
        rows.append(row(f"engine, {size} servers", [_engine(size) for _ in range(given.runs)], nothing))
    table(rows, unit="MiB")


def bare() -> float:
    """MiB of an interpreter that has done nothing."""
    command = [sys.executable, "-uc", "print(); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
        assert waiting.stdout
        waiting.stdout.readline()
        found = resident(waiting.pid)
        waiting.communicate(b"\n")
    return found


def _engine(size: int) -> float:
    with running(size) as pid:
        return resident(pid)


@contextmanager
def running(size: int) -> Iterator[int]:
    """The pid of an engine in a process of its own, with so many servers connected."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        written = {"version": 1, "mcpServers": servers(size)}
        Path(folder, "reconciler.yaml").write_text(json.dumps(written), encoding="utf-8")
        _run(folder, "watch", "--detach", "--auto-approve")
        try:
            report = json.loads(_run(folder, "status", "-o", "json"))
            assert all(server["status"] == "connected" for server in report["servers"])
            yield report["engine"]["pid"]
        finally:
            _run(folder, "stop")


def _run(folder: str, *arguments: str) -> str:
    command = [
        str(COMMAND),
        *arguments,
        "--state-dir",
        str(Path(folder, "state")),
        "-f",
        str(Path(folder, "reconciler.yaml")),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def resident(pid: int) -> float:
    """MiB of a process, as the kernel counts them (proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


if __name__ == "__main__":
    main()
