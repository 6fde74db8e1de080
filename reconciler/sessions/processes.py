"""Processes as /proc shows them. Linux; elsewhere there are none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LINUX = sys.platform == "linux"
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """What we look at of a process. `state` is one letter, "Z" when it waits to be collected."""

    state: str
    parent: int
    session: int
    started: int
    """Clock ticks after the system's start."""
    ticks: int
    """Processor time used, by all its threads."""

    @property
    def is_running(self) -> bool:
        return self.state not in "ZX"


def stat_of(pid: int) -> Stat | None:
    """Some of /proc/PID/stat (proc_pid_stat(5)); the command's name in it may hold anything but the last `)`."""
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]), ticks)


def session_of(pid: int) -> int:
    stat = stat_of(pid)
    return stat.session if stat else -1


def is_still_there(pid: int, started: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat.is_running and stat.started == started


def children_of(pid: int) -> list[int]:
    """Direct children (proc_pid_task_children(5)), of whichever thread."""
    found: list[int] = []
    with suppress(OSError):
        for thread in (PROC / str(pid) / "task").iterdir():
            found += map(int, (thread / "children").read_bytes().split())
    return found


def descendants_of(pid: int) -> Iterator[int]:
    found = children_of(pid)
    while found:
        child = found.pop()
        yield child
        found += children_of(child)


def ancestors_of_ours() -> Iterable[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        stat = stat_of(pid)
        pid = stat.parent if stat else 0


def all_pids() -> list[int]:
    if not LINUX:
        return []
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
