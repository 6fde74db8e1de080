"""Hostile clients around an engine, beside one that only calls: it is served as before, and nothing of them stays.

`python -m tests.rig.crowd [--long]` runs an engine, opens 1 000 connections that ask nothing, lets ten kinds of hostile
clients loose in a process of their own (of low priority: the machine's processors are shared by all), and calls beside
them. It prints a line of JSON and ends with 1 when a call failed, or when descriptors or memory do not come back:

p50, p99    of a good call in ms, idle and in the crowd: the best of several windows in turn
rounds      of each kind of hostile client, by its name
fds, rss    open descriptors and resident MiB of the engine: before, at most, and afterwards
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from benchmarks.gateways import free_port, tell
from tests.faces.http.raw import Line
from tests.rig.starting import argv
from tests.waiting import come_true

HALF_OPEN = 1000
BLOB = 3_000_000
"""Bytes of an answer that no socket takes at once."""
PIPELINED = 2000
GROWN = 32.0
"""MiB that an engine may have grown by: what it loads with the first of each kind, and what its allocator keeps."""
LATEST = 90.0
"""Seconds until everything is let go: a head has 10, and what is not read 30."""
NICE = 10
STATELESS = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Target:
    """An engine that listens, and what lets in to it: tokens of two roles, and the page's cookie."""

    port: int
    client: str
    operator: str
    cookie: str

    def get(self, path: str, *headers: str) -> bytes:
        """A request without a body."""
        lines = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *headers))
        return f"{lines}\r\n".encode()

    def call(self, tool: str, *, server: str = "light", **arguments: str) -> bytes:
        """A tool call that needs no session."""
        name = f"{server}__{tool}"
        meta = {f"io.modelcontextprotocol/{key}": value for key, value in _ENVELOPE.items()}
        params = {"name": name, "arguments": arguments, "_meta": meta}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        routing = f"MCP-Protocol-Version: {STATELESS}\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n"
        return self.post(message, self.client, routing)

    def post(self, message: Any, token: str, more: str = "") -> bytes:
        """A message to the gateway."""
        body = json.dumps(message).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{more}"
            "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


_COMMAND, *_ARGUMENTS = argv("light")
_LIGHT: dict[str, Any] = {"command": _COMMAND, "args": _ARGUMENTS, "requireApproval": False}
SERVERS = {"light": _LIGHT, "other": _LIGHT}
"""The crowd calls the first one, whoever is measured the other: they wait for the engine, and not for its servers."""
_ENVELOPE = {"protocolVersion": STATELESS, "clientInfo": {"name": "crowd", "version": "0"}, "clientCapabilities": {}}
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "crowd", "version": "0"}},
}

# Hostile clients. Each goes on until its connection ends, or for one round

Hostile: TypeAlias = Callable[[Target], Awaitable[None]]


@asynccontextmanager
async def connected(target: Target, *, room: int = 0, reset: bool = False) -> AsyncIterator[Line]:
    """A connection that takes `room` bytes unread, and at whose end nothing is waited for (`reset`)."""
    made = socket.socket()
    if room:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    made.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", target.port))
        reader, writer = await asyncio.open_connection(sock=made, limit=room or 2**16)
    except OSError:
        made.close()
        raise
    try:
        yield Line(reader, writer)
    finally:
        if reset:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def drip(target: Target, begun: bytes) -> None:
    """A byte now and then, until it is hung up on."""
    async with connected(target) as one:
        await one.say(begun)
        while not one.is_over:
            await asyncio.sleep(0.1)
            await one.say(b"a")


