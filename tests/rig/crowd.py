"""Hostile clients around an engine, beside one that only calls: it is served as before, and nothing of them stays.

`python -m tests.rig.crowd [--long]` runs an engine, opens 1 000 connections that ask nothing, lets twelve kinds of
hostile clients loose in a process of their own, of low priority, and calls beside them. The same crowd is at another
engine next door in between: that tells what it costs because the machine's processors are shared by all from what it
costs because it is here. It prints a line of JSON and ends with 1 when a call failed, descriptors do not come back, or
memory grows:

p50, p99    of a good call in ms: idle, with the crowd next door, and here; the best of several windows in turn
ratios      of the p99 with the crowd here, to that with the crowd next door and to the idle one
rounds      of each kind of hostile client, by its name
worn        resident MiB of the engine after each 60 rounds of all the quick kinds, eight times with --long
fds, rss    open descriptors and resident MiB of the engine: before, at most, and afterwards
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.gateways import free_port, tell
from tests.rig.crowd_kinds import QUICK, SERVERS, SLOW, Hostile, Target, connected
from tests.waiting import come_true

HALF_OPEN = 1000
GROWN = 64.0
"""MiB that an engine may have grown by: what it loads with the first of each kind, and what its allocator keeps of
hundreds of connections at a time. That it keeps no more is seen where it is worn."""
KEPT = 4.0
"""MiB that it may grow by in the second half of being worn."""
ARRIVING = 2.0
"""Seconds until a crowd is there."""
LATEST = 90.0
"""Seconds until everything is let go: a head has 10, and what is not read 30."""
NICE = 10
PAUSE = 0.02
"""Between two rounds of a quick one; a page that is opened fifty times a second is hostile enough."""
WORN = 60
"""Rounds of each quick kind that an engine is worn with at a time."""


# The process that they are in


async def attack(target: Target, half_open: int, rounds: int) -> Counter[str]:
    """Until standard input ends, or each quick kind had so many rounds."""
    sent: Counter[str] = Counter()
    kinds = QUICK if rounds else (*SLOW, *QUICK)
    tasks = [asyncio.create_task(_again(each, target, sent, rounds)) for each in kinds]
    tasks += [asyncio.create_task(_stay_half_open(target, number, sent)) for number in range(half_open)]
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await (asyncio.gather(*tasks) if rounds else ended)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sent


async def _again(hostile: Hostile, target: Target, sent: Counter[str], rounds: int) -> None:
    done = 0
    while not rounds or done < rounds:
        done += 1
        with suppress(OSError, EOFError, TimeoutError):
            sent[hostile.__name__] += 1
            await hostile(target)
        if not rounds:
            await asyncio.sleep(PAUSE)


async def _stay_half_open(target: Target, number: int, sent: Counter[str]) -> None:
    """Connected, some of them with half a head; whoever is hung up on comes again."""
    while True:
        with suppress(OSError, TimeoutError):
            async with connected(target) as one:
                sent["half_open"] += 1
                await one.say(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-" if number % 2 else b"")
                await one._reader.read()
        await asyncio.sleep(1)


@contextmanager
def attacked(target: Target, half_open: int = 0, rounds: int = 0) -> Iterator[subprocess.Popen[str]]:
    """While the crowd is there; `communicate` ends it and brings what it sent."""
    words = [sys.executable, "-m", "tests.rig.crowd", "--attack", json.dumps(asdict(target))]
    process = subprocess.Popen(
        [*words, "--half-open", str(half_open), "--rounds", str(rounds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


# What is measured


async def good_calls(target: Target, calls: int, pause: float = 0.0) -> list[float]:
    """The seconds of each call of one good client on one connection; whatever is no answer raises."""
    request, seconds = target.call("echo", server="other", text="hello"), []
    async with connected(target) as one:
        for _ in range(calls):
            began = time.perf_counter()
            await one.say(request)
            answer = await one.hear()
            seconds.append(time.perf_counter() - began)
            assert answer.json["result"]["content"][0]["text"] == "hello", answer
            await asyncio.sleep(pause)
    return seconds


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory(pid: int) -> float:
    """Resident MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@dataclass(frozen=True, slots=True)
