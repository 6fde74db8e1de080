"""The words to start the servers of this folder, and the count of their processes. They must start in 30 ms: no SDK."""

import os
import sys
from collections.abc import Collection
from pathlib import Path

from reconciler.model.secret import Template
from reconciler.model.server import Server, Stdio, Timeouts

FOLDER = Path(__file__).parent


def argv(script: str, *arguments: str) -> tuple[str, ...]:
    """The command line of `light`, `stateless` or `evil` with its arguments."""
    return (sys.executable, "-S", "-B", str(FOLDER / f"{script}.py"), *arguments)


def rig_server(script: str, *arguments: str, start: float = 10.0, **transport: object) -> Server:
    """That server as the model has it; further fields go into its Stdio, over those that start it."""
    command, *rest = (Template((word,)) for word in argv(script, *arguments))
    stdio = Stdio(**{"command": command, "args": tuple(rest), **transport})  # type: ignore[arg-type]
    return Server(id=script, name=script, transport=stdio, timeouts=Timeouts(start=start))


def processes_owned_by(cookie: str) -> list[int]:
    """Living processes whose owner cookie starts with `cookie`, zombies not counted."""
    mark = f"\0RECONCILER_OWNER={cookie}".encode()
    return [int(entry.name) for entry in _processes() if mark in _environment(entry)]


def zombies_below_us(before: Collection[int] = ()) -> list[int]:
    """Dead children of this process that nobody has collected, but those of `before`.

    A suite that runs an engine in its own process adopts orphans, as an engine does: what another test's command left
    behind dies as a child of ours.
    """
    found = [int(entry.name) for entry in _processes() if _state_and_parent(entry) == ("Z", os.getpid())]
    return [pid for pid in found if pid not in before]


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(entry: Path) -> bytes:
    try:
        return b"\0" + (entry / "environ").read_bytes()
    except OSError:
        return b""


def _state_and_parent(entry: Path) -> tuple[str, int]:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0
    return fields[0], int(fields[1])
