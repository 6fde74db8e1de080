"""Where the watch for the marked secret listens: outputs, answers, command lines, databases. Put in place by a plugin.

Everything a test takes for itself is heard on its way: what its processes print and what it reads of that, what the
command line says, every byte that a listener of ours in this process sends (but on loops that are not asyncio's own),
the arguments of every process, also of processes of processes while they run, and a database as it is before it closes.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import subprocess
import sys
import threading
from asyncio import selector_events, sslproto
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import anyio
import click.testing
import pytest

SCAN_SECONDS = 0.05
MARK = "CANARY_WATCH"
"""An environment variable by which processes are known as ours whose parents are gone."""

_LONGEST_FORM = 512
"""Bytes of the end of one write that are looked at again with the next."""
_END = "_canary_end"


class Watch(Protocol):
    """Who is told what was heard. `kind` is one word; `place` is for people."""

    def hear(self, kind: str, data: bytes | str | None, place: str | None = None) -> None: ...


def listen(watch: Watch, patch: pytest.MonkeyPatch) -> CommandLines:
    """Have `watch` hear everything from now on, until `patch` is undone and the answer is stopped."""
    _hear_outputs(watch, patch)
    _hear_pipes(watch, patch)
    _hear_answers(watch, patch)
    _hear_databases(watch, patch)
    return CommandLines(watch, patch)


def _hear_outputs(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """What processes and commands came to, taken whole."""
    communicate, invoke = subprocess.Popen.communicate, click.testing.CliRunner.invoke
    read, run = pytest.CaptureFixture.readouterr, anyio.run_process

    def heard(stdout: Any, stderr: Any) -> None:
        watch.hear("stdout", stdout)
        watch.hear("stderr", stderr)

    def heard_communicate(process: Any, *args: Any, **kwargs: Any) -> Any:
        result = communicate(process, *args, **kwargs)
        heard(*result)
        return result

    def heard_read(capture: Any) -> Any:
        result = read(capture)
        heard(*result)
        return result

    def heard_invoke(runner: Any, *args: Any, **kwargs: Any) -> Any:
        result = invoke(runner, *args, **kwargs)
        heard(result.stdout, result.stderr)
        return result

    async def heard_run(*args: Any, **kwargs: Any) -> Any:
        result = await run(*args, **kwargs)
        heard(result.stdout, result.stderr)
        return result

    patch.setattr(subprocess.Popen, "communicate", heard_communicate)
    patch.setattr(pytest.CaptureFixture, "readouterr", heard_read)
    patch.setattr(click.testing.CliRunner, "invoke", heard_invoke)
    patch.setattr(anyio, "run_process", heard_run)


# Pipes that are read piece by piece


class _Heard:
    """A pipe of a process, as the one it stands for; what is read of it is heard."""

    def __init__(self, stream: Any, kind: str, watch: Watch) -> None:
        self._stream = stream
        self._kind = kind
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._stream, name)
        if name not in ("read", "read1", "readline", "readlines"):
            return found

        def reading(*args: Any) -> Any:
            data = found(*args)
            for each in data if isinstance(data, list) else [data]:
                self._watch.hear(self._kind, each)
            return data

        return reading

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        line = next(self._stream)
        self._watch.hear(self._kind, line)
        return line

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _hear_pipes(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """What a test reads of its processes. What the product reads of servers is theirs to say."""
    begin, receive = subprocess.Popen.__init__, asyncio.subprocess.SubprocessStreamProtocol.pipe_data_received

    def heard_begin(process: Any, args: Any, *others: Any, **options: Any) -> None:
        words = [args] if isinstance(args, str | bytes | os.PathLike) else list(args)
        for word in words:
            watch.hear("argument", os.fsencode(word), "the arguments of a process")
        begin(process, args, *others, **options)
        if not str(sys._getframe(1).f_globals.get("__name__")).startswith(("reconciler.", "asyncio.")):
            for kind in ("stdout", "stderr"):
                if (stream := getattr(process, kind)) is not None:
                    setattr(process, kind, _Heard(stream, kind, watch))

    def heard_receive(protocol: Any, descriptor: int, data: bytes) -> None:
        watch.hear("stdout" if descriptor == 1 else "stderr", data)
        receive(protocol, descriptor, data)

    patch.setattr(subprocess.Popen, "__init__", heard_begin)
    patch.setattr(asyncio.subprocess.SubprocessStreamProtocol, "pipe_data_received", heard_receive)


# Answers of our listeners


def _hear_answers(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """Whatever a protocol of ours writes, on a socket or into TLS."""
    for transport, protocol_of in (
        (vars(selector_events)["_SelectorSocketTransport"], lambda transport: transport._protocol),
        (sslproto._SSLProtocolTransport, lambda transport: transport._ssl_protocol._app_protocol),
    ):
        for name in ("write", "writelines"):
            patch.setattr(transport, name, _heard_write(watch, getattr(transport, name), name, protocol_of))


def _heard_write(watch: Watch, write: Callable[..., Any], name: str, protocol_of: Callable[[Any], Any]) -> Any:
    def heard(transport: Any, data: Any) -> None:
        if type(protocol_of(transport)).__module__.startswith("reconciler.faces."):
            if name == "writelines":
                data = list(data)
            new = b"".join(data) if name == "writelines" else bytes(data)
            whole = getattr(transport, _END, b"") + new
            watch.hear("http", whole, "an answer over HTTP")
            setattr(transport, _END, whole[-_LONGEST_FORM:])
        write(transport, data)

    return heard


# Databases


def _hear_databases(watch: Watch, patch: pytest.MonkeyPatch) -> None:
    """A database and its log, as they are before it is closed: closing tidies away what was in them."""
    connect = sqlite3.connect

    class Heard(sqlite3.Connection):
        path: Path | None = None

        def close(self) -> None:
            for end in ("", "-wal", "-journal"):
                with suppress(OSError):
                    path = Path(f"{self.path}{end}")
                    watch.hear(path.name, path.read_bytes(), f"database {path.name}")
            super().close()

    def heard_connect(database: Any, *args: Any, **options: Any) -> Any:
        made = connect(database, *args, **{"factory": Heard, **options})
        if isinstance(made, Heard) and isinstance(database, str | os.PathLike):
            made.path = Path(database)
        return made

    patch.setattr(sqlite3, "connect", heard_connect)


# Command lines


class CommandLines:
    """The command lines of this process's processes, of their processes, and of what these left behind."""

    def __init__(self, watch: Watch, patch: pytest.MonkeyPatch) -> None:
        self._watch = watch
        self._mark = secrets.token_hex(8)
        patch.setenv(MARK, self._mark)
        self._ours: dict[str, bool] = {str(os.getpid()): True}
        self._lines: dict[str, bytes] = {}
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look again and again, beside the tests."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="command lines", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """At all there are now. A process that is known is looked at again: it may have become another program.

        What was heard of it is not heard again: the test that started it is the one that fails.
        """
        with self._guard:
            there = [entry for entry in _listing("/proc") if entry.isdigit()]
            self._ours = {pid: self._ours[pid] for pid in there if pid in self._ours}
            self._lines = {pid: self._lines[pid] for pid in there if pid in self._lines}
            for pid in there:
                if pid not in self._ours:
                    self._ours[pid] = self._is_ours(pid)
                line = _read(f"/proc/{pid}/cmdline") if self._ours[pid] and pid != str(os.getpid()) else None
                if line and line != self._lines.get(pid):
                    self._lines[pid] = line
                    self._watch.hear("argument", line, "/proc/*/cmdline")

    def _is_ours(self, pid: str) -> bool:
        """Of a parent that is ours, or with our mark in its environment."""
        facts = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if len(facts) > 1 and self._ours.get(facts[1].decode()):
            return True
        return f"{MARK}={self._mark}".encode() in _read(f"/proc/{pid}/environ")

    def _run(self) -> None:
        while not self._over.wait(SCAN_SECONDS):
            self.look()


def _listing(folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)  # noqa: PTH208  # names alone, twenty times a second
    return []


def _read(path: str) -> bytes:
    with suppress(OSError):
        return Path(path).read_bytes()
    return b""
