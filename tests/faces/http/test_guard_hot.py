"""What goes past the parser, and what does not, on raw sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from reconciler.faces.gateway.limits import LIMITS
from reconciler.faces.http.body import read_body
from reconciler.faces.http.guard_hot import HotGuard
from reconciler.faces.http.hot import MOST_BODY, Begun
from reconciler.faces.http.hot import Line as Connection
from reconciler.faces.http.limits import Limits
from tests.faces.http.raw import PATIENCE, Line, line, listened
from tests.requirements import requirement
from tests.waiting import come_true

pytestmark = [requirement("GATE-1:short-way", "GATE-1:client-limits"), pytest.mark.anyio]
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


class Taken:
    """What was begun and is answered at once: nothing more can come of it."""

    def hand_over(self) -> None: ...

    def drop(self) -> None: ...


class Learner:
    """An app that says of each request when it began, learns every head, and answers with the way it came."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began.set()
        await read_body(scope, receive)
        if "learn" in scope:
            scope["learn"](self)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"usual"})

    def begin(self, body: bytes, line: Connection) -> Begun:
        asyncio.get_running_loop().call_soon(line.answer, b"short")
        return Taken()


class Late(Learner):
    """Keeps what came, either way, in its order. What came past the parser is answered by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[bytes] = []
        self.lines: list[Connection] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noted() -> Any:
            message = await receive()
            self.heard.append(message["body"])
            return message

        await super().__call__(scope, noted, send)

    def begin(self, body: bytes, line: Connection) -> Begun:
        self.heard.append(body)
        self.lines.append(line)
        return Taken()


async def said_in_two_pieces(one: Line, app: Learner, size: int) -> tuple[bool, bytes]:
    """Whether the app had the request before it was whole, and the answer."""
    app.began.clear()
    await one.say(HEAD % size + b"x" * 10)
    with anyio.move_on_after(0.3):
        await app.began.wait()
    early = app.began.is_set()
    await one.say(b"x" * (size - 10))
    return early, (await one.hear()).body


async def test_a_long_body_behind_a_known_head_is_read_where_its_bytes_are_counted() -> None:
    app = Learner()
    async with listened(app, Limits(), parser=HotGuard) as address, line(address) as one:
        for way in (b"usual", b"short", b"short"):
            await one.say(HEAD % 1 + b"x")
            assert (await one.hear()).body == way
        assert await said_in_two_pieces(one, app, 1000) == (False, b"short")
        assert await said_in_two_pieces(one, app, MOST_BODY) == (False, b"short")
        assert await said_in_two_pieces(one, app, MOST_BODY + 1) == (True, b"usual")


async def test_a_request_that_comes_with_the_answer_of_another_overtakes_none_that_waits() -> None:
    app, made = Late(), list[Any]()

    class Seen(HotGuard):
        def connection_made(self, transport: Any) -> None:
            made.append(self)
            super().connection_made(transport)

    async with listened(app, Limits(), parser=Seen) as address, line(address) as one:
        await one.say(HEAD % 1 + b"x")
        assert (await one.hear()).body == b"usual"
        await one.say(HEAD % 1 + b"a")
        await come_true(lambda: bool(app.lines), PATIENCE)
        await one.say(HEAD % 1 + b"b")
        await come_true(lambda: not made[0].flow.none_waits, PATIENCE)
        app.lines[0].answer(b"short")
        made[0].data_received(HEAD % 1 + b"c")  # in the same turn of the loop
        assert [(await one.hear()).body for _ in "abc"] == [b"short", b"usual", b"usual"]
    assert app.heard == [b"x", b"a", b"b", b"c"]


def test_what_all_connections_wait_for_is_what_the_gateway_lets_be_asked() -> None:
    assert MOST_BODY * Limits().connections <= LIMITS.bodies
