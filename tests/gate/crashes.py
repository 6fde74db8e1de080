"""An engine's gate in a process of its own, killed with SIGKILL again and again: nothing runs twice, no yes is lost.

`python -m tests.gate.crashes [KILLS] [SEED]`: ends with 1 when something is not as it must be.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.gate.approvals import Decision
from reconciler.gate.principal import Refused
from reconciler.gate.showing import META
from reconciler.sessions.session import Progress
from tests.gate.desk import CLIENT, NONE, SECONDS, Desk, desk

ROOT = Path(__file__).parents[2]
YES, NO = Decision(True, "me"), Decision(False, "me")


class Tallying(Desk):
    """Its servers write down what reaches them, on the disk, before they answer."""

    async def arrived(
        self, server: str, params: Mapping[str, Any], timeout: float, on_progress: Progress | None
    ) -> dict[str, Any]:
        write_line(self.path.with_name("tally"), str(params["arguments"]["number"]))
        await asyncio.sleep(0.003)  # a while in which only the server knows
        return {"content": []}


def write_line(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{line}\n".encode())
    os.fsync(file)
    os.close(file)


async def live(folder: Path, first: int) -> None:
    """What the process does until it is killed: take up what is there, then call, answer, run; it tells each step."""
    async with desk(folder, kind=Tallying, patience=NONE) as at:
        await at.approvals.start()
        say("up", 0)
        for row in await at.approvals.listed("allowed", "unknown"):
            number = int(row.arguments.split(":")[1].rstrip("}"))
            if row.state == "unknown":
                say("unknown", number)
            else:
                await at.gate.result(CLIENT, row.id)
                say("done", number)
        for number in range(first, first + 100_000):
            await one(at, number)


async def one(at: Desk, number: int) -> None:
    parked = await at.gate.call(CLIENT, "asks", "echo", {"number": number})
    call_id = parked["_meta"][META]["id"]
    await at.approvals.decide(call_id, NO if number % 3 == 0 else YES)
    say("denied" if number % 3 == 0 else "allowed", number)
    try:
        at.gate.patience = SECONDS
        await at.gate.result(CLIENT, call_id)
        say("done", number)
    except Refused:
        say("refused", number)
    finally:
        at.gate.patience = NONE


def say(word: str, number: int) -> None:
    print(word, number, flush=True)


@dataclass
class Told:
    """What was acknowledged before the kills, by number."""

    allowed: set[int] = field(default_factory=set)
    denied: set[int] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)

    def hear(self, line: str) -> None:
        word, number = line.split()
        heard: set[int] = getattr(self, word, set())
        heard.add(int(number))


def kill_again_and_again(folder: Path, kills: int, seed: int) -> tuple[Told, Counter[int]]:
    """What was told, and how often each call reached the server."""
    chance, told = random.Random(seed), Told()
    for kill in range(kills):
        words = [sys.executable, "-m", "tests.gate.crashes", "child", str(folder), str((kill + 1) * 1000 + 1)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
            assert child.stdout
            for line, _ in zip(child.stdout, range(chance.randint(2, 12)), strict=False):
                told.hear(line)
            time.sleep(chance.random() / 100)  # into the middle of something
            child.send_signal(signal.SIGKILL)
            for line in child.stdout:
                if line.endswith("\n"):
                    told.hear(line)
    return told, Counter(map(int, (folder / "tally").read_text(encoding="ascii").split()))


async def last_look(folder: Path, told: Told) -> None:
    """A last engine takes up what is left."""
    async with desk(folder, kind=Tallying, patience=NONE) as at:
        await at.approvals.start()
        for row in await at.approvals.listed("allowed"):
            await at.gate.result(CLIENT, row.id)
        for row in await at.approvals.listed("unknown"):
            told.unknown.add(int(row.arguments.split(":")[1].rstrip("}")))


def check(told: Told, ran: Counter[int]) -> None:
    """Raises AssertionError where something is not as it must be."""
    assert max(ran.values()) == 1, [number for number, times in ran.items() if times > 1]
    assert not told.denied & ran.keys(), told.denied & ran.keys()
    assert told.done <= ran.keys(), told.done - ran.keys()
    assert told.allowed <= ran.keys() | told.unknown, told.allowed - ran.keys() - told.unknown


def campaign(folder: Path, kills: int, seed: int) -> tuple[Told, Counter[int]]:
    told, _ = kill_again_and_again(folder, kills, seed)
    asyncio.run(last_look(folder, told))
    ran = Counter(map(int, (folder / "tally").read_text(encoding="ascii").split()))
    check(told, ran)
    return told, ran


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["child"]:
        asyncio.run(live(Path(arguments[1]), int(arguments[2])))
        return 0
    kills, seed = (int(word) for word in (*arguments, *("100", "1")[len(arguments) :]))
    with tempfile.TemporaryDirectory() as folder:
        told, ran = campaign(Path(folder), kills, seed)
    print(
        f"{kills} kills, seed {seed}: {len(ran)} calls ran, none twice; {len(told.denied)} denied, none of them ran; "
        f"{len(told.unknown)} unknown; no yes was lost"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
