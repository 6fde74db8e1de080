"""The baseline of sessions: asyncio's own subprocess, lines of JSON, and no duty at all. Standard library only.

It starts a server, greets it, lists its tools and asks; nothing is checked, nothing has a deadline, nobody is watched.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("server.py")
GREETING = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "plain", "version": "0"},
}


def argv(name: str, version: str = "1") -> list[str]:
    """The command line of a light server."""
    return [sys.executable, "-I", "-S", "-u", str(SERVER), name, version]


class Plain:
    """One light server and the pipes to it; one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self.process, self._in, self._out = process, process.stdin, process.stdout
        self._number = 0

    @classmethod
    async def start(cls, name: str, version: str = "1") -> Plain:
        """Start it, greet it, list its tools."""
        pipe = asyncio.subprocess.PIPE
        plain = cls(await asyncio.create_subprocess_exec(*argv(name, version), stdin=pipe, stdout=pipe))
        await plain.ask("initialize", GREETING)
        plain._in.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        await plain.ask("tools/list", {})
        return plain

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self._in.write(json.dumps(message).encode() + b"\n")
        return json.loads(await self._out.readline())["result"]

    async def stop(self) -> None:
        self._in.close()
        await self.process.wait()


@contextmanager
def standing(size: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that loaded asyncio, started so many servers at once and lists their tools; they are there
    when this is entered."""
    code = f"import asyncio; from benchmarks.plain import stand; asyncio.run(stand({size}))"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.communicate(b"\n")


async def stand(size: int) -> None:
    """What that process does: it says when all are there, and ends them with its input."""
    sessions = await asyncio.gather(*(Plain.start(f"plain-{number}") for number in range(size)))
    print("up", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(session.stop() for session in sessions))
