"""The gateways that are compared: the raw baseline, ours with every duty on, and peers from the package index."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.commands import COMMAND
from benchmarks.plain import argv
from benchmarks.raw_gateway import PREFIX

_PATIENCE = 30.0
PEERS = {"mcp-proxy": ["mcp-proxy"], "mcpo": ["mcpo", "mcp<2", "fastapi<0.125"], "fastmcp": ["fastmcp"]}
"""Their names, and what is installed for them: mcpo needs older libraries than it says."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that listens on loopback, with one light server behind it, and how it is asked (see `load`)."""

    name: str
    port: int
    pid: int
    dialect: str
    path: str
    tool: str
    token: str | None = None

    def job(self, size: int, connections: int, calls: int, seconds: float) -> dict[str, Any]:
        """A job for `load`."""
        return {
            "port": self.port,
            "path": self.path,
            "token": self.token,
            "dialect": self.dialect,
            "tool": self.tool,
            "bytes": size,
            "connections": connections,
            "calls": calls,
            "seconds": seconds,
        }


class NotThere(Exception):
    """A gateway that does not start here; the message says why."""


@contextmanager
def raw(loop: str) -> Iterator[Gateway]:
    """The baseline on one of two event loops."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.raw_gateway", str(port), loop]
    with running(command, port) as pid:
        yield Gateway(f"raw gateway, {loop}", port, pid, "handshake", "/mcp", f"{PREFIX}echo")


@contextmanager
def ours(folder: Path, file: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Ours, for clients of both eras: bearer token, gate (`requireApproval: false`), lock (`enforce`)."""
    port, where = free_port(), ["--state-dir", str(folder / "state"), "-f", str(file)]
    tell(["watch", "--detach", "--auto-approve", "--listen", f"127.0.0.1:{port}", *where])
    try:
        tell(["lock", *where])
        token = tell(["token", "show", "--role", "client", *where]).strip()
        report = json.loads(tell(["status", "-o", "json", *where]))
        assert [row["status"] for row in report["servers"]] == ["connected"], report
        facts = (port, report["engine"]["pid"])
        yield (
            Gateway("ours, handshake era", *facts, "handshake", "/mcp", f"{PREFIX}echo", token),
            Gateway("ours, stateless era", *facts, "stateless", "/mcp", f"{PREFIX}echo", token),
        )
    finally:
        tell(["stop", *where])


def written() -> dict[str, Any]:
    """Our file, as JSON: one light server."""
    command, *arguments = argv("light-0")
    server = {"command": command, "args": arguments, "requireApproval": False}
    return {"version": 1, "lock": "enforce", "mcpServers": {"light-0": server}}


@contextmanager
def peer(name: str, folder: Path) -> Iterator[Gateway]:
    """A gateway from the package index, in an environment of its own below `folder`. Raises NotThere."""
    program = _installed(name, folder)
    port, server = free_port(), argv("light-0")
    config = folder / f"{name}.json"
    config.write_text(json.dumps({"mcpServers": {"light-0": {"command": server[0], "args": server[1:]}}}))
    commands = {
        "mcp-proxy": [program, "--port", str(port), "--log-level", "ERROR", "--", *server],
        "mcpo": [program, "--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR", "--", *server],
        "fastmcp": [
            *(program, "run", str(config), "--transport", "http", "--port", str(port)),
            *("--no-banner", "--log-level", "ERROR", "--skip-env"),
        ],
    }
    dialects = {
        "mcp-proxy": ("handshake", "/mcp", "echo"),
        "mcpo": ("rest", "/echo", "echo"),
        "fastmcp": ("handshake", "/mcp", "echo"),
    }
    with running(commands[name], port) as pid:
        yield Gateway(f"{name} {_version(name, folder)}", port, pid, *dialects[name])


def peers(folder: Path, open_ones: ExitStack) -> Iterator[Gateway]:
    """Those that start here; a line says which do not, and why."""
    for name in PEERS:
        try:
            yield open_ones.enter_context(peer(name, folder))
        except NotThere as error:
            print(f"{name} is left out: {error}", flush=True)


def _installed(name: str, folder: Path) -> str:
    """The program of a package, in a fresh environment unless `folder` has one already."""
    home = folder / name
    program = home / "bin" / name
    if not program.exists():
        quiet: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
        subprocess.run([sys.executable, "-m", "venv", str(home)], **quiet)
        done = subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", *PEERS[name]], timeout=600, **quiet)
        if not program.exists():
            shutil.rmtree(home, ignore_errors=True)
            raise NotThere(f"it cannot be installed: {(done.stderr.strip().splitlines() or ['pip says nothing'])[-1]}")
    return str(program)


def _version(name: str, folder: Path) -> str:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    command = [str(folder / name / "bin" / "python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[int]:
    """A process that listens on `port`: its id. Raises NotThere."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            _wait_for(process, port)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    over = time.monotonic() + _PATIENCE
    while time.monotonic() < over and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise NotThere("it does not listen" if process.poll() is None else f"it ended with {process.returncode}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tell(arguments: Sequence[str]) -> str:
    """What a command of ours prints."""
    done = subprocess.run([str(COMMAND), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"reconciler {' '.join(arguments)}: {done.stderr}")
    return done.stdout
