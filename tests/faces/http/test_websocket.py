"""What a WebSocket may do: on both parsers and event loops, with a good client and by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode

from reconciler.faces.http.address import Address
from reconciler.faces.http.guard import Guard, PlainGuard
from reconciler.faces.http.guard_hot import HotGuard
from reconciler.faces.http.limits import Limits
from reconciler.faces.http.problems import HttpProblem
from reconciler.faces.http.websocket import PIECE, Gone
from tests.faces.http.kinds import FAST, anyio_backend, kind
from tests.faces.http.raw import PATIENCE, ask, line, listened
from tests.faces.http.sockets import NOISE, ending, frame, raw_socket, refusal, socket, spoilt, upgrade
from tests.requirements import requirement

__all__ = ["anyio_backend", "kind"]

pytestmark = [requirement("GATE-1:sockets"), pytest.mark.anyio]
GOOD = b"GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n"
MIB = 1024 * 1024
FLOOD, HELD = 100, 0.1
"""Texts of a MiB, more than any buffers in between take; seconds after which one that is not taken is held back."""


@pytest.fixture
def parser(kind: str) -> type[Guard]:
    return HotGuard if kind == FAST else PlainGuard


class Parrot:
    """Says every text again. `/no` refuses, `/bye` closes, `/broken` fails,
    `/idle` takes nothing until `go`, `/flood` says too much."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.held = asyncio.Event()
        self.scopes: list[Any] = []
        self.ends: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            await self._answer(scope, send)
            return
        assert (await receive())["type"] == "websocket.connect"
        match scope["path"]:
            case "/no":
                await HttpProblem(409, "taken", "not here").response()(scope, receive, send)
            case "/close-first":
                await send({"type": "websocket.close"})
            case "/silent":
                return
            case "/broken":
                raise ValueError("a mistake")
            case _:
                await send({"type": "websocket.accept"})
                await self._talk(scope["path"], receive, send)

    async def _answer(self, scope: Any, send: Any) -> None:
        if scope["path"] == "/wait":
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _talk(self, path: str, receive: Any, send: Any) -> None:
        if path == "/bye":
            await send({"type": "websocket.close", "code": 1001, "reason": "replaced"})
        if path == "/idle":
            await self.go.wait()
        try:
            if path == "/flood":
                await self._flood(send)
            while (event := await receive())["type"] == "websocket.receive":
                self.heard.append(event["text"])
                await send({"type": "websocket.send", "text": event["text"]})
            self.ends.put_nowait((event["code"], event["reason"]))
        except Gone:
            self.ends.put_nowait("gone")

    async def _flood(self, send: Any) -> None:
        for _ in range(FLOOD):
            sending = asyncio.ensure_future(send({"type": "websocket.send", "text": "x" * MIB}))
            if not (await asyncio.wait({sending}, timeout=HELD))[0]:
                self.held.set()
            await sending


@asynccontextmanager
async def parrot(parser: type[Guard], **limits: Any) -> AsyncIterator[tuple[Address, Parrot]]:
    app = Parrot()
    async with listened(app, Limits(**limits), parser=parser) as address:
        yield address, app


async def end_of(app: Parrot) -> Any:
    with anyio.fail_after(PATIENCE):
        return await app.ends.get()


async def held(app: Parrot) -> None:
    """Wait until what it says is not taken any more."""
    with anyio.fail_after(PATIENCE):
        await app.held.wait()


# Good sockets


async def test_texts_go_both_ways_whole(parser: type[Guard]) -> None:
    texts = ["", "é𝄞\n", "x" * 4 * MIB]
    async with parrot(parser) as (address, app), socket(address, "/a%20b/c?force=1") as opened:
        for text in texts:
            await opened.send(text)
            assert await opened.recv() == text
        await opened.send(["in ", "three ", "frames"])
        assert await opened.recv() == "in three frames"
        scope = app.scopes[0]
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b/c", b"/a%20b/c", b"force=1")
        await opened.close(1000, "enough")
        assert await end_of(app) == (1000, "enough")


