"""Changed lists through a real engine: who hears of them, and what a storm of them costs the server."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import httpx2

from tests.real.raw import HANDSHAKE, INFO, META, STATELESS, Handshake, http
from tests.real.running import Engine, engine, rig
from tests.requirements import requirement

CHANGED = "notifications/tools/list_changed"
STORM = 4.0
SECONDS = 20


class Ear:
    """Whatever a client is told, as it comes."""

    def __init__(self) -> None:
        self.heard: Queue[str] = Queue()

    def listen(self, response: httpx2.Response) -> None:
        for line in response.iter_lines():
            if line.startswith("data: ") and (method := json.loads(line[6:]).get("method")):
                self.heard.put(method)

    def next(self) -> str:
        return self.heard.get(timeout=SECONDS)


@contextmanager
def listening(client: httpx2.Client, url: str, era: str) -> Iterator[Ear]:
    """A client of that era that hears of changes of the tools, from now on."""
    ear = Ear()
    with _stream(client, url, era) as response:
        thread = threading.Thread(target=_until_closed, args=(ear, response), daemon=True)
        thread.start()
        if era == STATELESS:
            assert ear.next() == "notifications/subscriptions/acknowledged"
        yield ear


def _until_closed(ear: Ear, response: httpx2.Response) -> None:
    try:
        ear.listen(response)
    except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError):
        ear.heard.put("closed")


def _stream(client: httpx2.Client, url: str, era: str) -> Any:
    if era == HANDSHAKE:
        session = Handshake(client, url)
        return client.stream("GET", url, headers={**session.headers, "accept": "text/event-stream"})
    meta = {META + "protocolVersion": STATELESS, META + "clientInfo": INFO, META + "clientCapabilities": {}}
    params = {"notifications": {"toolsListChanged": True}, "_meta": meta}
    request = {"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params}
    headers = {"mcp-protocol-version": STATELESS, "mcp-method": "subscriptions/listen", "accept": "text/event-stream"}
    return client.stream("POST", url, json=request, headers=headers)


def call(running: Engine, server: str, tool: str, **arguments: Any) -> str:
    """What a tool answers on the command line, which is nobody of those who listen."""
    return running.run("call", server, tool, json.dumps(arguments)).stdout.strip()


def lists(running: Engine, server: str) -> int:
    """How often the server's tools were listed."""
    return int(call(running, server, "lists"))


def until_listed_again(running: Engine, server: str, before: int) -> None:
    """Ask the server again and again, each time with a command."""
    deadline = time.monotonic() + SECONDS
    while lists(running, server) == before:
        assert time.monotonic() < deadline


@requirement("GATE-1:changes")
def test_only_who_sees_a_change_hears_of_it_in_both_eras(tmp_path: Path) -> None:
    hidden: Mapping[str, Any] = {**rig("stormy"), "denyTools": ["named-*"]}
    with engine(tmp_path, {"shown": rig("stormy"), "hidden": hidden}) as running, http(running.token) as client:
        for era in (HANDSHAKE, STATELESS):
            url = running.address
            with (
                listening(client, f"{url}/mcp", era) as everyone,
                listening(client, f"{url}/mcp/s/shown", era) as shown,
                listening(client, f"{url}/mcp/s/hidden", era) as unseeing,
            ):
                read = lists(running, "hidden")
                call(running, "hidden", "rename")
                until_listed_again(running, "hidden", read)
                call(running, "shown", "rename")
                assert everyone.next() == CHANGED
                assert shown.next() == CHANGED
                assert [ear.heard.qsize() for ear in (everyone, shown, unseeing)] == [0, 0, 0]


@requirement("GATE-1:changes")
def test_a_storm_of_ten_thousand_changes_a_second_costs_one_reading_in_two_seconds(tmp_path: Path) -> None:
    servers = {"stormy": rig("stormy")}
    with (
        engine(tmp_path, servers) as running,
        http(running.token) as client,
        listening(client, f"{running.address}/mcp", STATELESS) as ear,
    ):
        before, begin = lists(running, "stormy"), time.monotonic()
        sent = int(call(running, "stormy", "storm", seconds=str(STORM)))
        read = lists(running, "stormy") - before
        assert sent > 1000
        assert 1 <= read <= math.ceil((time.monotonic() - begin) / 2) + 1
        assert ear.heard.qsize() == 0
