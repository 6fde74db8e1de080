"""What one connection sends at once, and what it does not read: on both parsers and event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.faces.http.address import Address
from reconciler.faces.http.guard import Guard, PlainGuard
from reconciler.faces.http.guard_hot import HotGuard
from reconciler.faces.http.limits import Limits
from reconciler.faces.http.turns import BEHIND, PIECE
from reconciler.faces.http.unread import Unread
from tests.faces.http.kinds import FAST, anyio_backend, kind
from tests.faces.http.raw import PATIENCE, ask, line, listened
from tests.faces.http.test_guard import GOOD, Echo
from tests.requirements import requirement
from tests.waiting import come_true

__all__ = ["anyio_backend", "kind"]

pytestmark = [requirement("GATE-1:turns"), pytest.mark.anyio]
WAIT = GOOD.replace(b"/good", b"/wait")
LARGE = 32 * 1024 * 1024
CHUNK = 256 * 1024
"""What an event loop reads at a time."""


class App(Echo):
    """And `/large` is answered with more than any socket holds."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/large":
            await super().__call__(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % LARGE)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(LARGE)})


class Behind:
    """The connections that were made, and the most requests of one that waited for their turn."""

    def __init__(self, parser: type[Guard]) -> None:
        self.made: list[Any] = []
        self.most = 0
        behind = self

        class Seen(parser):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: Any) -> None:
                behind.made.append(self)
                super().connection_made(transport)

            def parse(self, data: bytes) -> None:
                super().parse(data)
                behind.most = max(behind.most, len(getattr(self, "pipeline", ())))

        self.parser: type[Guard] = Seen

    @property
    def held(self) -> int:
        """Most bytes of one connection that were read and not parsed."""
        return max((len(each.flow._behind) for each in self.made), default=0)


@asynccontextmanager
async def seen(kind: str, **limits: Any) -> AsyncIterator[tuple[Address, App, Behind]]:
    app, behind = App(), Behind(HotGuard if kind == FAST else PlainGuard)
    async with listened(app, Limits(**limits), parser=behind.parser) as address:
        yield address, app, behind


async def test_what_is_sent_behind_a_request_waits_and_is_not_read_without_end(kind: str) -> None:
    async with seen(kind) as (address, app, behind), line(address) as flood:
        flood.writer.write(WAIT + GOOD * 30_000)
        with anyio.fail_after(PATIENCE):
            while behind.held <= BEHIND:
                assert (await ask(address, GOOD)).body == b"/good 0"
        for _ in range(20):
            assert (await ask(address, GOOD)).body == b"/good 0"
        assert behind.held <= BEHIND + CHUNK
        assert behind.most <= PIECE / len(GOOD)
        app.go.set()
        assert (await flood.hear()).body == b"/wait 0"
        for _ in range(500):
            assert (await flood.hear()).body == b"/good 0"
        assert behind.most <= PIECE / len(GOOD) + 1


async def test_no_deadline_runs_while_we_are_the_ones_who_are_waited_for(kind: str) -> None:
    limits = {"head_seconds": 0.2, "body_seconds": 0.2}
    async with seen(kind, **limits) as (address, app, _), line(address) as one:
        await one.say(WAIT + GOOD[:30])
        async with line(address) as other:
            assert await other.end() == b"", "a deadline went by"
        app.go.set()
        assert (await one.hear()).body == b"/wait 0"
        await one.say(GOOD[30:])
        assert (await one.hear()).body == b"/good 0"
        await one.say(WAIT + GOOD[:30])
        assert (await one.hear()).body == b"/wait 0"
        assert await one.end() == b"", "it begins with the answer"


async def test_a_body_and_what_follows_it_are_told_apart_in_any_pieces(kind: str) -> None:
    head = b"POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    sizes = [0, 1, PIECE - len(head), PIECE, PIECE + 1, 100_000, 700_000]
    async with seen(kind) as (address, _, behind), line(address) as one:
        one.writer.write(b"".join(head % size + b"x" * size + GOOD * 30 for size in sizes))
        for size in sizes:
            assert (await one.hear()).body == b"/in %d" % size
            for _ in range(30):
                assert (await one.hear()).body == b"/good 0"
        assert behind.most <= PIECE / len(GOOD) + 1


@pytest.mark.parametrize("ends", ["keep-alive", "close"])
async def test_who_reads_nothing_of_an_answer_is_hung_up_on(kind: str, ends: str) -> None:
    async with seen(kind, unread_seconds=0.2, idle_seconds=0.2) as (address, _, behind):
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((address.host, address.port))
            deaf.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n" % ends.encode())
            await come_true(lambda: bool(behind.made), PATIENCE)
            await come_true(lambda: not behind.made[0].server_state.connections, PATIENCE)
        assert (await ask(address, GOOD)).status == 200


class Reader:
    """A transport whose other side reads what it is told to."""

    def __init__(self) -> None:
        self.waits = 100
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        return self.waits

    def abort(self) -> None:
        self.aborted.set()


async def test_who_reads_slowly_is_not_hung_up_on() -> None:
    transport = Reader()
    unread = Unread(transport, 0.001)
    unread.watch()
    while transport.waits:
        transport.waits -= 1
        unread._look()
        assert not transport.aborted.is_set()
    transport.waits = 1
    unread.watch()
    with anyio.fail_after(PATIENCE):
        await transport.aborted.wait()
