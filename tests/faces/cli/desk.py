"""The command line as a person has it: in this process where that is enough, in one of its own, and at a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.faces.cli.main import run
from tests.engine.desk import light

COMMAND = [sys.executable, "-m", "reconciler"]
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Desk:
    """A directory with a file and a state of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.file = folder / "reconciler.yaml"
        self._capsys = capsys

    def write(self, servers: Mapping[str, Any], **settings: Any) -> None:
        """Save the file as an editor does: whole, over the old one."""
        saved = self.file.with_suffix(".new")
        document = {"version": 1, "project": "desk", **settings, "mcpServers": servers}
        saved.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        saved.replace(self.file)

    def run(self, *arguments: str) -> Done:
        """A command in this process."""
        self._capsys.readouterr()
        exit_code = run(arguments)
        return Done(exit_code, *self._capsys.readouterr())

    @contextmanager
    def spawn(self, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """A command in a process of its own, whose output is read here; it is killed when it takes too long."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [*COMMAND, *arguments]
        with subprocess.Popen(command, cwd=self.folder, text=True, encoding="utf-8", **streams) as process:
            deadline = threading.Timer(SECONDS, process.kill)
            deadline.start()
            try:
                yield process
            finally:
                deadline.cancel()
                deadline.join()

    @staticmethod
    def spawn_command(*arguments: str) -> list[str]:
        """The command as a process; Python writes no compiled modules meanwhile."""
        return [COMMAND[0], "-B", *COMMAND[1:], *arguments]

    def process(self, *arguments: str, **options: Any) -> Done:
        """The same, waited for."""
        with self.spawn(*arguments, **options) as process:
            out, err = process.communicate(timeout=SECONDS)
        return Done(process.returncode, out, err)

    def typed(self, answer: str, *arguments: str) -> Done:
        """A command at a terminal, where somebody types `answer`; standard output goes elsewhere."""
        person, terminal = pty.openpty()
        try:
            os.write(person, answer.encode())
            with self.spawn(*arguments, stdin=terminal, stderr=terminal) as process:
                os.close(terminal)
                said = b"".join(_read(person))
                out = process.communicate(timeout=SECONDS)[0]
        finally:
            os.close(person)
        return Done(process.returncode, out, said.decode())

    @contextmanager
    def applied(self, servers: Mapping[str, Any], **settings: Any) -> Iterator[Done]:
        """With an engine in the background that holds these servers; it is ended on the way out."""
        self.write(servers, **settings)
        try:
            yield self.process("apply", "--auto-approve")
        finally:
            stopped = self.process("stop")
            assert stopped.exit == 0, stopped.err


def _read(person: int) -> Iterator[bytes]:
    """What the terminal shows, until nobody holds its other end."""
    while True:
        try:
            data = os.read(person, 65536)
        except OSError:  # Linux: EIO at the end
            return
        if not data:
            return
        yield data


__all__ = ["Desk", "Done", "light"]
