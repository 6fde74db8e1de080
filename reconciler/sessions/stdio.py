"""A session with a server on standard input and output: launch, greet, watch, end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio

from reconciler.model.server import Server, Stdio
from reconciler.sessions.child import HASTY, PATIENT, Child, Patience
from reconciler.sessions.framer import LineTooLong
from reconciler.sessions.handshake import greet
from reconciler.sessions.launch import Launch, prepare
from reconciler.sessions.limits import LIMITS, Limits
from reconciler.sessions.orphans import sweep
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.questions import Answer
from reconciler.sessions.session import (
    STARTED,
    DeadlineExceeded,
    End,
    Era,
    Notify,
    Resolve,
    SessionError,
    StartFailed,
)
from reconciler.sessions.stderr import LogFile, Mask, StderrDrain
from reconciler.sessions.streams import LineReader, LineWriter
from reconciler.sessions.subscriptions import follow_changes

__all__ = ["StdioSession", "open_stdio", "sweep"]

LAST_OUTPUT = 0.25
"""Seconds for what the dead have written, when something else writes into the same pipe without end; for the death of
those that close their output first."""
LAST_WORDS = 16
"""Chunks of standard error read at an end: more than any pipe holds, less than another writer can go on for."""
LONGEST_PATIENCE = 3.0
NOT_FOUND_BY_A_SHELL = (126, 127)


class StdioSession(PipeSession):
    """A PipeSession whose other end is a process of ours. `missing` are the forwarded names that were unset.

    `hide` takes the secrets that the process was given out of a text.
    """

    pid: int

    def __init__(
        self, launch: Launch, on_notification: Notify, *, answer: Answer | None, log: LogFile | None, limits: Limits
    ) -> None:
        self._child = Child(launch, self._died)
        self._writer = LineWriter(self._child.stdin, self._broke, limits)
        self.hide = Mask(launch.secrets).hide
        super().__init__(self._writer, on_notification, answer=answer, hide=self.hide, limits=limits)
        self.pid = self._child.pid
        self.missing = launch.missing
        self._stderr = StderrDrain(self._child.stderr, self.hide, log, limits)
        self._reader = LineReader(self._child.stdout, self.feed, self._fell_silent, limits)
        self._silent = False

    def stderr_tail(self, lines: int = 20) -> tuple[str, ...]:
        """The last lines that it printed on standard error."""
        return self._stderr.tail(lines)

    @property
    def unlogged(self) -> int:
        """Bytes of standard error that are not in its log file."""
        return self._stderr.unlogged

    @property
    def flooding(self) -> bool:
        """See LineReader.flooding."""
        return self._reader.flooding

    async def close(self, patience: Patience) -> None:
        """End the process and everything it started. Goes through even when the caller is cancelled meanwhile."""
        ending = asyncio.ensure_future(self._close(patience))
        with anyio.CancelScope(shield=True):
            await asyncio.shield(ending)

    async def _close(self, patience: Patience) -> None:
        self.finish(End("The session was closed."), "closed")
        try:
            self._writer.close()
            await self._child.end(patience)
        finally:
            self._reader.close()
            self._stderr.close()

    # Ways to end. First whatever comes first, then a moment for the rest of the truth

    def _died(self) -> None:
        if self._silent:
            self._conclude()
        else:
            self._loop.call_later(LAST_OUTPUT, self._conclude)
            self._reader.read_out()

    def _fell_silent(self, error: LineTooLong | None) -> None:
        self._silent = True
        if error:
            limit = self._limits.line
            self.finish(self._end(f"It sent a line of more than {limit} bytes.", ours=True), "message-too-large")
        elif self._child.code is not None:
            self._conclude()
        else:
            self._loop.call_later(LAST_OUTPUT, self._conclude)

    def _broke(self) -> None:
        self._loop.call_later(LAST_OUTPUT, self._conclude, "It closed its input but did not exit.")

    def _conclude(self, alive: str = "It closed its output but did not exit.") -> None:
        if not self.end:
            code = self._child.code
            self.finish(self._end(alive if code is None else _fate(code)))

    def _end(self, reason: str, *, ours: bool = False) -> End:
        for _ in range(LAST_WORDS):
            if not self._stderr.read_some():
                break
        terminal = self._child.code in NOT_FOUND_BY_A_SHELL and not hasattr(self, "handshake")
        return End(reason, self._child.code, self.stderr_tail(), terminal=terminal, ours=ours)


def _fate(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"It was ended by {signal.Signals(-code).name}."
        return f"It was ended by signal {-code}."
    if code in NOT_FOUND_BY_A_SHELL:
        return f"It exited with status {code}, as when a command is not found or not executable."
    return f"It exited with status {code}."


@asynccontextmanager
async def open_stdio(
    server: Server,
    resolve: Resolve,
    on_notification: Notify,
    *,
    workspace: str,
    cookie: str,
    instance: str,
    log_path: Path | None = None,
    era: Era | None = None,
    environment: Mapping[str, str] | None = None,
    answer: Answer | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[StdioSession]:
    """Start the server's process and shake hands; leave with nothing of it left behind.

    `workspace` is the file's directory; `cookie` names the state directory and with `instance` marks every process of
    this start, for `sweep(f"{cookie}:")`; `environment` is ours (os.environ); `era` what this server spoke last time.
    `answer` replies to the server's own requests. Call from the main thread: the kernel ends the child with the thread.
    Raises SessionError. Code "exited-on-probe" means: it died before it said anything, try once with era="handshake".
    """
    if not isinstance(server.transport, Stdio):
        raise TypeError(f"{server.id} is no stdio server")
    ours = os.environ if environment is None else environment
    launch = prepare(server.transport, resolve, workspace=workspace, environment=ours, owner=f"{cookie}:{instance}")
    log = LogFile(log_path, limits) if log_path else None
    session = StdioSession(launch, on_notification, answer=answer, log=log, limits=limits)
    del launch, ours, environment  # as long as the session lives, they would too
    on_notification(STARTED, {"pid": session.pid, "stderr": session.stderr_tail})
    try:
        await _start(session, era, server.timeouts.start)
    except BaseException:
        await session.close(HASTY)
        raise
    following = asyncio.ensure_future(follow_changes(session, on_notification))
    try:
        yield session
    finally:
        following.cancel()
        await session.close(PATIENT)


async def _start(session: StdioSession, era: Era | None, seconds: float) -> None:
    """Greet it within the deadline; what went wrong is told with the process's end and last words."""
    try:
        async with asyncio.timeout(seconds):
            await greet(session, era=era, patience=min(LONGEST_PATIENCE, seconds / 3))
    except TimeoutError:
        late = DeadlineExceeded(f"It did not complete the handshake within {seconds:g} s.")
        raise StartFailed(late, End(str(late), stderr=session.stderr_tail())) from None
    except SessionError as error:
        shown = session.hide(str(error))
        end = session.end or End(shown, stderr=session.stderr_tail(), terminal=error.terminal)
        mute = end.code is not None and era is None and not end.terminal and not session.spoke
        code = "exited-on-probe" if mute else "command-not-found" if end.code == 127 else error.code
        raise StartFailed(SessionError(shown, terminal=error.terminal, code=code), end) from error
