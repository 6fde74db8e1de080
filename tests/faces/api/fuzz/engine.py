"""An engine in a process of its own, for a campaign against it: `python -m tests.faces.api.fuzz.engine FOLDER`.

It says where it listens and hands out a token of each role, one line of JSON, and lasts until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.faces.http import access
from reconciler.store.tokens import ROLES
from tests.engine.desk import light
from tests.faces.cli.hosted import hosted

ROOT = Path(__file__).parents[4]
CALLED = "one"
"""A server that is there to be called."""
SERVERS: dict[str, Any] = {
    CALLED: light(CALLED, requireApproval=False, required=True),
    "two": light("two", group="dev", description="Calls of its tools ask."),
    "off": light("off", enabled=False),
    "gone": {"command": "/nowhere/at/all", "timeouts": {"start": "1s"}},
}


@dataclass(frozen=True)
class Engine:
    """One that runs, and a program that must not."""

    url: str
    tokens: dict[str, str]
    trap: Path

    @property
    def sprung(self) -> bool:
        """Whether the program ran."""
        return self.trap.with_suffix(".ran").exists()


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """A fresh one in a folder, ended on the way out."""
    trap = folder / "trap"
    trap.write_text(f"#!/bin/sh\n: >>'{trap.with_suffix('.ran')}'\n", encoding="utf-8")
    trap.chmod(0o700)
    command = [sys.executable, "-m", __name__, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        yield Engine(**json.loads(process.stdout.readline()), trap=trap)
        process.stdin.close()
        assert process.wait(30) == 0


async def main(folder: Path) -> None:
    """In a process of its own, where it may: a campaign shows many wrong tokens, and is not to be slowed down by it."""
    access.FAILURES = 10**9
    async with hosted(folder, SERVERS) as at:
        applied = await at.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 5})
        assert applied.status == 200, applied.body
        said = {"url": at.host.facts.url, "tokens": {role: at.token(role) for role in ROLES}}
        print(json.dumps(said), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
