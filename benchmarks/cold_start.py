"""From the start of `reconciler watch` to N light servers that are connected: one whole process, its loading counted.

The file was applied before, as at every start but the first. The baseline is a process that loads asyncio, starts the
same servers at once with `benchmarks/plain.py` and lists their tools; beside it when the engine answers its owner.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.commands import COMMAND
from benchmarks.engines import servers
from benchmarks.measure import heading, options, row, table
from benchmarks.plain import standing
from reconciler.client import Client
from reconciler.faces.cli.reach import connect
from reconciler.store.state_dir import StateDir, state_dir_of

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.01
_Found = TypeVar("_Found")


def main() -> None:
    given = options(__doc__ or "", sizes=(1, 10, 50, 100), quick_sizes=(1, 5))
    heading("A whole engine process, from its start to servers that are connected")
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
            folder = Path(place)
            _write(folder, size)
            turns = [(_plain(size), *_engine(folder, size)) for _ in range(given.runs + 1)][1:]
        plain, answers, connected = zip(*turns, strict=True)
        print(f"{size} servers")
        table(
            [
                row("plain asyncio, all at once (baseline)", plain, plain),
                row("engine: it answers", answers, plain),
                row("engine: all connected", connected, plain),
            ]
        )
        print()


def _write(folder: Path, size: int) -> None:
    """A file, and the state of an engine that applied it."""
    (folder / "reconciler.yaml").write_text(json.dumps({"version": 1, "mcpServers": servers(size)}), encoding="utf-8")
    _run(folder, "watch", "--detach", "--auto-approve")
    _run(folder, "stop")


def _plain(size: int) -> float:
    start = time.perf_counter()
    with standing(size):
        return time.perf_counter() - start


def _engine(folder: Path, size: int) -> tuple[float, float]:
    """Seconds until a fresh engine answers, and until its servers are connected."""
    start = time.perf_counter()
    with _watching(folder) as state:
        client = _until(lambda: connect(state))
        answers = time.perf_counter() - start
        _until(lambda: _connected(client) == size or None)
        return answers, time.perf_counter() - start


@contextmanager
def _watching(folder: Path) -> Iterator[StateDir]:
    command = [*_command(folder, "watch"), "--auto-approve", "--listen", "none"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield state_dir_of(folder / "reconciler.yaml", folder.name, folder / "state")
        finally:
            process.terminate()


def _until(look: Callable[[], _Found | None]) -> _Found:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"it did not come up within {PATIENCE_SECONDS:.0f} s")


def _connected(client: Client) -> int:
    return sum(server["status"] == "connected" for server in client.status()["servers"])


def _run(folder: Path, *arguments: str) -> None:
    subprocess.run(_command(folder, *arguments), capture_output=True, check=True)


def _command(folder: Path, *arguments: str) -> list[str]:
    return [str(COMMAND), *arguments, "--state-dir", str(folder / "state"), "-f", str(folder / "reconciler.yaml")]


if __name__ == "__main__":
    main()
