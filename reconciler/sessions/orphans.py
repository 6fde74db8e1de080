"""Find and end what our servers left behind, by the cookie in its environment and by descent. Linux; elsewhere nothing.

Our process adopts the orphans of its descendants (a "subreaper"), so that what a server's wrapper leaves behind stays
findable and its end is collected even where process 1 collects nothing.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from reconciler.sessions.launch import OWNER

LINUX = sys.platform == "linux"
SET_PARENT_DEATH_SIGNAL = 1
SET_CHILD_SUBREAPER = 36
_PROC = Path("/proc")

leaders: set[int] = set()
"""Processes that we started and whose exit status somebody will ask for. One per process, as the process table is."""


@cache
def adopt_orphans() -> None:
    """Become the parent of every orphan among our descendants (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if LINUX:
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sweep(cookie_prefix: str) -> list[int]:
    """Kill every process of our user whose owner cookie starts with `cookie_prefix`, but us and our ancestors.

    For the start of an engine, after one that could not tidy up. Returns the process ids in the order they were found.
    """
    killed: list[int] = []
    spared = set(_ancestors())
    for _ in range(5):
        found = [pid for pid in _all_pids() if pid not in spared and _kill_if_owned(pid, cookie_prefix)]
        if not found:
            break
        for pid in found:
            _wait_gone(pid)
        killed += [pid for pid in found if pid not in killed]
    collect_adopted()
    return killed


class Family:
    """What the start of one server brought about: everything under `leader`, and adopted orphans with its cookie."""

    def __init__(self, leader: int, cookie: str) -> None:
        self._leader = leader
        self._cookie = cookie
        self._killed: dict[int, int] = {}

    def kill(self, *, leader_lives: bool) -> bool:
        """Kill it, but for the leader. True while some of it is still there: its own children may only appear then.

        A process on its way out has no cookie any more, so those once seen are remembered, with the time they started:
        numbers are given out again, and so is the leader's once its status was taken.
        """
        for pid in self._members(leader_lives):
            stat = _stat(pid)
            if stat and stat.is_running:
                self._killed[pid] = stat.started
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        collect_adopted()
        return any(_is_still_there(pid, started) for pid, started in self._killed.items())

    def _members(self, leader_lives: bool) -> set[int]:
        found = set(_descendants(self._leader)) if leader_lives else set()
        for pid in _children(os.getpid()):
            if pid not in leaders and (_owner(pid) == self._cookie or _session(pid) == self._leader):
                found |= {pid, *_descendants(pid)}
        return found


def collect_adopted() -> None:
    """Take the exit status of dead orphans that we adopted. Children that others here started keep theirs for them."""
    for pid in _children(os.getpid()):
        stat = None if pid in leaders else _stat(pid)
        if stat and stat.state == "Z" and stat.session != os.getsid(0):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    session: int
    started: int
    """Clock ticks after the system's start."""

    @property
    def is_running(self) -> bool:
        return self.state not in "ZX"


def _stat(pid: int) -> _Stat | None:
    """Some of /proc/PID/stat (proc_pid_stat(5)); the command's name in it may hold anything but the last `)`."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return _Stat(fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def _session(pid: int) -> int:
    stat = _stat(pid)
    return stat.session if stat else -1


def _is_still_there(pid: int, started: int) -> bool:
    stat = _stat(pid)
    return stat is not None and stat.is_running and stat.started == started


def _children(pid: int) -> list[int]:
    """Direct children (proc_pid_task_children(5)), of whichever thread."""
    found: list[int] = []
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            found += map(int, (thread / "children").read_bytes().split())
    return found


def _descendants(pid: int) -> Iterator[int]:
    found = _children(pid)
    while found:
        child = found.pop()
        yield child
        found += _children(child)


def _ancestors() -> Iterable[int]:
    pid = os.getpid()
    while pid > 0:
        yield pid
        stat = _stat(pid)
        pid = stat.parent if stat else 0


def _all_pids() -> list[int]:
    if not LINUX:
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _owner(pid: int) -> str | None:
    """The cookie of a process; None when it has none, is gone, or is somebody else's."""
    try:
        folder = _PROC / str(pid)
        if folder.stat().st_uid != os.getuid():
            return None
        variables = (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    key = OWNER.encode() + b"="
    return next((entry[len(key) :].decode("utf-8", "replace") for entry in variables if entry.startswith(key)), None)


def _kill_if_owned(pid: int, cookie_prefix: str) -> bool:
    """Holding the process first makes sure that its number is not given to another between look and kill."""
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        owner = _owner(pid)
        if owner is None or not owner.startswith(cookie_prefix):
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(held)
    return True


def _wait_gone(pid: int) -> None:
    """Wait up to a second until a killed process is gone; collect it when it became our child."""
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return
    end = select.poll()
    end.register(held, select.POLLIN)
    end.poll(1000)
    os.close(held)
    if pid not in leaders:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
