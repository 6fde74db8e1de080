"""One server process: started guarded, its death noticed at once, ended with everything it started."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial

from reconciler.sessions.adopted import adopt_orphans, collect_adopted, leaders
from reconciler.sessions.descriptors import limit_to_hand_on
from reconciler.sessions.launch import OWNER, Launch
from reconciler.sessions.orphans import Family
from reconciler.sessions.processes import LINUX
from reconciler.sessions.session import SessionError

SET_PARENT_DEATH_SIGNAL = 1
NO_PIDFD_POLL = 0.025
GROUP_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds between the steps of an end: end of input, SIGTERM, SIGKILL; `kill` is how long that one may take."""

    end_of_input: float = 2.0
    terminate: float = 2.0
    kill: float = 2.0


PATIENT = Patience()
HASTY = Patience(0.25, 0.25)
"""For a process that never became a session."""


class Child:
    """A started process, leader of its own session and group. `on_exit` is called once, when it has died.

    `stdin`, `stdout`, `stderr` are unbuffered pipes for the caller to close. `code` is the exit status, negative for a
    signal.
    """

    def __init__(self, launch: Launch, on_exit: Callable[[], None]) -> None:
        self._process = process = _spawn(launch)
        assert process.stdin and process.stdout and process.stderr
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self.pid = self._process.pid
        self.code: int | None = None
        self.exited = asyncio.Event()
        self._family = Family(self.pid, launch.environment[OWNER])
        self._group_is_gone = False
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._held = _hold(self.pid)
        self._watch()

    async def end(self, patience: Patience) -> None:
        """Call after its input was closed. Nothing of the server's is left when this returns, however it behaves."""
        try:
            await self._wait_exit(patience.end_of_input)
            if self._group_lives():
                self._signal_group(signal.SIGTERM)
                await self._until(self._is_over, patience.terminate)
        finally:
            self._destroy()
        await self._until(lambda: not self._destroy() and self._is_over(), patience.kill)

    def _destroy(self) -> bool:
        """Kill the group and the family, at once. True while there may be more to kill."""
        remains = self._family.kill(leader_lives=self.code is None)
        if self._group_lives():
            self._signal_group(signal.SIGKILL)
        return remains

    def _is_over(self) -> bool:
        return self.exited.is_set() and not self._group_lives()

    async def _wait_exit(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.exited.wait()

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        deadline = self._loop.time() + seconds
        while not done() and self._loop.time() < deadline:  # noqa: ASYNC110 nothing tells when a group is empty
            await asyncio.sleep(GROUP_POLL)

    # Death

    def _watch(self) -> None:
        if self._held is not None:
            self._loop.add_reader(self._held, self._look)
        else:
            self._loop.call_later(NO_PIDFD_POLL, self._look)

    def _look(self) -> None:
        code = self._process.poll()
        if self.exited.is_set():
            return
        if code is None:
            if self._held is None:
                self._loop.call_later(NO_PIDFD_POLL, self._look)
            return
        self.code = code
        self._unwatch()
        leaders.discard(self.pid)
        self._group_lives()  # asked now, before its number can be given to others
        self.exited.set()
        self._on_exit()

    def _unwatch(self) -> None:
        if self._held is not None:
            self._loop.remove_reader(self._held)
            os.close(self._held)
            self._held = None

    # The group

    def _group_lives(self) -> bool:
        """Once empty it counts as gone for ever: its number may be given to others."""
        collect_adopted()
        if not self._group_is_gone:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                self._group_is_gone = True
            except PermissionError:
                return True
        return not self._group_is_gone

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def kill_all() -> None:
    """Kill every process that runs as a Child, with its group. Whoever waits for their ends goes on with that."""
    for pid in tuple(leaders):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _spawn(launch: Launch) -> subprocess.Popen[bytes]:
    adopt_orphans()
    guard, before_exec = _guard(limit_to_hand_on())
    try:
        process = subprocess.Popen(
            (*guard, *launch.argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=launch.directory,
            env=launch.environment,
            start_new_session=True,
            preexec_fn=before_exec,
        )
    except OSError as error:
        raise _not_started(launch.argv[0], error) from error
    leaders.add(process.pid)
    return process


def _not_started(path: str, error: OSError) -> SessionError:
    ours = isinstance(error, FileNotFoundError | PermissionError) or error.strerror == "Exec format error"
    code = "not-executable" if ours else "not-started"
    return SessionError(f"{path} could not be started: {error.strerror}.", terminal=ours, code=code)


@cache
def _guard(files: int | None) -> tuple[tuple[str, ...], Callable[[], None] | None]:
    """What makes the kernel kill a child when our thread ends, even by SIGKILL, and sets its soft limit of open files
    where `files` is given: words before argv, or a function.

    setpriv(1) and prlimit(1) replace themselves by the command: measured 0.2 ms in the loop, against 4 ms for a
    function, which makes Python copy its page tables and is frowned upon in a process with threads. Not every system
    has them, so both.
    """
    if LINUX:
        setpriv = _tool("setpriv", "--pdeathsig", "KILL")
        prlimit = () if files is None else _tool("prlimit", f"--nofile={files}:")
        words = (*setpriv, *prlimit) if setpriv and prlimit is not None else None
        if words and subprocess.run((*words, words[0], "--help"), capture_output=True).returncode == 0:
            return words, None
        return (), partial(_guard_ourselves, ctypes.CDLL(None).prctl, files)
    return (), None if files is None else partial(_limit_ourselves, files)


def _tool(name: str, *options: str) -> tuple[str, ...] | None:
    path = shutil.which(name)
    return (path, *options) if path else None


def _guard_ourselves(prctl: Callable[..., object], files: int | None) -> None:
    prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if files is not None:
        _limit_ourselves(files)


def _limit_ourselves(files: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _hold(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
