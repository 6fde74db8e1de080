"""The same bytes to a listener with the short way and to one without: what is answered, and what the app was asked."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections import defaultdict
from typing import Any

import anyio
import pytest

from reconciler.faces.http.address import Address
from reconciler.faces.http.guard_fast import FastGuard
from reconciler.faces.http.guard_hot import HotGuard
from reconciler.faces.http.hot import MOST_HEAD, Begun, learnt
from reconciler.faces.http.hot import Line as Connection
from reconciler.faces.http.limits import Limits
from tests.faces.http.raw import line, listened
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:short-way"), pytest.mark.anyio]
PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


def digest(headers: Any, body: bytes) -> bytes:
    """What tells a request from others, but for how its length is written."""
    rest = sorted((name, value) for name, value in headers if name != b"content-length")
    return hashlib.sha256(repr((rest, body)).encode()).hexdigest().encode()


class Echo:
    """Answers with the digest of each request and keeps it. What the first byte of a body says is done on the way."""

    def __init__(self) -> None:
        self.asked: dict[bytes, list[bytes]] = defaultdict(list)
        self.short = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, headers = b"", [tuple(each) for each in scope["headers"]]
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        made = digest(headers, body)
        if "begun" in scope:
            assert scope.pop("begun").made == made
        else:
            self.asked[dict(headers).get(b"x-stream", b"")].append(made)
        if "learn" in scope:
            scope["learn"](Known(self, headers))
        if body[:1] in b"dh":
            await asyncio.sleep(0.002)
        length = (b"content-length", b"%d" % len(made))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", JSON), length]})
        await send({"type": "http.response.body", "body": made})


JSON = b"application/json"


class Known:
    """Takes bodies by their first byte: not at all, answered now or later, or handed over now or later."""

    def __init__(self, app: Echo, headers: Any) -> None:
        self.app = app
        self.headers = headers

    def begin(self, body: bytes, line: Connection) -> Begun | None:
        if body[:1] in b"n":
            return None
        taken = Taken(digest(self.headers, body), line)
        self.app.short += 1
        self.app.asked[dict(self.headers).get(b"x-stream", b"")].append(taken.made)
        act = taken.hand_over if body[:1] in b"gh" else taken.answer
        asyncio.get_running_loop().call_later(0.002 if body[:1] in b"dh" else 0, act)
        return taken


class Taken:
    def __init__(self, made: bytes, line: Connection) -> None:
        self.made = made
        self.line: Connection | None = line

    def answer(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            line.answer(self.made)

    def hand_over(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            line.hand_over(self)

    def drop(self) -> None: ...


LENGTHS = ["{}", "0{}", "   {}", "\t{}", "{} ", "+{}", "-{}", "0x{}", "{0}, {0}", "\r\n {}", "{}\r\n ", "00000000{}"]
LENGTHS += ["{0}\r\nContent-Length: {0}", "{}\r\nContent-Length: 3", "9" * 30, "", "{}\r\nTransfer-Encoding: chunked"]
EXTRA = [
    "Connection: keep-alive",
    "Connection: close",
    "Connection: keep-alive, close",
    "Connection: keep-alive\r\n , close",
]
EXTRA += ["Transfer-Encoding: identity", "Transfer-Encoding : chunked", "Expect: 100-continue", "Upgrade: websocket"]
EXTRA += [
    "Connection: Upgrade\r\nUpgrade: h2c",
    "X: HTTP/1.1",
    "X: y\nTransfer-Encoding: chunked",
    "X: y\rZ",
    "X: y\r\n z",
]
EXTRA += ["X-Content-Length: 5", "Proxy-Connection: close", "\x0bTransfer-Encoding: chunked", "X:\x00"]
FIRST = [
    "POST /mcp HTTP/1.0",
    "GET /mcp HTTP/1.1",
    "post /mcp HTTP/1.1",
    "POST /mcp?x= HTTP/1.1 HTTP/1.0",
    "PUT /x HTTP/1.1",
]
INNER = b"aPOST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"


def request(chance: random.Random, name: int, odd: float) -> bytes:
    """One request, as it should be or not."""
    first = chance.choice(FIRST) if chance.random() < odd / 4 else "POST /mcp HTTP/1.1"
    body = chance.choice([b"", b"a", b"d" * 30, b"g{}", b"hello", b"n\r\n\r\n", INNER, chance.randbytes(20)])
    length = chance.choice(LENGTHS) if chance.random() < odd else "{}"
    lines = ["Host: localhost", f"X-Stream: {name}", "Content-Length: " + length.format(len(body))]
    if chance.random() < odd:
        lines.insert(chance.randrange(4), chance.choice(EXTRA))
    if chance.random() < odd:
        chance.shuffle(lines)
    whole = "\r\n".join([first, *lines, "", ""]).encode("latin-1") + body
    if chance.random() < odd / 8:
        whole += chance.choice([b"\r\n", b"\n", b"x", b" "])
    return whole if chance.random() > odd / 8 else whole[: chance.randrange(len(whole))]


def pieces(chance: random.Random, name: int) -> list[tuple[bytes, float]]:
    """What is sent at a time, and how long is waited then."""
    odd = chance.choice([0.0, 0.1, 0.5])
    found: list[tuple[bytes, float]] = []
    together, last = b"", b""
    for _ in range(chance.randrange(3, 9)):
        last = last if last and chance.random() < 0.5 else request(chance, name, odd)
        together += last
        if chance.random() < 0.8:
            cut = chance.randrange(len(together) + 1) if chance.random() < 0.3 else 0
            found += [(together[:cut], chance.choice([0.0, 0.002])), (together[cut:], chance.choice([0.0, 0.005]))]
            together = b""
    return [*found, (together, 0.0)]


async def say(address: Address, said: list[tuple[bytes, float]]) -> tuple[bytes, bool, bool]:
    """What comes back until it is quiet, without dates; whether the connection was closed, and because of no HTTP."""
    got, closed, reset = b"", False, False
    async with line(address) as one:
        for piece, rest in said:
            if not one.is_over:
                await one.say(piece)
                await anyio.sleep(rest)
        with anyio.move_on_after(0.2):
            try:
                while piece := await one._reader.read(65536):
                    got += piece
                closed = True
            except ConnectionError:
                closed = reset = True
    return re.sub(rb"date: [^\r]*\r\n", b"", got), closed, reset or got.endswith(b"Invalid HTTP request received.")


def is_same(one: Any, asked: list[bytes], other: Any, wanted: list[bytes]) -> bool:
    """What is no HTTP ends the connection at once: then what came before it is answered, or asked, as far as it got."""
    if one[2] and other[2]:
        least = min(len(asked), len(wanted))
        return asked[:least] == wanted[:least]
    return (one, asked) == (other, wanted)


async def test_no_bytes_are_answered_otherwise_or_ask_anything_else_on_the_short_way() -> None:
    short, usual = Echo(), Echo()
    limits = Limits(connections=1000)
    async with (
        listened(short, limits, parser=HotGuard) as one,
        listened(usual, limits, parser=FastGuard) as other,
        anyio.create_task_group() as tasks,
    ):
        places = anyio.CapacityLimiter(32)

        async def compare(name: int) -> None:
            key = str(name).encode()
            said = pieces(random.Random(name), name)
            for patience in (1, 5, 20):
                slowly = [(piece, rest * patience) for piece, rest in said]
                async with places:
                    found, expected = await say(one, slowly), await say(other, slowly)
                asked, wanted = short.asked.pop(key, []), usual.asked.pop(key, [])
                if is_same(found, asked, expected, wanted):
                    return
            assert (name, found, asked) == (name, expected, wanted)

        for name in range(400):
            tasks.start_soon(compare, name)
    assert short.short > 200


HEAD = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize(
    ("more", "is_learnt"),
    [
        ("", True),
        ("Connection: keep-alive\r\n", True),
        ("Connection: close\r\n", False),
        ("Transfer-Encoding: chunked\r\n", False),
        ("Expect: 100-continue\r\n", False),
        ("Upgrade: h2c\r\n", False),
        ("X: y\r\n z\r\n", False),
        ("X: y\nTransfer-Encoding: chunked\r\n", False),
        ("X: \x00\r\n", False),
        ("X : y\r\n", False),
        ("no colon\r\n", False),
        ("Content-Length: 2\r\n", False),
        ("X: " + "x" * MOST_HEAD + "\r\n", False),
    ],
)
def test_a_head_is_learnt_where_nothing_but_its_length_says_where_the_body_ends(more: str, is_learnt: bool) -> None:
    whole = f"{HEAD}{more}\r\n{{}}".encode()
    assert (learnt(whole, Known(Echo(), [])) is not None) is is_learnt
    old = whole.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"localhost", b"localhost HTTP/1.1")
    assert learnt(old, Known(Echo(), [])) is None


async def test_a_body_that_is_still_coming_is_not_an_idle_connection() -> None:
    async with (
        listened(Echo(), Limits(idle_seconds=0.3), parser=HotGuard) as address,
        line(address) as one,
        line(address) as idle,
    ):
        for _ in range(2):
            await one.say(HEAD.encode() + b"\r\naa")
            assert (await one.hear()).status == 200
        await one.say(HEAD.encode() + b"\r\na")
        await idle.say(HEAD.encode() + b"\r\naa")
        assert (await idle.hear()).status == 200
        assert await idle.end() == b""
        await one.say(b"a")
        assert (await one.hear()).status == 200
