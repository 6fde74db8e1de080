"""Stubborn servers come and go, engines are killed, and we are process 1: what is left afterwards is counted.

`python -m tests.rig.cycles [--only CAMPAIGN ...] [--long]` prints a line of JSON for each campaign and ends with 1
when something was left:

sessions  servers that ignore ends, fork and double-fork start and stop, some of them killed: 10 cycles, long 500
kills     an engine is killed (SIGKILL) at any moment of its life, the next one sweeps: 3 times, long 100
first     the engine is process 1 of its own namespace, where nobody else collects the dead (root)
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.sessions.adopted import adopt_orphans
from reconciler.sessions.orphans import sweep
from reconciler.sessions.session import SessionError
from tests.needs import OWN_PROCESSES
from tests.rig.starting import argv, processes_owned_by, zombies_below_us
from tests.sessions.rigged import COOKIE, call, open_descriptors, opened
from tests.waiting import come_true

STUBBORN = ("term", "eof", "child", "inherit", "daemon", "forks")
"""Modes of evil.py."""
SERVED = {"eof": 1, "child": 2, "inherit": 2, "daemon": 2, "litters": 2}
"""Those that an engine has, with how many processes each comes to."""
LITTER = 50
AT_ONCE = 12
PROJECT = f"cycles-{os.getpid()}"
SEED = 6
MOST_GROWN = 8 * 1024
"""KiB; 500 sessions that are kept take 30 MiB."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a campaign came to; everything but the first two and the last ought to be nothing."""

    campaign: str
    rounds: int
    survivors: int = 0
    zombies: int = 0
    descriptors: int = 0
    """Open ones that were not there before."""
    tasks: int = 0
    exit_code: int = 0
    grown: int = 0
    """KiB of memory, against what it was after the first rounds."""

    @property
    def nothing(self) -> bool:
        counted = self.survivors, self.zombies, self.descriptors, self.tasks, self.exit_code
        return not any(counted) and self.grown < MOST_GROWN


# Sessions


async def sessions(rounds: int) -> Left:
    """So many starts and stops in this process, a few at once."""
    chance = random.Random(SEED)
    for mode in STUBBORN[-2:]:
        await _come_and_go(mode, killed=True)
    await _collected()
    descriptors, tasks = open_descriptors(), len(asyncio.all_tasks())
    waiting = iter([STUBBORN[number % len(STUBBORN)] for number in range(rounds)])
    grown: list[int] = []

    async def go_on() -> None:
        for mode in waiting:
            await _come_and_go(mode, killed=chance.random() < 0.2)
            grown.append(_memory())

    await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    await _collected()
    return Left(
        "sessions",
        rounds,
        survivors=len(processes_owned_by(COOKIE)),
        zombies=len(zombies_below_us()),
        descriptors=len(open_descriptors() - descriptors),
        tasks=len(asyncio.all_tasks()) - tasks,
        grown=_memory() - max(grown[: AT_ONCE * 2]),
    )


async def _come_and_go(mode: str, *, killed: bool) -> None:
    with suppress(SessionError):
        async with opened("evil", mode, "5") as session:
            await call(session, "fork" if mode == "forks" else "echo", text="hi")
            if killed:
                os.kill(session.pid, signal.SIGKILL)
                await session.ended()


