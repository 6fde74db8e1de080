"""What a server prints on standard error: drained as fast as is fair, its end kept in memory, a log file beside it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeAlias

from reconciler.model.secret import HIDDEN
from reconciler.sessions.limits import Limits
from reconciler.sessions.streams import CHUNK, Ration

Hide: TypeAlias = Callable[[str], str]

SHORTEST_SECRET = 8
LONGEST_SHOWN_LINE = 1000
LONGEST_PARTIAL = 256 * 1024
"""Bytes that wait for the end of their line; a server may print for days without one."""
WAIT = 0.1
"""Seconds in which nothing is read of who prints too much: it waits for us, and leaves the processors to others."""


class StderrDrain:
    """Reads a pipe to its end and keeps the last part. What `hide` takes out never shows. Owns the pipe."""

    def __init__(self, pipe: IO[bytes], hide: Hide, log: LogFile | None, limits: Limits) -> None:
        self._pipe = pipe
        self._descriptor = pipe.fileno()
        self._hide = hide
        self._log = log
        self._limit = limits.stderr
        self._ration = Ration(limits.stderr_per_second, limits.stderr_per_second)
        self._ring = bytearray()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._descriptor, False)
        self._go_on()

    def _go_on(self) -> None:
        if not self._pipe.closed:
            self._loop.add_reader(self._descriptor, self._read_in_turn)

    def _read_in_turn(self) -> None:
        if not self._ration.take(self.read_some(), self._loop.time()):
            self._loop.remove_reader(self._descriptor)
            self._loop.call_later(WAIT, self._go_on)

    def read_some(self) -> int:
        """Take what is there, at most one chunk, and say how many bytes it was; 0: there are none now, or ever."""
        if self._pipe.closed:
            return 0
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.close()
            return 0
        self._ring += data
        del self._ring[: max(0, len(self._ring) - self._limit)]
        if self._log:
            self._log.write(data, self._hide, self._loop.time())
        return len(data)

    @property
    def unlogged(self) -> int:
        """Bytes that the log file has not got, because there were too many at a time."""
        return self._log.unlogged if self._log else 0

    def tail(self, lines: int) -> tuple[str, ...]:
        """The last lines, decoded with replacement characters, without secrets, each at most 1000 characters."""
        shown = self._hide(self._ring.decode("utf-8", "replace")).splitlines()
        return tuple(line[:LONGEST_SHOWN_LINE] for line in shown[-lines:])

    def close(self) -> None:
        """Stop reading; what was read stays. Safe to call again."""
        if self._pipe.closed:
            return
        self._loop.remove_reader(self._descriptor)
        self._pipe.close()
        if self._log:
            self._log.flush(self._hide)


class Mask:
    """Hides known secrets in text, line by line for those of several lines; short ones would hide too much else."""

    def __init__(self, secrets: Sequence[str]) -> None:
        words = {word for secret in secrets for word in secret.splitlines() if len(word) >= SHORTEST_SECRET}
        self._words = sorted(words, key=len, reverse=True)

    def hide(self, text: str) -> str:
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return text


class LogFile:
    """A file of whole lines and its predecessor `<name>.1`. A disk that refuses is no reason to fail: lines are lost.

    The file is opened for each write, so that hundreds of quiet servers hold no descriptors.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._ration = Ration(limits.log_per_second, 4 * limits.log_per_second)
        self._partial = b""
        self._dropped = 0
        self.unlogged = 0

    def write(self, data: bytes, hide: Hide, now: float) -> None:
        """Append the whole lines in `data`; the last part waits for its end. Beyond the ration all of it is dropped."""
        if not self._ration.take(len(data), now):
            self._drop(len(data))
            return
        if self._dropped:
            self._partial = b"[%d bytes were not written here]\n" % self._dropped
            self._dropped = 0
        whole, newline, rest = (self._partial + data).rpartition(b"\n")
        self._partial = rest
        self._append(hide((whole + newline).decode("utf-8", "replace")))
        if len(rest) > LONGEST_PARTIAL:  # not written in pieces: a secret might stand across two
            self._drop(len(rest))

    def _drop(self, size: int) -> None:
        self._dropped += size
        self.unlogged += size
        self._partial = b""

    def flush(self, hide: Hide) -> None:
        """Write the part of a line that never ended, as a line: the next process begins another."""
        if self._partial:
            self._append(hide(self._partial.decode("utf-8", "replace")) + "\n")
        self._partial = b""

    def _append(self, text: str) -> None:
        if not text:
            return
        try:
            self._rotate(len(text))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(self._path, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 flags
                file.write(text)
        except OSError:
            pass

    def _rotate(self, coming: int) -> None:
        if self._path.exists() and self._path.stat().st_size + coming > self._limits.log_file:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