async def test_one_may_follow_a_request_on_the_same_connection(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        await one.say(GOOD)
        assert (await one.hear()).body == b"ok"
        await one.say(upgrade("/"))
        assert (await one.hear_head())[0] == 101
        await one.say(frame(b"hello"))
        assert await one.hear_some() == b"\x81\x05hello"
        await one.say(frame(b"", Opcode.CLOSE))
        assert await end_of(app) == (1005, "")
        assert await one.end() == b"\x88\x00"


async def test_our_farewell_arrives_while_the_other_side_talks(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, _), socket(address, "/bye") as opened:
        with suppress(ConnectionClosed):
            for _ in range(50):
                await opened.send("x" * 10_000)
        assert await ending(opened) == (1001, "replaced")


async def test_the_end_of_the_listener_is_said(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app):
        opening = socket(address, "/")
        opened = await opening.__aenter__()
        await opened.send("here")
        assert await opened.recv() == "here"
    assert await ending(opened) == (1012, "the engine stops")
    assert await end_of(app) == (1012, "the engine stops")
    await opening.__aexit__(None, None, None)


async def test_a_ping_is_answered(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, _), socket(address, "/") as opened:
        with anyio.fail_after(PATIENCE):
            await (await opened.ping())


async def test_whoever_answers_our_pings_stays(parser: type[Guard]) -> None:
    async with parrot(parser, ping_seconds=0.05) as (address, app), raw_socket(address, "/") as one:
        for _ in range(5):
            assert await one.hear_some() == b"\x89\x00"
            await one.say(frame(b"", Opcode.PONG))
        assert app.ends.empty()
        await one.say(frame(b"still here"))
        assert b"still here" in await one.hear_some() + await one.hear_some()


# Refusals


async def test_a_refusal_is_an_answer_in_http(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, _):
        assert await refusal(address, "/no") == (409, b'{"error":{"code":"taken","message":"not here"}}')
        assert (await refusal(address, "/close-first"))[0] == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Version": "8"}, 400),
        ({"Sec_WebSocket_Version": ""}, 400),
        ({"Connection": "keep-alive"}, 200),
        ({"Upgrade": "h2c"}, 200),
    ],
    ids=str,
)
async def test_what_is_no_handshake_opens_nothing(parser: type[Guard], headers: dict[str, str], status: int) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        await one.say(upgrade("/", **headers))
        answer = await one.hear()
        assert answer.status == status
        if status != 200:
            assert answer.json["error"]["code"] == "bad-upgrade"
        assert all(scope["type"] == "http" for scope in app.scopes)


@pytest.mark.parametrize("head", [b"POST / HTTP/1.1", b"GET / HTTP/1.0"])
async def test_only_a_get_of_http_1_1_is_an_upgrade(parser: type[Guard], head: bytes) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        request = upgrade("/").replace(b"GET / HTTP/1.1", head)
        await one.say(request.replace(b"Host", b"Content-Length: 0\r\nHost"))
        assert (await one.hear()).status == 200
        assert [scope["type"] for scope in app.scopes] == ["http"]


async def test_a_target_in_absolute_form_is_not_taken_for_a_path(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        await one.say(upgrade("http://elsewhere/path"))
        assert (await one.hear_head())[0] == 101
        assert app.scopes[0]["raw_path"] == b"http://elsewhere/path"


async def test_an_upgrade_never_overtakes_an_answer(parser: type[Guard]) -> None:
    """Either it waits for it, or the connection ends: the app that answers would never hear of its end."""
    async with parrot(parser) as (address, app), line(address) as one:
        await one.say(GOOD.replace(b"/good", b"/wait") + upgrade("/"))
        with anyio.fail_after(PATIENCE):
            while not app.scopes:
                await checkpoint()
        assert [scope["type"] for scope in app.scopes] == ["http"]
        app.go.set()
        heard = b""
        while b"101 Switching" not in heard and (more := await one.hear_some()):
            heard += more
        assert heard == b"" or heard.index(b"200 OK") < heard.index(b"101 Switching")


async def test_a_head_that_does_not_end_is_cut_off(parser: type[Guard]) -> None:
    async with parrot(parser, head_seconds=0.2) as (address, _), line(address) as one:
        await one.say(upgrade("/")[:-2])
        assert await one.end() == b""


async def test_an_open_socket_has_no_deadline_of_requests(parser: type[Guard]) -> None:
    async with (
        parrot(parser, head_seconds=0.3, body_seconds=0.3, idle_seconds=0.3) as (address, _),
        socket(address, "/") as opened,
        line(address) as late,
        line(address) as idle,
    ):
        await late.say(GOOD[:-2])
        await idle.say(GOOD)
        assert (await late.end(), (await idle.hear()).status, await idle.end()) == (b"", 200, b"")
        await opened.send("still here")
        assert await opened.recv() == "still here"


async def test_sockets_count_as_connections(parser: type[Guard]) -> None:
    async with parrot(parser, connections=2) as (address, app), socket(address, "/"), socket(address, "/") as second:
        assert (await ask(address, GOOD)).status == 503
        await second.close()
        assert await end_of(app) == (1000, "")
        assert (await ask(address, GOOD)).status == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("path", ["/broken", "/silent"])
async def test_an_app_that_fails_is_an_error_of_ours(parser: type[Guard], path: str) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    async with parrot(parser) as (address, _):
        assert (await refusal(address, path))[0] == 500
    assert [str(error) for error in failures] == (["a mistake"] if path == "/broken" else [])


# Hostile ones


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(NOISE, Opcode.BINARY), 1003),
        (frame(b"\xff\xfe"), 1007),
        (frame(b"x" * (4 * MIB + 1)), 1009),
        (frame(b"x" * 3 * MIB, fin=False) + frame(b"x" * (MIB + 1), Opcode.CONT), 1009),
        (frame(b"", fin=False) + frame(b"", Opcode.CONT, fin=False) * 1024, 1009),
        (frame(b"", Opcode.PING) * 201, 1008),
        (frame(b"", Opcode.PONG) * 201, 1008),
        (frame(b"x", Opcode.CONT), 1002),
        (frame(b"x", fin=False) + frame(b"y"), 1002),
        (spoilt(b"not masked"), 1002),
        (b"\xff" * 100, 1002),
        (NOISE, 1002),
    ],
    ids=range(12),
)
async def test_what_may_not_be_sent_ends_the_socket_with_its_code(parser: type[Guard], sent: bytes, code: int) -> None:
    async with parrot(parser) as (address, app), raw_socket(address, "/") as one:
        await one.say(sent)
        assert (await end_of(app))[0] == code
        one.writer.write_eof()  # whoever does not is let go after a while
        assert code.to_bytes(2, "big") in await one.end()
        assert (await ask(address, GOOD)).status == 200