async def slow_head(target: Target) -> None:
    await drip(target, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")


async def slow_body(target: Target) -> None:
    await drip(target, target.call("echo", text="x" * 100_000)[:2000])


async def aborts_an_answer(target: Target) -> None:
    async with connected(target, reset=True) as one:
        await one.say(target.call("blob", size=str(BLOB)))
        await one.hear_some()


async def aborts_at_once(target: Target) -> None:
    for request in (target.call("sleep", ms="50"), target.get("/ui/", f"Cookie: {target.cookie}")):
        async with connected(target, reset=True) as one:
            await one.say(request)


async def floods_in_a_pipe(target: Target) -> None:
    """Without a token, as anybody can."""
    async with connected(target, reset=True) as one:
        await one.say(target.get("/healthz") * PIPELINED)
        for _ in range(PIPELINED // 10):
            await one.hear()


async def reads_nothing(target: Target) -> None:
    """Of large answers, until it is hung up on; that is seen by who writes."""
    async with connected(target, room=4096) as one:
        one.writer.transport.pause_reading()
        await one.say(target.call("blob", size=str(BLOB)) * 4)
        while not one.is_over:
            await asyncio.sleep(1)
            await one.say(b"\r\n")


async def subscribes_and_reads_nothing(target: Target) -> None:
    bearer, events = f"Authorization: Bearer {target.operator}", "Accept: text/event-stream"
    async with AsyncExitStack() as stack:
        for _ in range(10):
            for request in (
                target.get("/api/v1/events/stream", bearer, events),
                target.get("/ui/", f"Cookie: {target.cookie}", events),
            ):
                one = await stack.enter_async_context(connected(target, room=4096))
                one.writer.transport.pause_reading()
                await one.say(request)
        await asyncio.sleep(2)


async def talks_nonsense(target: Target) -> None:
    async with connected(target) as one:
        await one.say(random.randbytes(4096))
        await one.end()


async def says_hello_in_tls(target: Target) -> None:
    async with connected(target) as one:
        await one.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(500))
        await one.end()


async def upgrades(target: Target) -> None:
    """Sockets where there are none, and frames behind them."""
    upgrade = "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"
    key, bearer = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Authorization: Bearer {target.operator}"
    for path in ("/mcp", "/desk/nobody"):
        async with connected(target) as one:
            await one.say(target.get(path, *upgrade, key, bearer) + random.randbytes(4096))
            await one.end()


async def guesses_tokens(target: Target) -> None:
    async with connected(target) as one:
        for _ in range(50):
            await one.say(target.post(_INITIALIZE, "guess") + target.get("/api/v1/status") + target.get("/ui/"))
            for _ in range(3):
                await one.hear()


async def begins_sessions(target: Target) -> None:
    async with connected(target) as one:
        for _ in range(20):
            await one.say(target.post(_INITIALIZE, target.client))
            await one.hear()


SLOW: Sequence[Hostile] = (slow_head, slow_body, reads_nothing, subscribes_and_reads_nothing)
QUICK: Sequence[Hostile] = (
    *(aborts_an_answer, aborts_at_once, floods_in_a_pipe, talks_nonsense, says_hello_in_tls),
    *(upgrades, guesses_tokens, begins_sessions),
)
PAUSE = 0.02
"""Between two rounds of a quick one; a page that is opened fifty times a second is hostile enough."""

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
    """See the top; `ratio` is that of the p99."""

    calls: int
    p50: Sequence[float]
    p99: Sequence[float]
    ratio: float
    fds: Sequence[int]
    rss: Sequence[float]
    rounds: Mapping[str, int]

    @property
    def well(self) -> bool:
        return self.fds[2] <= self.fds[0] and self.rss[2] - self.rss[0] < GROWN


async def measure(target: Target, pid: int, windows: int, calls: int) -> Found:
    """Windows without the crowd and in it, in turn."""
    await good_calls(target, calls)
    idle, crowded, sent = [], [], Counter[str]()
    fds, rss = [descriptors(pid)], [memory(pid)]
    most_fds, most_rss = 0, 0.0
    for _ in range(windows):
        idle.append(await good_calls(target, calls, PAUSE / 10))
        with attacked(target, HALF_OPEN) as process:
            await come_true(lambda: descriptors(pid) > 400, LATEST)
            crowded.append(await good_calls(target, calls, PAUSE / 10))
            most_fds, most_rss = max(most_fds, descriptors(pid)), max(most_rss, memory(pid))
            sent.update(json.loads((await asyncio.to_thread(process.communicate))[0]))
        with suppress(TimeoutError):
            await come_true(lambda: descriptors(pid) <= fds[0], LATEST)
    p50 = [min(map(statistics.median, each)) * 1000 for each in (idle, crowded)]
    p99 = [min(statistics.quantiles(window, n=100)[98] for window in each) * 1000 for each in (idle, crowded)]
    return Found(
        calls=sum(map(len, crowded)),
        p50=[round(each, 2) for each in p50],
        p99=[round(each, 2) for each in p99],
        ratio=round(p99[1] / p99[0], 1),
        fds=[*fds, most_fds, descriptors(pid)],
        rss=[round(each, 1) for each in (*rss, most_rss, memory(pid))],
        rounds=dict(sent),
    )


@contextmanager
def engine(folder: Path) -> Iterator[tuple[Target, int]]:
    """An engine in a process of its own, and its process id."""
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
    windows, calls = (5, 3000) if given.long else (2, 500)
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder, engine(Path(folder)) as (target, pid):
        found = asyncio.run(measure(target, pid, windows, calls))
    print(json.dumps(asdict(found)))
    sys.exit(0 if found.well else 1)


if __name__ == "__main__":
    main()
