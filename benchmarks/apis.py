"""How long is a list of N servers over HTTP, and a PATCH of one of them until it is answered?

The baseline of each is `bare_routes.py`, which sends the very same bytes without having to find them out. Both run at
the same time, in processes of their own, and are asked in turn over one connection each.

For the lists the servers are mocks, all of them connected, so that everything is real but for their processes. The
file that is patched has the length and the fields of those that people write, and its servers are switched off.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gateways import free_port, running, tell
from benchmarks.measure import heading, options, row, table
from benchmarks.texts import configuration

SIZES, QUICK_SIZES = [100, 1_000], [20]
TOOLS = 3
PROJECT = "benchmark"
LISTS = (f"/api/mcp/servers?projectId={PROJECT}", "/api/mcp-servers")
CONFIG = "/api/config"


class Caller:
    """One connection."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """The bytes of a good answer."""
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:200]!r}")
        return data


def mocks(count: int) -> str:
    """A file of servers that are there at once, each on a line."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    tools = [{"name": f"tool_{n}", "description": "Does what it says", "inputSchema": schema} for n in range(TOOLS)]
    written = json.dumps({"description": "One of many", "mock": {"tools": tools}})
    servers = "".join(f"  server-{number:05}: {written}\n" for number in range(count))
    return f"version: 1\nproject: {PROJECT}\nmcpServers:\n{servers}"


def switched_off(count: int) -> str:
    """A file as people write it; no server of it is ever started."""
    return re.sub(r"(name: Group [0-9]+)\}", r"\1, enabled: false}", configuration(count))


def main() -> int:
    given = options(__doc__ or "", sizes=SIZES, quick_sizes=QUICK_SIZES)
    heading(f"The HTTP APIs, {given.runs} runs in turn")
    for count in given.sizes:
        with _engine(mocks(count)) as ours, _bare(ours) as bare:
            wait(ours, count)
            for path in LISTS:
                print(f"GET {path}, {count} servers; baseline: a bare Starlette route that sends the same")
                _compare_lists(ours, bare, path, count, given.runs)
        with _engine(switched_off(count)) as ours, _bare(ours) as bare:
            print(f"PATCH {CONFIG} of one of {count}; baseline: a bare Starlette route that answers as much")
            _compare_patches(ours, bare, count, given.runs)
    return 0


@contextmanager
def _engine(text: str) -> Iterator[Caller]:
    with serving(text) as (port, _, where):
        yield operator(port, where)


@contextmanager
def serving(text: str) -> Iterator[tuple[int, Path, list[str]]]:
    """An engine of ours for a file, with everything in it applied: its port, the file, and how commands find it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        file, port = Path(place, "reconciler.yaml"), free_port()
        file.write_text(text, encoding="utf-8")
        where = ["--state-dir", f"{place}/state", "-f", str(file)]
        tell(["watch", "--detach", "--auto-approve", "--listen", f"127.0.0.1:{port}", *where])
        try:
            yield port, file, where
        finally:
            tell(["stop", *where])


def operator(port: int, where: Sequence[str]) -> Caller:
    """A connection of somebody who may change everything."""
    return Caller(port, tell(["token", "show", "--role", "operator", *where]).strip())


@contextmanager
def _bare(ours: Caller) -> Iterator[Caller]:
    """The baseline, which has the answers of ours."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        for path in (*LISTS, CONFIG):
            Path(place, f"{_plain(path)}.json").write_bytes(ours.ask("GET", path))
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.bare_routes", str(port), place], port):
            yield Caller(port)


def _plain(path: str) -> str:
    return path.partition("?")[0].replace("/", "-")


def wait(ours: Caller, count: int) -> None:
    """Return once all of them are connected."""
    over = time.monotonic() + 120
    while time.monotonic() < over:
        rows = json.loads(ours.ask("GET", LISTS[0]))["servers"]
        if [one["status"] for one in rows] == ["connected"] * count:
            return
        time.sleep(0.1)
    raise SystemExit("the servers did not come up")


def _compare_lists(ours: Caller, bare: Caller, path: str, count: int, runs: int) -> None:
    bodies = _patches(count)

    def after_a_change() -> float:
        ours.ask("PATCH", CONFIG, next(bodies))
        return _timed(ours, "GET", path)

    ways = {
        "bare route": lambda: _timed(bare, "GET", f"/{_plain(path)}"),
        "ours, after a change": after_a_change,
        "ours, the same again": lambda: _timed(ours, "GET", path),
    }
    _show(ways, runs)


def _compare_patches(ours: Caller, bare: Caller, count: int, runs: int) -> None:
    bodies = _patches(count)
    ways = {
        "bare route": lambda: _timed(bare, "PATCH", f"/{_plain(CONFIG)}", next(bodies)),
        "ours": lambda: _timed(ours, "PATCH", CONFIG, next(bodies)),
    }
    _show(ways, runs)


def _patches(count: int) -> Iterator[dict[str, Any]]:
    """Bodies that change one server of many, each time in another way."""
    for number in itertools.count():
        yield {"mcpServers": {f"server-{count // 2:05}": {"description": f"changed {number} times"}}}


def _timed(caller: Caller, method: str, path: str, body: Any = None) -> float:
    begun = time.perf_counter()
    caller.ask(method, path, body)
    return time.perf_counter() - begun


def _show(ways: Mapping[str, Callable[[], float]], runs: int) -> None:
    """Each way in turn, after one turn that is not counted."""
    turns = [{name: way() for name, way in ways.items()} for _ in range(runs + 1)][1:]
    baseline = [turn["bare route"] for turn in turns]
    table([row(name, [turn[name] for turn in turns], baseline) for name in ways])
    print()


if __name__ == "__main__":
    sys.exit(main())