async def test_a_message_at_its_limit_passes_and_a_byte_more_does_not(parser: type[Guard]) -> None:
    async with parrot(parser, message_bytes=10, message_frames=3) as (address, app):
        async with socket(address, "/") as opened:
            await opened.send("0123456789")
            assert await opened.recv() == "0123456789"
            await opened.send(["01234", "56789"])
            assert await opened.recv() == "0123456789"
            await opened.send("0123456789a")
            assert (await ending(opened))[0] == 1009
        assert (await end_of(app))[0] == 1009


async def test_whoever_does_not_answer_a_ping_is_gone(parser: type[Guard]) -> None:
    async with parrot(parser, ping_seconds=0.05) as (address, app), raw_socket(address, "/") as one:
        assert await end_of(app) == (1011, "no answer to a ping")
        assert await one.end() != b""


async def test_an_app_that_takes_its_time_is_no_reason_to_hang_up(parser: type[Guard]) -> None:
    """Others were asked and given up after it."""
    async with parrot(parser, ping_seconds=0.02) as (address, app), socket(address, "/idle") as opened:
        await opened.send("one")
        await opened.send("two")
        for _ in range(3):
            async with raw_socket(address, "/"):
                assert await end_of(app) == (1011, "no answer to a ping")
        app.go.set()
        assert [await opened.recv(), await opened.recv()] == ["one", "two"]


async def test_what_the_app_does_not_take_is_not_read(parser: type[Guard]) -> None:
    """The client is held back by TCP: what we hold is a message, and a read of the loop's."""
    async with parrot(parser) as (address, app), raw_socket(address, "/idle") as one:
        one.writer.transport.set_write_buffer_limits(0)
        for _ in range(10_000):
            one.writer.write(frame(b"x" * 10_000))
            with anyio.move_on_after(0.2) as drained:
                await one.writer.drain()
            if drained.cancelled_caught:
                break
        assert drained.cancelled_caught, "100 MB went somewhere"
        app.go.set()


async def test_whoever_does_not_read_holds_the_app_back_and_is_let_go_in_the_end(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
        await one.say(upgrade("/flood"))
        await held(app)
        assert app.ends.empty()
        one.writer.transport.abort()
        assert await end_of(app) == "gone"


async def test_pings_of_one_who_does_not_read_pile_up_nowhere(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app), line(address) as one:
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is one that reads
        await one.say(upgrade("/flood"))
        await held(app)
        await one.say(frame(b"", Opcode.PING))
        assert await end_of(app) == "gone"


async def test_thousands_of_small_frames_are_read_a_piece_at_a_time(parser: type[Guard]) -> None:
    """Between two pieces others have a turn."""
    async with parrot(parser) as (address, app), raw_socket(address, "/") as one:
        turns = 0

        async def neighbour() -> None:
            nonlocal turns
            while True:
                await checkpoint()
                turns += 1

        many = 20_000
        others = asyncio.create_task(neighbour())
        one.writer.write(frame(b"") * many)
        with anyio.fail_after(PATIENCE):
            while len(app.heard) < many:
                await one.hear_some()
        others.cancel()
        assert turns >= many * len(frame(b"")) // PIECE // 2


async def test_messages_in_many_small_frames_are_held_back(parser: type[Guard]) -> None:
    many = (frame(b"", fin=False) + frame(b"", Opcode.CONT, fin=False) * 98 + frame(b"", Opcode.CONT)) * 1000
    async with parrot(parser, part_frames=700) as (address, app), raw_socket(address, "/") as one:
        one.writer.write(many)
        assert await one.hear_some() != b""
        assert len(app.heard) < 50, "it read on without a pause"


async def test_an_end_that_is_not_answered_is_not_waited_for_long(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, _), raw_socket(address, "/bye") as one:
        assert await one.end() == b"\x88\x0a\x03\xe9replaced"


async def test_half_an_end_is_an_end(parser: type[Guard]) -> None:
    async with parrot(parser) as (address, app), raw_socket(address, "/") as one:
        one.writer.write_eof()
        assert await end_of(app) == (1006, "the connection broke off")
