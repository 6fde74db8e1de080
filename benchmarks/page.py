"""How long is the page of N servers: shown, switched, and from a save until a browser that looks at it has the row?

Over HTTP the baseline is `bare_routes.py`, which sends the very same bytes without having to find them out; of what
comes on the stream it is the list of the same servers as JSON, which a page without a stream would ask for. In chromium
it is that page from the bare route. Where there is no chromium, that part is left out with a line.

The servers are mocks in groups, so that everything is real but for their processes.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from benchmarks.apis import LISTS, PROJECT, Caller, operator, serving, wait
from benchmarks.browsing import CHROMIUM, Seat, seats
from benchmarks.gateways import free_port, running, tell
from benchmarks.measure import heading, options, row, table
from reconciler.engine.watch import SETTLE_RENAMED
from reconciler.faces.page.look import HERE
from reconciler.faces.page.view import PACE_SECONDS

SIZES, QUICK_SIZES = [100, 1_000], [20]
GROUPS = 10
WAITED = SETTLE_RENAMED + PACE_SECONDS
"""What is waited on purpose: until a save is over, and so that changes are sent together."""


def configuration(count: int) -> str:
    """A file of servers that are there at once, each on a line, as long as those that people write."""
    mock = {"tools": [{"name": "look", "description": "Does what it says"}]}
    servers = (
        {"description": "One of many", "group": f"group-{number % GROUPS}", "mock": mock} for number in range(count)
    )
    lines = "".join(f"  {_name(number)}: {json.dumps(server)}\n" for number, server in enumerate(servers))
    return f"version: 1\nproject: {PROJECT}\nmcpServers:\n{lines}"


def _name(number: int) -> str:
    return f"server-{number:05}"


class Visitor:
    """Somebody who came in by a link and looks at the list."""

    def __init__(self, port: int, where: list[str]) -> None:
        self._port = port
        entered = self._ask("GET", _link(where))
        entered.read()
        self._cookie = (entered.getheader("set-cookie") or "").partition(";")[0]
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.form_token = re.findall(rb'name="form_token" value="([^"]+)"', self.page())[0].decode()

    def _ask(self, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request(method, path, headers=headers)
        return connection.getresponse()

    def page(self, **headers: str) -> bytes:
        """The list as a whole page."""
        self._connection.request("GET", "/ui/", headers={"cookie": self._cookie, **headers})
        return self._connection.getresponse().read()

    def switch(self, server: str, on: bool) -> None:
        """Switch a server as the button does, until it is answered."""
        body = urlencode({"form_token": self.form_token, "on" if on else "off": server})
        form = {"cookie": self._cookie, "content-type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/ui/switch", body, form)
        answer = self._connection.getresponse()
        said = answer.read()
        if (answer.status, answer.getheader("location")) != (303, "/ui/"):
            raise SystemExit(f"the switch was not pressed: {answer.status} {said[:200]!r}")

    def stream(self) -> http.client.HTTPResponse:
        """The stream of the list as it is now."""
        at = re.findall(rb'data-at="([^"]+)"', self.page())[0].decode()
        return self._ask("GET", f"/ui/?at={at}", cookie=self._cookie, accept="text/event-stream")


class Saves:
    """Saves of the file that change one server of many, each in another way."""

    def __init__(self, file: Path, count: int) -> None:
        self.server = _name(count // 2)
        self._file, self._numbers = file, itertools.count()

    def save(self) -> str:
        """Save the file as editors do, whole, over the old one; what is to be read in the row now."""
        said = f"changed {next(self._numbers)} times"
        lines = self._file.read_text(encoding="utf-8").splitlines()
        changed = (re.sub('"description": "[^"]*"', f'"description": "{said}"', line, count=1) for line in lines)
        kept = zip(lines, changed, strict=True)
        fresh = self._file.with_suffix(".new")
        text = "\n".join(new if f"{self.server}:" in old else old for old, new in kept)
        fresh.write_text(f"{text}\n", encoding="utf-8")
        fresh.replace(self._file)
        return said


def main() -> int:
    given = options(__doc__ or "", sizes=SIZES, quick_sizes=QUICK_SIZES)
    heading(f"The page, {given.runs} runs in turn")
    for count in given.sizes:
        with serving(configuration(count)) as (port, file, where):
            caller = operator(port, where)
            wait(caller, count)
            visitor, saves = Visitor(port, where), Saves(file, count)
            with _bare(visitor, caller) as bare_port:
                bare = Caller(bare_port)
                _show_pages(visitor, bare, saves, count, given.runs)
                _show_events(visitor, bare, saves, count, given.runs)
                _show_browser(f"http://127.0.0.1:{port}", where, bare_port, saves, count, given.runs)
    return 0


@contextmanager
def _bare(visitor: Visitor, caller: Caller) -> Iterator[int]:
    """The baseline, which has the page and the list of ours."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        page = re.sub(rb' data-at="[^"]*"', b"", visitor.page())  # its script asks for no stream
        Path(place, "page.html").write_bytes(page)
        Path(place, "list.json").write_bytes(caller.ask("GET", LISTS[0]))
        shutil.copytree(HERE / "static", Path(place, "static"))
        port = free_port()
        with running([sys.executable, "-m", "benchmarks.bare_routes", str(port), place], port):
            yield port


def _show_pages(visitor: Visitor, bare: Caller, saves: Saves, count: int, runs: int) -> None:
    print(f"GET /ui/ and POST /ui/switch, {count} servers; baseline: a bare Starlette route that sends the same page")
    switches = itertools.cycle([False, True])

    def switch() -> None:
        visitor.switch(saves.server, next(switches))

    def after_a_change() -> float:
        switch()
        return _timed(visitor.page)

    ways = {
        "bare route": lambda: _timed(lambda: bare.ask("GET", "/page.html")),
        "ours, after a change": after_a_change,
        "ours, the same again": lambda: _timed(visitor.page),
        "ours, without the list, to a script that has it": lambda: _timed(
            lambda: visitor.page(prefer="return=minimal")
        ),
        "ours, a switch": lambda: _timed(switch),
    }
    turns = [{name: way() for name, way in ways.items()} for _ in range(runs + 1)][1:]
    size = f"{len(visitor.page()) / 1024:.0f} KiB"
    baseline = [turn["bare route"] for turn in turns]
    table([row(name, [turn[name] for turn in turns], baseline, size if name == "bare route" else "") for name in ways])
    print()


def _show_events(visitor: Visitor, bare: Caller, saves: Saves, count: int, runs: int) -> None:
    print(f"A save that changes one of {count}, to its row; baseline: the list as JSON, from a bare Starlette route")
    asked, seen, sent = [], [], 0
    with visitor.stream() as stream:
        for _ in range(runs + 1):
            asked.append(_timed(lambda: bare.ask("GET", "/list")))
            begun = time.perf_counter()
            said, sent = saves.save(), 0
            while said.encode() not in (line := stream.readline()):
                sent += len(line)
            seen.append(time.perf_counter() - begun)
            sent += len(line)
    waited = f"the same, less the {WAITED * 1000:.0f} ms that are waited on purpose"
    table(
        [
            row("the list as JSON (baseline)", asked[1:], asked[1:], f"{len(bare.ask('GET', '/list'))} bytes"),
            row("save to the row on the stream", seen[1:], asked[1:], f"{sent} bytes"),
            row(waited, [one - WAITED for one in seen[1:]], asked[1:]),
        ]
    )
    print()


def _show_browser(base: str, where: list[str], bare_port: int, saves: Saves, count: int, runs: int) -> None:
    if shutil.which(CHROMIUM) is None:
        print(f"the browser is left out: there is no {CHROMIUM}\n", flush=True)
        return
    print(f"In {CHROMIUM}, {count} servers; baseline: the first paint of the same page from a bare Starlette route")
    with seats(f"{base}{_link(where)}") as seat:
        turns = [_turn(seat, base, bare_port, saves) for _ in range(runs + 1)][1:]
    baseline = [turn["bare route: first paint"] for turn in turns]
    table([row(name, [turn[name] for turn in turns], baseline) for name in turns[0]])
    print()


def _turn(seat: Seat, base: str, bare_port: int, saves: Saves) -> dict[str, float]:
    """Everything once; `seat` ends with the list of ours before it, and every server switched on."""
    bare, ours = seat.load(f"http://127.0.0.1:{bare_port}/page.html"), seat.load(f"{base}/ui/")
    begun = time.perf_counter()
    seat.wait_for(saves.server, saves.save())
    saved = time.perf_counter() - begun
    off, _ = seat.switch(saves.server), seat.switch(saves.server)
    return {
        "bare route: first paint": bare.painted,
        "bare route: all of it is there": bare.there,
        "ours: first paint": ours.painted,
        "ours: all of it is there": ours.there,
        "a letter typed into the search, to what it finds": seat.search("7"),
        "a switch, to its row": off,
        "a save, to its row": saved,
    }


def _link(where: list[str]) -> str:
    """The path of a link that lets in once."""
    parts = urlsplit(tell(["open", "--print", *where]).strip())
    return f"{parts.path}?{parts.query}"


def _timed(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
