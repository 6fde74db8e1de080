"""Six servers attack one engine at once, and a seventh behaves: what its callers feel of it, and what it costs us.

`python -m tests.rig.attackers [--long]` prints one line of JSON. Attackers run and are stopped (SIGSTOP) in turn, and
calls of the neighbour are timed in both states. It ends with 1 when a promise was missed: under attack the p99 of calls
is within three times that of the quiet turns, all calls of the run taken together, our memory grows by 32 MiB at most,
each attacker has its reason in status. In the first turn the attackers have only begun, and share the processors.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reconciler.engine.change import Consent, apply_file
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.engine.status import server_status
from reconciler.gate.gate import Principal
from reconciler.sessions import remote  # loaded before anything is weighed
from reconciler.store.sources import Sources
from tests.rig.evil_http import Connection, EvilHttp, Request, mcp
from tests.rig.meter import Reading, metered, paced, percentile
from tests.rig.starting import argv, processes_owned_by
from tests.waiting import come_true

OWNER = Principal("owner", "owner")
MIB = 1024
MOST_GROWN = 32 * MIB
MOST_RATIO = 3.0
ENDLESS = str(1 << 40)
BOMB = 64 << 20
BY_STDIO = {
    "flood": ("flood", ENDLESS),
    "no-text": ("noise", "1000"),
    "stderr": ("stderr", ENDLESS),
    "storm": ("storm",),
}
WORDS = {
    "flood": "a line of more than",
    "no-text": "no JSON-RPC",
    "stderr": "on standard error",
    "storm": "its lists changed",
    "drip": "did not answer the handshake within",
    "bomb": "exceeds 4194304 bytes",
}
"""What each attacker's reason has in it."""


@dataclass
class Result:
    """Seconds are milliseconds here; one entry for each turn."""

    turns: int
    calls: int
    quiet_p50: list[float] = field(default_factory=list)
    quiet_p99: list[float] = field(default_factory=list)
    attacked_p50: list[float] = field(default_factory=list)
    attacked_p99: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    ratio: float = 0.0
    """Of the p99 of all calls under attack to that of all quiet ones."""
    lag_p99: float = 0.0
    grown_kib: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The attackers whose reason is not said."""
        return [name for name, words in WORDS.items() if words not in self.reasons.get(name, "")]

    @property
    def kept(self) -> bool:
        """Whether all was as promised."""
        return not self.missing and self.grown_kib <= MOST_GROWN and self.ratio <= MOST_RATIO


# The attackers over HTTP, in a process of their own


async def _serve() -> None:
    async with EvilHttp(_drips) as drip, EvilHttp(mcp(**{"tools/list": _bomb()})) as bomb:
        print(json.dumps({"drip": drip.url, "bomb": bomb.url}), flush=True)
        await asyncio.Event().wait()


async def _drips(request: Request, connection: Connection) -> None:
    await connection.head(200, {"content-type": "application/json", "content-length": "1000000"})
    await connection.drip(b" ", 0.005)


def _bomb() -> Any:
    packed = gzip.compress(bytes(BOMB))

    async def explode(request: Request, connection: Connection) -> None:
        await connection.answer(200, packed, {"content-encoding": "gzip"})

    return explode


@contextmanager
def attackers_over_http() -> Iterator[tuple[int, dict[str, str]]]:
    """Their process and their addresses."""
    words = [sys.executable, "-m", "tests.rig.attackers", "--serve"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.pid, json.loads(process.stdout.readline())
        finally:
            process.kill()


# The engine


@asynccontextmanager
async def hosted(folder: Path, servers: dict[str, Any]) -> AsyncIterator[Project]:
    """Nothing is applied yet."""
    host = Host()
    file = folder / "reconciler.yaml"
    _write(file, servers)
    project = await host.add(Sources(file, (), folder), folder / "state")
    try:
        yield project
    finally:
        await asyncio.shield(host.stop())


def _write(file: Path, servers: dict[str, Any]) -> None:
    file.write_text(json.dumps({"version": 1, "mcpServers": servers}), encoding="utf-8")


def _command(script: str, *arguments: str) -> dict[str, Any]:
    command, *rest = argv(script, *arguments)
    return {"command": command, "args": rest}


def reason_of(project: Project, server: str) -> str:
    """What status says of it, in one line."""
    row = server_status(project, server)
    remarks = [each["message"] for each in row["conditions"] if each["status"] == "False" and each["message"]]
    return " | ".join([row["reason"] or "", *remarks])


class Attack:
    """The attackers' processes: those that the engine started, and the one over HTTP."""

    def __init__(self, cookie: str, over_http: int) -> None:
        self._cookie = cookie
        self._over_http = over_http
        self._spared: set[int] = set()

    def spare(self) -> None:
        """Whoever runs now is the neighbour."""
        self._spared = {*processes_owned_by(self._cookie)}

    def send(self, number: signal.Signals) -> None:
        for pid in {self._over_http, *processes_owned_by(self._cookie)} - self._spared:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