def _memory() -> int:
    """Resident KiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


async def _collected() -> None:
    """The dead are collected now and then; whoever is still there after seconds is counted by whoever asks."""
    with suppress(TimeoutError):
        await come_true(lambda: not zombies_below_us(), 5)


# An engine in a process of its own


@dataclass(frozen=True, slots=True)
class Engine:
    process: subprocess.Popen[bytes]

    def owned(self) -> set[int]:
        """What lives of its servers, and of those of the engines before it."""
        return set(processes_owned_by(f"{PROJECT}-"))


@contextmanager
def engine(folder: Path, modes: Sequence[str], *before: str) -> Iterator[Engine]:
    """An engine with a server of each mode; killed on the way out if it still runs."""
    servers = {mode: dict(zip(("command", "args"), _words(mode), strict=True)) for mode in modes}
    file = folder / "reconciler.yaml"
    file.write_text(json.dumps({"version": 1, "project": PROJECT, "mcpServers": servers}))
    words = ["watch", str(file), "--state-dir", str(folder / "state"), "--auto-approve", "--listen", "none"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "reconciler", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # what it leaves is an orphan of its own session, and collected as such
        )
    try:
        yield Engine(process)
    finally:
        process.kill()
        process.wait()


def _words(mode: str) -> tuple[str, list[str]]:
    command, *arguments = argv("evil", mode, str(LITTER))
    return command, arguments


async def _all_there(running: Engine, modes: Sequence[str]) -> None:
    """All processes are there, and nobody litters any more: the last grandchild is there too."""
    sleepers = len({"child", "inherit", "litters"} & {*modes})
    wanted = sorted(number < sleepers for number in range(sum(SERVED[mode] for mode in modes)))
    await come_true(lambda: sorted(map(_sleeps, running.owned())) == wanted, 60)


def _sleeps(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"
    return False


async def _stop(running: Engine, pid: int) -> int:
    """End it in order; its exit code."""
    os.kill(pid, signal.SIGTERM)
    await come_true(lambda: running.process.poll() is not None, 60)
    return running.process.returncode


# Kills


async def kills(rounds: int) -> Left:
    """An engine is killed so many times, every third time when all is up, else whenever; then one ends in order."""
    adopt_orphans()
    chance = random.Random(SEED)
    modes = ("child", "inherit", "daemon", "litters")
    survivors: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            with engine(Path(folder), modes) as running:
                await (_all_there(running, modes) if number % 3 == 0 else asyncio.sleep(chance.uniform(0.2, 1.5)))
                running.process.kill()
                running.process.wait()
            survivors = running.owned()
        with engine(Path(folder), modes) as running:
            with suppress(TimeoutError):
                await come_true(lambda: not survivors & running.owned(), 20)
                await _all_there(running, modes)
            code = await _stop(running, running.process.pid)
            survivors = running.owned()
    await _collected()
    return Left("kills", rounds, survivors=len(survivors), zombies=len(zombies_below_us()), exit_code=code)


# Process 1


async def first(rounds: int) -> Left:
    """The engine is process 1, with orphans that die while it runs; it ends in order, so many times."""
    modes = ("eof", "daemon", "litters")
    zombies, survivors, code = 0, 0, 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, engine(Path(folder), modes, *OWN_PROCESSES) as running:
            await _all_there(running, modes)
            pid = _children(running.process.pid)[0]
            with suppress(TimeoutError):
                await come_true(lambda pid=pid: not _dead(_children(pid)), 5)
            zombies += len(_dead(_children(pid)))
            code = await _stop(running, pid) or code
            survivors += len(running.owned())
    return Left("first", rounds, survivors=survivors, zombies=zombies, exit_code=code)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def _dead(pids: Sequence[int]) -> list[int]:
    return [pid for pid in pids if _state(pid) == "Z"]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


CAMPAIGNS: dict[str, tuple[Callable[[int], Awaitable[Left]], int, int]] = {
    "sessions": (sessions, 10, 500),
    "kills": (kills, 3, 100),
    "first": (first, 1, 10),
}
"""Each with its rounds, short and long."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CAMPAIGNS, action="append")
    parser.add_argument("--long", action="store_true")
    given = parser.parse_args()
    clean = True
    for name in given.only or CAMPAIGNS:
        campaign, short, long = CAMPAIGNS[name]
        began = time.monotonic()
        left = asyncio.run(_tidily(campaign(long if given.long else short)))
        print(json.dumps(asdict(left) | {"seconds": round(time.monotonic() - began, 1)}), flush=True)
        clean = clean and left.nothing
    sys.exit(0 if clean else 1)


async def _tidily(campaign: Awaitable[Left]) -> Left:
    """Whatever it comes to, and was counted: nothing of it stays on this machine."""
    try:
        return await campaign
    finally:
        sweep(f"{PROJECT}-")


if __name__ == "__main__":
    main()