class Found:
    """See the top."""

    calls: int
    p50: Sequence[float]
    p99: Sequence[float]
    ratios: Sequence[float]
    fds: Sequence[int]
    rss: Sequence[float]
    rounds: Mapping[str, int]
    worn: Sequence[float]

    @property
    def well(self) -> bool:
        keeps = self.worn and self.worn[-1] - self.worn[len(self.worn) // 2] > KEPT
        return self.fds[2] <= self.fds[0] and self.rss[2] - self.rss[0] < GROWN and not keeps


async def wear(target: Target, pid: int, times: int) -> list[float]:
    """What the engine holds while the quick kinds come and go: about 900 connections a time."""
    found = []
    for _ in range(times):
        with attacked(target, rounds=WORN) as process:
            await asyncio.to_thread(process.communicate)
        found.append(round(memory(pid), 1))
    return found


async def measure(target: Target, pid: int, beside: Target, windows: int, calls: int, times: int) -> Found:
    """Windows without the crowd, with it next door, and with it here, in turn; then it is worn so many times."""
    await good_calls(target, calls)
    found: tuple[list[list[float]], ...] = ([], [], [])
    sent, fds, rss = Counter[str](), [descriptors(pid)], [memory(pid)]
    most_fds, most_rss = 0, 0.0
    for _ in range(windows):
        found[0].append(await good_calls(target, calls, PAUSE / 10))
        with attacked(beside, HALF_OPEN):
            await asyncio.sleep(ARRIVING)
            found[1].append(await good_calls(target, calls, PAUSE / 10))
        with attacked(target, HALF_OPEN) as process:
            await asyncio.sleep(ARRIVING)
            found[2].append(await good_calls(target, calls, PAUSE / 10))
            most_fds, most_rss = max(most_fds, descriptors(pid)), max(most_rss, memory(pid))
            sent.update(json.loads((await asyncio.to_thread(process.communicate))[0]))
        with suppress(TimeoutError):
            await come_true(lambda: descriptors(pid) <= fds[0], LATEST)
    p50 = [min(map(statistics.median, each)) * 1000 for each in found]
    p99 = [min(statistics.quantiles(window, n=100)[98] for window in each) * 1000 for each in found]
    return Found(
        calls=sum(map(len, found[2])),
        p50=[round(each, 2) for each in p50],
        p99=[round(each, 2) for each in p99],
        ratios=[round(p99[2] / p99[1], 1), round(p99[2] / p99[0], 1)],
        fds=[*fds, most_fds, descriptors(pid)],
        rss=[round(each, 1) for each in (*rss, most_rss, memory(pid))],
        rounds=dict(sent),
        worn=await wear(target, pid, times),
    )


@contextmanager
def engine() -> Iterator[tuple[Target, int]]:
    """An engine in a process of its own, and its process id."""
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:
        yield from _engine(Path(folder))


def _engine(folder: Path) -> Iterator[tuple[Target, int]]:
    file, port = folder / "reconciler.yaml", free_port()
    file.write_text(json.dumps({"version": 1, "mcpServers": SERVERS}), encoding="utf-8")
    where = ["--state-dir", str(folder / "state"), "-f", str(file)]
    tell(["watch", "--detach", "--auto-approve", "--listen", f"127.0.0.1:{port}", *where])
    try:
        client, operator = (tell(["token", "show", "--role", role, *where]).strip() for role in ("client", "operator"))
        cookie = asyncio.run(enter(port, tell(["open", "--print", *where]).split()[-1]))
        pid = json.loads(tell(["status", "-o", "json", *where]))["engine"]["pid"]
        yield Target(port, client, operator, cookie), pid
    finally:
        tell(["stop", *where])


async def enter(port: int, link: str) -> str:
    """The cookie of a visit that begins with this link."""
    parts = urlsplit(link)
    target = Target(port, "", "", "")
    async with connected(target) as one:
        await one.say(target.get(f"{parts.path}?{parts.query}"))
        return (await one.hear()).headers["set-cookie"].partition(";")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    parser.add_argument("--half-open", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        os.nice(NICE)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        target = Target(**json.loads(given.attack))
        print(json.dumps(asyncio.run(attack(target, given.half_open, given.rounds))))
        return
    sizes = (4, 1000, 8) if given.long else (3, 500, 0)
    with ExitStack() as stack:
        (target, pid), (beside, _) = (stack.enter_context(engine()) for _ in range(2))
        found = asyncio.run(measure(target, pid, beside, *sizes))
    print(json.dumps(asdict(found)))
    sys.exit(0 if found.well else 1)


if __name__ == "__main__":
    main()
