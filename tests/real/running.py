"""A real engine as a user has one: started by the command, in a folder of its own, reached over TCP with a token."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.rig.starting import processes_owned_by

RECONCILER = [sys.executable, "-m", "reconciler"]
CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


@dataclass(frozen=True)
class Engine:
    """The folder has reconciler.yaml; `port` is where it listens."""

    folder: Path
    port: int

    @cached_property
    def token(self) -> str:
        """The local token of role client."""
        return self.run("token", "show", "--role", "client").stdout.strip()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bridge(self) -> list[str]:
        """The command that speaks MCP on stdin and stdout."""
        return [*RECONCILER, "bridge", "-f", str(self.folder / "reconciler.yaml"), "--state-dir", self._state]

    @property
    def _state(self) -> str:
        return str(self.folder / "state")

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "NO_COLOR": "1",
            "RECONCILER_LISTEN": f"127.0.0.1:{self.port}",
            "PYTHONPATH": str(CHECKOUT),
        }

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ours. Raises RuntimeError when it fails."""
        words = [*RECONCILER, command, "--state-dir", self._state, *arguments]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS + 60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def ask(self, command: str, *arguments: str) -> Any:
        """What a command answers as JSON."""
        return json.loads(self.run(command, *arguments, "-o", "json").stdout)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def engine(folder: Path, servers: Mapping[str, Any], **settings: Any) -> Iterator[Engine]:
    """An engine with these servers connected, no call of which asks; ended with everything it started.

    Raises RuntimeError when one of them does not come up.
    """
    defaults = {"requireApproval": False, **settings.pop("defaults", {})}
    document = {"version": 1, "defaults": defaults, **settings, "mcpServers": dict(servers)}
    (folder / "reconciler.yaml").write_text(json.dumps(document, indent=1), encoding="utf-8")
    running = Engine(folder, free_port())
    try:
        running.run("apply", "--auto-approve", "--wait", str(START_SECONDS))
        yield running
    finally:
        running.run("stop")
        left = [pid for state in (folder / "state").glob("*") for pid in processes_owned_by(state.name)]
        if left:
            raise RuntimeError(f"left behind: {left}")


def python(module: str, *arguments: str) -> dict[str, Any]:
    """A written server: a module of the checkout as a program."""
    return {"command": sys.executable, "args": ["-m", module, *arguments], "env": {"PYTHONPATH": str(CHECKOUT)}}


def rig(script: str, *arguments: str) -> dict[str, Any]:
    """A written server: one of tests/rig."""
    words: Sequence[str] = ("-S", "-B", str(CHECKOUT / "tests" / "rig" / f"{script}.py"), *arguments)
    return {"command": sys.executable, "args": list(words)}
