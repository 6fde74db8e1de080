"""Find and end what our servers left behind, by the cookie in its environment and by descent. Elsewhere than on Linux,
nothing is found."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from reconciler.sessions.adopted import collect_adopted, leaders
from reconciler.sessions.launch import OWNER
from reconciler.sessions.processes import (
    PROC,
    all_pids,
    ancestors_of_ours,
    children_of,
    descendants_of,
    is_still_there,
    session_of,
    stat_of,
)


def sweep(cookie_prefix: str) -> list[int]:
    """Kill every process of our user whose owner cookie starts with `cookie_prefix`, but us and our ancestors.

    For the start of an engine, after one that could not tidy up. Returns the process ids in the order they were found.
    """
    killed: list[int] = []
    spared = set(ancestors_of_ours())
    for _ in range(5):
        found = [pid for pid in all_pids() if pid not in spared and _kill_if_owned(pid, cookie_prefix)]
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
            stat = stat_of(pid)
            if stat and stat.is_running:
                self._killed[pid] = stat.started
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        collect_adopted()
        return any(is_still_there(pid, started) for pid, started in self._killed.items())

    def _members(self, leader_lives: bool) -> set[int]:
        found = set(descendants_of(self._leader)) if leader_lives else set()
        for pid in children_of(os.getpid()):
            if pid not in leaders and (_owner(pid) == self._cookie or session_of(pid) == self._leader):
                found |= {pid, *descendants_of(pid)}
        return found


@contextmanager
def leaving_nobody() -> Iterator[None]:
    """Kill, in the end, whatever became our child meanwhile and lives outside of our session, with all under it.

    For a process that is an engine and nothing else: what forked twice and dropped its cookie is known by this alone.
    """
    before = {os.getpid(), *children_of(os.getpid())}
    try:
        yield
    finally:
        ours = os.getsid(0)
        for pid in children_of(os.getpid()):
            if pid not in before and session_of(pid) != ours:
                for member in (pid, *descendants_of(pid)):
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(member, signal.SIGKILL)
                _wait_gone(pid)


def _owner(pid: int) -> str | None:
    """The cookie of a process; None when it has none, is gone, or is somebody else's."""
    try:
        folder = PROC / str(pid)
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
