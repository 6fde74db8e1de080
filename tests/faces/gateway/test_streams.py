"""One event stream: what waits on it is bounded, what must arrive does, and a silence is broken."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.faces.gateway.exchange import Exchange, Room
from reconciler.faces.gateway.limits import LIMITS
from reconciler.faces.gateway.streams import EventStream
from tests.faces.gateway.served import program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:client-limits")]

FRAME = len(b"event: message\ndata: \n\n")


class Wire:
    """A connection that takes what it is given, once it is `open`."""

    def __init__(self) -> None:
        self.sent = b""
        self.finished = False
        self.open = asyncio.Event()
        self.open.set()

    async def receive(self) -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await self.open.wait()
            self.sent += message["body"]
            self.finished = not message["more_body"]

    def stream(self, **limits: Any) -> EventStream:
        scope = {"type": "http", "method": "GET", "headers": []}
        return EventStream(Exchange(scope, self.receive, self.send, Room(0)), replace(LIMITS, **limits))


async def test_what_waits_is_bounded_and_what_must_arrive_ends_a_stream_without_room() -> None:
    wire = Wire()
    stream = wire.stream(backlog=1000)
    message = b"x" * (500 - FRAME)
    assert stream.put(message) and stream.put(message, needed=False)
    assert not stream.put(b"", needed=False) and not stream.over
    assert not stream.put(b"") and stream.over
    assert not stream.put(message)
    await stream.run()
    assert wire.sent.count(b"event: message") == 2 and wire.finished


async def test_one_message_may_be_larger_than_the_bound_when_nothing_else_waits() -> None:
    wire = Wire()
    stream = wire.stream(backlog=10)
    assert stream.put(b"x" * 100)
    stream.last(b"final")
    await stream.run()
    assert wire.sent.endswith(b"event: message\ndata: final\n\n")


async def test_the_last_message_is_sent_and_nothing_after_it() -> None:
    wire = Wire()
    stream = wire.stream()
    stream.last(b"final")
    assert not stream.put(b"more")
    stream.last(b"again")
    await stream.run()
    assert wire.sent == b"event: message\ndata: final\n\n"


async def test_a_silent_stream_says_that_it_is_alive() -> None:
    wire = Wire()
    stream = wire.stream(quiet=0.0)
    stream.look()
    stream.look()
    stream.end()
    await stream.run()
    assert wire.sent == b": alive\n\n", "what waits already is a sign of life"


async def test_a_stream_whose_holder_may_not_hear_ends_with_what_waits_unsaid() -> None:
    wire = Wire()
    stream = wire.stream()
    stream.holds = lambda: False
    stream.put(b"secret")
    stream.look()
    await stream.run()
    assert wire.sent == b"" and wire.finished


async def test_a_connection_that_takes_nothing_is_given_up() -> None:
    wire = Wire()
    wire.open.clear()
    stream = wire.stream(stalled=0.05)
    stream.put(b"x")
    await stream.run()
    assert stream.over and not wire.finished


@pytest.mark.parametrize("server", ["old", "new"])
async def test_a_call_that_takes_its_time_shows_that_it_is_alive(tmp_path: Path, server: str) -> None:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    limits = replace(LIMITS, quiet=0.1, check=0.05)
    async with served(tmp_path, servers, limits=limits, defaults={"requireApproval": False}) as gateway:
        handshaken, stateless = await gateway.opened(f"/mcp/s/{server}"), gateway.stateless(f"/mcp/s/{server}")
        for client in (handshaken, stateless):
            answer = await client.call("late", ms="600")
            assert answer.streamed and answer.result["content"][0]["text"] == "late"
            quick = await client.call("late", ms="0")
            assert not quick.streamed
            client.headers["accept"] = "application/json"
            assert not (await client.call("late", ms="300")).streamed
