"""Orphans that became our children: the dead among them are collected, as they die. Linux; elsewhere there are none.

A server that forks twice, or whose wrapper dies, leaves orphans. They are ours as they are those of process 1: our
process asks for them (a "subreaper"), so that they stay findable, and it may be process 1 itself.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from contextlib import suppress
from functools import cache
from weakref import WeakSet

from reconciler.sessions.processes import LINUX, children_of, stat_of

SET_CHILD_SUBREAPER = 36
LOOK = 0.25
"""Seconds between looks. Not SIGCHLD: uvloop wants that for itself; and a look in vain is one system call."""

leaders: set[int] = set()
"""Processes that we started and whose exit status somebody will ask for. One per process, as the process table is."""

_collecting: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def adopt_orphans() -> None:
    """Become the parent of every orphan among our descendants, for good, and collect those that die while the running
    event loop does. Call from the thread that starts the servers."""
    loop = asyncio.get_running_loop()
    if LINUX and loop not in _collecting:
        _collecting.add(loop)
        _become_subreaper()
        loop.call_later(LOOK, _keep_collecting, loop)


@cache
def _become_subreaper() -> None:
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _keep_collecting(loop: asyncio.AbstractEventLoop) -> None:
    collect_adopted()
    loop.call_later(LOOK, _keep_collecting, loop)


def collect_adopted() -> None:
    """Take the exit status of the dead that we adopted. Processes that others here started keep theirs for them: those
    live in our session (subprocess.run, a command's helper), while each server begins one of its own."""
    if not _anybody_died():
        return
    ours = os.getsid(0)
    for pid in children_of(os.getpid()):
        stat = None if pid in leaders else stat_of(pid)
        if stat and stat.state == "Z" and stat.session != ours:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _anybody_died() -> bool:
    """Whether any child waits to be collected, by whomever; it goes on waiting. Spares the reading of /proc."""
    if not LINUX:
        return False
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
