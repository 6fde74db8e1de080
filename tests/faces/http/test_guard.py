"""What a connection may do, on raw sockets: on both parsers and event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio
import pytest

from reconciler.faces.http.address import Address
from reconciler.faces.http.body import read_body
from reconciler.faces.http.guard import Guard, PlainGuard
from reconciler.faces.http.guard_fast import FastGuard
from reconciler.faces.http.limits import Limits
from reconciler.faces.http.problems import HttpProblem
from tests.faces.http.kinds import FAST, anyio_backend, kind
from tests.faces.http.raw import Line, ask, line, listened
from tests.requirements import requirement

__all__ = ["anyio_backend", "kind"]

pytestmark = [requirement("GATE-1:connections"), pytest.mark.anyio]
GOOD = b"GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONG = 3600.0


@pytest.fixture
def parser(kind: str) -> type[Guard]:
    return FastGuard if kind == FAST else PlainGuard


class Echo:
    """Answers with the path and how long the body was; `/wait` answers when `go` is set, `/deaf` reads nothing."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.refused: asyncio.Queue[HttpProblem] = asyncio.Queue()
        self.hosts: list[list[bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.put_nowait(scope["path"])
        try:
            body = b"" if scope["path"] == "/deaf" else await read_body(scope, receive)
        except HttpProblem as problem:
            self.refused.put_nowait(problem)
            await problem.response()(scope, receive, send)
            return
        if scope["path"] == "/wait":
            await self.go.wait()
        text = f"{scope['raw_path'].decode('latin-1')} {len(body)}".encode()
        headers = [(b"content-length", str(len(text)).encode())]
        self.hosts.append([value for name, value in scope["headers"] if name == b"host"])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def echo(parser: type[Guard], **limits: Any) -> AsyncIterator[tuple[Address, Echo]]:
    app = Echo()
    async with listened(app, Limits(**limits), parser=parser) as address:
        yield address, app


async def test_three_hundred_heads_that_never_end_hinder_nobody_and_are_cut_off(parser: type[Guard]) -> None:
    async with echo(parser, head_seconds=1.0) as (address, _), AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(line(address)) for _ in range(300)]
        for number, each in enumerate(slow):
            await each.say(b"" if number % 3 == 0 else b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
        assert (await ask(address, GOOD)).body == b"/good 0"
        for each in slow:
            assert await each.end() == b""
        assert (await ask(address, GOOD)).body == b"/good 0"


async def test_a_byte_now_and_then_buys_no_time(parser: type[Guard]) -> None:
    async with echo(parser, head_seconds=0.3) as (address, app), line(address) as slow:
        for byte in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 10_000:
            await slow.say(bytes([byte]))
            with anyio.move_on_after(0.02) as pause:
                assert await slow.end() == b""
            if not pause.cancelled_caught:
                break
        assert slow.is_over
        assert app.asked.empty()


@pytest.mark.parametrize("begun", [b"GET / HT", b"\r\n", b"GET / HTTP/1.1\r\n\r"])
async def test_a_second_head_has_the_same_deadline(parser: type[Guard], begun: bytes) -> None:
    async with echo(parser, head_seconds=0.3, idle_seconds=LONG) as (address, _), line(address) as one:
        await one.say(GOOD)
        assert (await one.hear()).status == 200
        await one.say(begun)
        assert (await one.end())[:12] in (b"", b"HTTP/1.1 400")


async def test_a_body_that_does_not_come_is_given_up(parser: type[Guard]) -> None:
    async with echo(parser, body_seconds=0.3) as (address, app), line(address) as one:
        await one.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n1")
        assert await one.end() == b""
        with anyio.fail_after(5):
            assert (await app.refused.get()).status == 400


async def test_what_follows_an_answered_request_is_read_to_its_deadline(parser: type[Guard]) -> None:
    most = 4 * 1024 * 1024
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    async with echo(parser, head_seconds=0.5, head_bytes=4096) as (address, _):
        async with line(address) as one:
            await one.say(head % (most + 1))
            assert (await one.hear()).status == 413
            await one.say(b"x" * 100_000)
            assert await one.end() == b""
        async with line(address) as whole:
            await whole.say(head % (most + 1) + b"x" * (most + 1))
            assert (await whole.hear()).status == 413
            await whole.say(GOOD)
            assert (await whole.hear()).body == b"/good 0"
        assert (await ask(address, head % most + b"x" * most)).body == b"/ %d" % most


async def test_a_chunked_body_is_cut_off_at_the_same_size(parser: type[Guard]) -> None:
    async with echo(parser) as (address, _), line(address) as one:
        await one.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(65):
            await one.say(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert (await one.hear()).status == 413


async def test_a_silent_connection_is_closed_after_a_while(parser: type[Guard]) -> None:
    async with echo(parser, head_seconds=LONG, idle_seconds=0.3) as (address, _), line(address) as one:
        await one.say(GOOD)
        assert (await one.hear()).status == 200
        assert await one.end() == b""


async def test_an_answer_that_takes_its_time_is_not_cut_off(parser: type[Guard]) -> None:
    limits = {"head_seconds": 0.1, "body_seconds": 0.1, "idle_seconds": 0.1}
    async with echo(parser, **limits) as (address, app), line(address) as one:
        await one.say(GOOD.replace(b"/good", b"/wait"))
        async with line(address) as other:
            assert await other.end() == b"", "a deadline went by"
        app.go.set()
        assert (await one.hear()).body == b"/wait 0"


async def test_who_asks_nothing_makes_room_for_who_does(parser: type[Guard]) -> None:
    limits = {"connections": 20, "head_seconds": LONG, "idle_seconds": LONG, "crowded_seconds": 0.0}
    async with echo(parser, **limits) as (address, app), AsyncExitStack() as stack:
        good = await stack.enter_async_context(line(address))
        await good.say(GOOD)
        assert (await good.hear()).status == 200
        busy = await stack.enter_async_context(line(address))
        await busy.say(GOOD.replace(b"/good", b"/wait"))
        for number in range(60):
            half = await stack.enter_async_context(line(address))
            await half.say(b"" if number % 2 else b"GET / HTTP/1.1\r\nX-")
        for _ in range(3):
            assert (await ask(address, GOOD)).status == 200
        await good.say(GOOD)
        assert (await good.hear()).status == 200
        app.go.set()
        assert (await busy.hear()).status == 200


async def test_a_newcomer_is_not_hung_up_on_for_another(parser: type[Guard]) -> None:
    async with echo(parser, connections=3, head_seconds=LONG) as (address, _), AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(line(address))
        async with line(address) as more:
            assert (await more.end()).startswith(b"HTTP/1.1 503 ")


async def test_in_a_crowd_of_strangers_the_oldest_makes_room_at_once(parser: type[Guard]) -> None:
    limits = {"connections": 6, "head_seconds": LONG, "crowded_seconds": LONG, "crowd": 4}
    async with echo(parser, **limits) as (address, _), AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(line(address)) for _ in range(6)]
        assert (await ask(address, GOOD)).status == 200
        assert await strangers[0].end() == b""
        await strangers[5].say(GOOD)
        assert (await strangers[5].hear()).status == 200


async def test_the_longest_silent_makes_room_where_all_asked(parser: type[Guard]) -> None:
    limits = {"connections": 3, "idle_seconds": LONG, "crowded_seconds": 0.0}
    async with echo(parser, **limits) as (address, _), AsyncExitStack() as stack:
        held = [await stack.enter_async_context(line(address)) for _ in range(3)]
        for each in (held[0], *held[1:] * 30):  # a loop's clock may know milliseconds only
            await each.say(GOOD)
            assert (await each.hear()).status == 200
        assert (await ask(address, GOOD)).status == 200
        assert await held[0].end() == b""
        await held[2].say(GOOD)
        assert (await held[2].hear()).status == 200


async def test_one_connection_too_many_is_told_so_and_a_free_place_is_taken(parser: type[Guard]) -> None:
    async with echo(parser, connections=3, head_seconds=LONG) as (address, _), AsyncExitStack() as stack:
        held = [await stack.enter_async_context(line(address)) for _ in range(3)]
        for each in held:
            await each.say(GOOD)
            assert (await each.hear()).status == 200
        async with line(address) as more:
            assert (await more.end()).startswith(b"HTTP/1.1 503 ")
        await held[0].say(GOOD)
        assert (await held[0].hear()).status == 200
        await _hang_up(held[1])
        assert (await ask(address, GOOD)).status == 200


async def _hang_up(one: Line) -> None:
    """Close, and wait until the other side has noticed: it closes too."""
    one.writer.write_eof()
    await one.end()


def head_of(size: int) -> bytes:
    start, end = b"GET /big HTTP/1.1\r\nHost: localhost\r\nX-Fill: ", b"\r\n\r\n"
    return start + b"f" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("step", [1_000_000, 700, 1], ids=["at-once", "in-pieces", "bytewise"])
async def test_a_head_has_its_size_and_not_a_byte_more(parser: type[Guard], step: int) -> None:
    async with echo(parser, head_bytes=2048) as (address, app):
        for size, status in ((2048, 200), (2049, 431), (60_000, 431)):
            async with line(address) as one:
                head = head_of(size)
                for begin in range(0, min(len(head), 3000 if step == 1 else len(head)), step):
                    await one.say(head[begin : begin + step])
                assert (await one.hear_head())[0] == status
                assert step == 1 or status == 200 or await one.end() == b""
        assert app.asked.qsize() == 1


async def test_a_small_head_with_a_large_body_is_no_large_head(parser: type[Guard]) -> None:
    async with echo(parser, head_bytes=1024) as (address, _), line(address) as one:
        for _ in range(3):
            await one.say(b"POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000)
            assert (await one.hear()).body == b"/in 50000"


async def test_requests_in_one_piece_are_answered_in_order(parser: type[Guard]) -> None:
    async with echo(parser) as (address, _), line(address) as one:
        await one.say(b"".join(GOOD.replace(b"good", b"%d" % number) for number in range(50)))
        assert [(await one.hear()).body for _ in range(50)] == [b"/%d 0" % number for number in range(50)]


async def test_many_requests_in_one_piece_are_not_taken_for_one_long_head(parser: type[Guard]) -> None:
    async with echo(parser, head_bytes=1000) as (address, _), line(address) as one:
        await one.say(b"".join(GOOD.replace(b"good", b"%d" % number) for number in range(400)))
        assert [(await one.hear()).body for _ in range(400)] == [b"/%d 0" % number for number in range(400)]


CHUNKED = b"POST /in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("path", [b"/in", b"/deaf"], ids=["read", "answered-at-once"])
@pytest.mark.parametrize("beside", [b"x-%d: y\r\n", b"y%d"], ids=["trailers", "one-long-trailer"])
async def test_trailers_without_end_are_cut_off(parser: type[Guard], path: bytes, beside: bytes) -> None:
    async with echo(parser, head_bytes=4096) as (address, _), line(address) as one:
        await one.say(CHUNKED.replace(b"/in", path) + b"2\r\nxx\r\n0\r\nx: ")
        said = 0
        with anyio.fail_after(5), suppress(ConnectionError):
            while not one.is_over:
                await one.say(b"".join(beside % number for number in range(said, said + 100)))
                said += 100
        assert b"/in 2" not in await one.end()
        assert (await ask(address, GOOD)).status == 200


async def test_a_body_in_many_small_chunks_with_a_trailer_is_read_whole(parser: type[Guard]) -> None:
    async with echo(parser, head_bytes=1000) as (address, app), line(address) as one:
        for _ in range(2):
            await one.say(CHUNKED)
            for _ in range(50):
                await one.say(b"1\r\nx\r\n" * 100)
            await one.say(b"0\r\nHost: evil.example\r\n\r\n")
            assert (await one.hear()).body == b"/in 5000"
        assert app.hosts == [[b"localhost"], [b"localhost"]]


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET / HTTP/1.1\r\nHost: local\x00host\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_answered_with_400_and_reaches_nobody(parser: type[Guard], bad: bytes) -> None:
    async with echo(parser) as (address, app), line(address) as one:
        await one.say(bad)
        assert (await one.end()).startswith(b"HTTP/1.1 400 ")
        assert app.asked.empty()
        assert (await ask(address, GOOD)).status == 200


@pytest.mark.parametrize("target", [b"http://localhost/good", b"HTTP://evil.example/good", b"*"])
async def test_a_target_that_is_no_path_is_seen_as_what_it_is(parser: type[Guard], target: bytes) -> None:
    async with echo(parser) as (address, _):
        answer = await ask(address, b"OPTIONS " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer.status == 400 or answer.body.split()[0] == target