async def six(turns: int, calls: int) -> Result:
    """So many turns, each with so many calls in either state."""
    result = Result(turns, calls)
    with tempfile.TemporaryDirectory() as place, attackers_over_http() as (pid, urls):
        folder = Path(place)
        neighbour = {"neighbour": _command("light")}
        async with hosted(folder, neighbour) as project:
            attack = Attack(project.opening.cookie, pid)
            await apply_file(project, Consent("rig", None), lambda _: None)

            async def call() -> None:
                await project.gate.call(OWNER, "neighbour", "echo", {"text": "hi"})

            await paced(call, calls)
            attack.spare()
            async with metered() as reading:
                attacking = await _attacked(project, folder, neighbour, urls)
                taken = [await _turn(result, attack, call, reading) for _ in range(turns)]
                quiet, attacked = ([each for turn in taken for each in turn[way]] for way in (0, 1))
                result.ratio = round(percentile(attacked, 0.99) / percentile(quiet, 0.99), 2)
                result.reasons = await _reasons(project)
                attack.send(signal.SIGKILL)
                attacking.cancel()
                await asyncio.gather(attacking, return_exceptions=True)
            result.grown_kib = reading.grown
    return result


async def _attacked(
    project: Project, folder: Path, neighbour: dict[str, Any], urls: dict[str, str]
) -> asyncio.Task[Any]:
    """All six are there; the one that applies waits for them all, which takes as long as they like."""
    over_http = {name: {"type": "http", "url": url, "timeouts": {"start": "2s"}} for name, url in urls.items()}
    by_stdio = {name: _command("evil", *words) for name, words in BY_STDIO.items()}
    _write(folder / "reconciler.yaml", neighbour | by_stdio | over_http)
    applying = asyncio.create_task(apply_file(project, Consent("rig", None), lambda _: None))
    await come_true(lambda: len(project.ledger.document.servers) == 7, 30)
    return applying


async def _turn(result: Result, attack: Attack, call: Any, reading: Reading) -> tuple[list[float], list[float]]:
    """The seconds of the quiet calls, and of those under attack."""
    attack.send(signal.SIGSTOP)
    quiet = await paced(call, result.calls)
    attack.send(signal.SIGCONT)
    lags = len(reading.lags)
    attacked = await paced(call, result.calls)
    result.quiet_p50.append(_ms(percentile(quiet, 0.5)))
    result.quiet_p99.append(_ms(percentile(quiet, 0.99)))
    result.attacked_p50.append(_ms(percentile(attacked, 0.5)))
    result.attacked_p99.append(_ms(percentile(attacked, 0.99)))
    result.ratios.append(round(percentile(attacked, 0.99) / percentile(quiet, 0.99), 2))
    result.lag_p99 = max(result.lag_p99, _ms(percentile(reading.lags[lags:], 0.99)))
    return quiet, attacked


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


async def _reasons(project: Project) -> dict[str, str]:
    """What status says of each attacker, as soon as it says it."""
    said: dict[str, str] = {}

    def all_said() -> bool:
        for name, words in WORDS.items():
            now = reason_of(project, name)
            if words not in said.get(name, ""):
                said[name] = now
        return all(words in said[name] for name, words in WORDS.items())

    with suppress(TimeoutError):
        await come_true(all_said, 15)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve())
    assert remote
    result = asyncio.run(six(*((5, 500) if given.long else (3, 100))))
    print(json.dumps(asdict(result) | {"missing": result.missing, "kept": result.kept}), flush=True)
    sys.exit(0 if result.kept else 1)


if __name__ == "__main__":
    main()
