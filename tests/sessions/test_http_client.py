"""The HTTP client of remote sessions: nothing outlasts its deadline or outgrows its limit, and no failure is lost."""

import asyncio
import gzip
import logging
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.lowlevel import checkpoint

from reconciler.model.secret import parse_template
from reconciler.model.server import Remote
from reconciler.sessions.dial import MAX_CONNECTIONS
from reconciler.sessions.exchange import Exchange
from reconciler.sessions.http_body import PIECE, Body
from reconciler.sessions.http_failures import clean, describe, explanation, is_rpc_error, place, seconds_to_wait
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import SessionError
from reconciler.sessions.target import Target, target_of
from tests.needs import PEAK_OF_MEMORY
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, mcp, says, streams
from tests.sessions.remotes import nothing_left, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]
__all__ = ["nothing_left"]

MIB = 1024 * 1024


# Sizes


def answer_of(size: int) -> bytes:
    """The body of an answer to request 2 that is exactly this long."""
    frame = b'{"jsonrpc":"2.0","id":%d,"result":{"text":"%s"}}'
    return frame % (3, b"x" * (size - len(frame % (3, b""))))


async def outcome(behaviour: Behaviour) -> Any:
    """What becomes of a call whose answer behaves like this; the session must outlive it."""
    with anyio.fail_after(20):
        async with EvilHttp(mcp("handshake", **{"tools/call": behaviour})) as server, opened(server.url) as session:
            try:
                return await session.request("tools/call", {"name": "x"}, timeout=15)
            except SessionError as error:
                return error
            finally:
                await session.probe()


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("announced", [False, True])
async def test_an_answer_at_the_limit_passes_and_one_byte_more_does_not(
    over: int, compressed: bool, announced: bool
) -> None:
    async def behave(request: Request, connection: Connection) -> None:
        body = answer_of(LIMITS.response + over)
        assert request.message["id"] == 3
        headers = {"content-type": "application/json"}
        if compressed:
            body, headers["content-encoding"] = gzip.compress(body), "gzip"
        if announced:
            await connection.head(200, {**headers, "content-length": str(len(body))})
            await connection.raw(body)
        else:
            await connection.head(200, {**headers, "connection": "close"})
            await connection.raw(body)
            connection.writer.close()

    result = await outcome(behave)
    if over:
        assert isinstance(result, SessionError) and result.code == "message-too-large"
        assert f"exceeds {LIMITS.response} bytes" in str(result)
    else:
        assert set(result) == {"text"}


@contextmanager
def at_most(extra: int) -> Iterator[None]:
    """This process grows by no more than `extra` bytes meanwhile, at its peak."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory("VmRSS")
    yield
    assert _memory("VmHWM") - before <= extra


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def bomb(size: int) -> bytes:
    """`size` bytes of JSON string, as gzip: a thousandth of it."""
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(b'{"jsonrpc":"2.0","id":3,"result":{"text":"')]
    parts += [packer.compress(b"x" * MIB) for _ in range(size // MIB)]
    return b"".join([*parts, packer.compress(b'"}}'), packer.flush()])


@pytest.mark.needs(PEAK_OF_MEMORY)
async def test_a_compression_bomb_is_cut_before_it_goes_off() -> None:
    packed = bomb(256 * MIB)

    async def behave(request: Request, connection: Connection) -> None:
        await connection.answer(200, packed, {"content-encoding": "gzip"})

    with at_most(32 * MIB):
        result = await outcome(behave)
    assert result.code == "message-too-large"


@requirement("LIVE-2:neighbours")
async def test_what_was_cut_is_not_parsed(caplog: pytest.LogCaptureFixture) -> None:
    """To parse it holds up everybody for 60 ms, and to say what is wrong with it for 20 to 100 more."""
    packed = gzip.compress(b'{"jsonrpc":"2.0","id":3,"result":[' + b"[]," * (2 * MIB))
    with caplog.at_level(logging.DEBUG, "mcp.client.streamable_http"):
        cut = await outcome(says(200, packed, "application/json", Content_Encoding="gzip"))
        assert cut.code == "message-too-large" and "Error parsing" not in caplog.text
        await outcome(says(200, b"[[],", "application/json"))
        assert "Error parsing" in caplog.text


async def test_a_subscription_that_is_answered_without_end_and_not_as_a_stream_is_cut() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.head(200, {"content-type": "application/json"})
        await connection.drip(b" " * 65536, 0)

    changing = {"tools": {"listChanged": True}}
    with anyio.fail_after(20):
        async with (
            EvilHttp(mcp("stateless", changing, **{"subscriptions/listen": behave})) as server,
            opened(server.url) as session,
        ):
            await server.until("subscriptions/listen", 2)
            await session.probe()


@pytest.mark.needs(PEAK_OF_MEMORY)
@pytest.mark.parametrize("announced", [False, True])
async def test_a_body_without_end_is_cut(announced: bool) -> None:
    sent = 0

    async def behave(request: Request, connection: Connection) -> None:
        nonlocal sent
        headers = {"content-length": str(2 * 1024 * MIB)} if announced else {"connection": "close"}
        await connection.head(200, {"content-type": "application/json", **headers})
        while not connection.writer.is_closing():
            await connection.raw(b"x" * 65536)
            sent += 65536

    with at_most(32 * MIB):
        result = await outcome(behave)
    assert result.code == "message-too-large"
    assert sent < 64 * MIB


@pytest.mark.needs(PEAK_OF_MEMORY)
async def test_an_event_without_end_is_cut() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.raw(b"data: ")
        while not connection.writer.is_closing():
            await connection.raw(b"x" * 65536)

    with at_most(64 * MIB):
        result = await outcome(behave)
    assert isinstance(result, SessionError) and "event" in str(result)


async def test_an_event_may_be_as_long_as_an_answer() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.event(answer_of(3 * MIB).decode())
        await connection.gone()

    assert len((await outcome(behave))["text"]) > 2 * MIB


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "gzip,deflate", "compress", "x" * 5000])
async def test_no_other_encoding_is_taken_than_the_one_we_asked_for(encoding: str) -> None:
    async def behave(request: Request, connection: Connection) -> None:
        assert request.headers["accept-encoding"] == "gzip"
        await connection.answer(200, b"{}", {"content-encoding": encoding})

    result = await outcome(behave)
    assert isinstance(result, SessionError) and len(str(result)) < 200


async def test_a_standing_stream_is_asked_for_and_read_as_it_is() -> None:
    bombs = says(200, gzip.compress(b"\n" * MIB), "text/event-stream", Content_Encoding="gzip")
    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=bombs)) as server, opened(server.url) as session:
            assert (await server.until("GET")).headers["accept-encoding"] == "identity"
            await server.until("ping")
            await session.probe()


async def test_data_that_cannot_be_decompressed_fails_its_request() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.answer(200, b"this is no gzip", {"content-encoding": "gzip"})

    result = await outcome(behave)
    assert "cannot be decompressed" in str(result)


async def test_a_flood_of_headers_fails_its_request() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.raw(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            await connection.raw(b"x-%d: yes\r\n" % number)

    result = await outcome(behave)
    assert isinstance(result, SessionError)


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x00" * 100, b"HTTP/1.1 700000 No\r\n\r\n"])
async def test_something_that_is_not_http_fails_its_request(greeting: bytes) -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.raw(greeting)
        connection.writer.close()

    result = await outcome(behave)
    assert isinstance(result, SessionError) and result.code in ("protocol", "closed")


async def test_a_long_refusal_is_not_read_to_its_end() -> None:
    sent = 0

    async def behave(request: Request, connection: Connection) -> None:
        nonlocal sent
        await connection.head(503, {"content-type": "application/json", "connection": "close", "retry-after": "1"})
        while not connection.writer.is_closing():
            await connection.raw(b"x" * 65536)
            sent += 65536

    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", **{"tools/call": behave})) as server, opened(server.url) as session:
            with pytest.raises(SessionError, match="HTTP 503"):
                await session.request("tools/call", {"name": "x"}, timeout=4)
    assert sent < 16 * MIB


async def test_an_answer_that_announces_too_much_is_not_waited_for() -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.head(200, {"content-type": "application/json", "content-length": str(LIMITS.response + 1)})
        await connection.gone()

    with anyio.fail_after(5):
        assert (await outcome(behave)).code == "message-too-large"


async def test_an_answer_that_is_much_work_for_little_is_cut() -> None:
    """Forty megabytes of empty lines, in forty kilobytes: reading each takes longer than sending it."""
    packed = gzip.compress(b"\n" * (40 * MIB))

    async def behave(request: Request, connection: Connection) -> None:
        await connection.answer(200, packed, {"content-encoding": "gzip"}, "text/event-stream")

    assert (await outcome(behave)).code == "message-too-large"


async def test_between_the_pieces_of_an_answer_everybody_else_has_a_turn() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    other = asyncio.create_task(take_turns())
    response = httpx2.Response(200, stream=_Once(b"x" * MIB))
    pieces = [len(piece) async for piece in Body(response, "there:80", MIB, Exchange(), lambda error: None)]
    other.cancel()
    assert sum(pieces) == MIB and max(pieces) == PIECE
    assert turns >= len(pieces)


class _Once(httpx2.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


async def test_many_calls_at_once_share_connections_and_each_get_their_own_answer() -> None:
    many = asyncio.Event()

    async def echo(request: Request, connection: Connection) -> None:
        if len(server.seen("echo")) >= MAX_CONNECTIONS:
            many.set()
        await many.wait()
        await connection.result(request, {"n": request.message["params"]["n"]})

    with anyio.fail_after(20):
        async with EvilHttp(mcp("stateless", echo=echo)) as server, opened(server.url) as session:
            answers = await asyncio.gather(*(session.request("echo", {"n": n}, timeout=15) for n in range(200)))
            assert [answer["n"] for answer in answers] == list(range(200))
            assert server.connections == MAX_CONNECTIONS


async def test_a_storm_of_notifications_does_not_keep_others_waiting() -> None:
    storm = [{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}] * 2000
    with anyio.fail_after(20):
        async with EvilHttp(mcp(GET=streams(*storm))) as server, opened(server.url) as session:
            loop = asyncio.get_running_loop()
            began = loop.time()
            await session.probe()
            assert loop.time() - began < 2


# Sentences


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("3601", 3600.0),
        ("1000000000", 3600.0),
        ("9" * 5000, 3600.0),
        ("-5", None),
        ("1e9", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2020 12:00:30 GMT", 0.0),
        ("Sat, 21 Nov 2099 12:00:30 GMT", 3600.0),
        ("Sat, 99 Nov 2026 99:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_of_at_most_an_hour(header: str | None, seconds: float | None) -> None:
    assert seconds_to_wait(header, NOW) == seconds


@pytest.mark.parametrize(
    "wrong", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"error": 5}', b'{"error": []}']
)
def test_a_body_without_words_explains_nothing(wrong: bytes) -> None:
    assert explanation(wrong) == "" and not is_rpc_error(wrong)


def test_the_words_of_a_refusal_are_found() -> None:
    assert explanation(b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}') == "no"
    assert explanation(b'{"error":"invalid_token","error_description":"it expired"}') == "it expired"
    assert explanation(b'{"error":"invalid_token"}') == "invalid_token"
    assert explanation(b'{"detail":"not here"}') == "not here"


def test_words_of_a_server_become_one_short_printable_line() -> None:
    assert clean("a\nb\x1b[31m\u202ec\t d") == "a b [31m c d"
    assert len(clean("x" * 100_000)) == 201


def test_a_place_is_host_and_port_and_nothing_else() -> None:
    assert place(httpx2.URL("https://u:p@Example.COM/path?q=1")) == "example.com:443"
    assert place(httpx2.URL("http://[::1]:8080/")) == "[::1]:8080"


def test_a_failure_that_nobody_knows_is_still_a_sentence() -> None:
    group = ExceptionGroup("many", [ExceptionGroup("more", [KeyError("x")])])
    assert str(describe(group, "there:80")) == "there:80 cannot be used: KeyError."


def test_the_first_sentence_inside_a_group_is_the_one() -> None:
    inside = SessionError("It is closed on Sundays.")
    assert describe(ExceptionGroup("many", [ValueError("x"), inside]), "there:80") is inside


def test_causes_that_run_in_a_circle_end() -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    assert "cannot be used" in str(describe(first, "there:80"))


# Targets


def target(url: str = "https://there.example/mcp", **headers: str) -> Target:
    templates = {name: parse_template(text) for name, text in headers.items()}
    return target_of(Remote("http", parse_template(url), templates), lambda reference: f"value of {reference.name}")


@pytest.mark.parametrize(
    "url",
    ["", "there.example", "ftp://there.example", "file:///etc/passwd", "http://", "http:///x", "http://a:b/", "a\nb"],
)
def test_a_url_that_nothing_can_be_asked_of_is_refused(url: str) -> None:
    with pytest.raises(SessionError, match="url") as caught:
        target(url)
    assert caught.value.terminal and caught.value.code == "url"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "ä",
        "Host",
        "Content-Length",
        "transfer-encoding",
        "Mcp-Session-Id",
        "MCP-Protocol-Version",
    ],
)
def test_a_header_that_is_not_the_callers_is_refused(name: str) -> None:
    with pytest.raises(SessionError) as caught:
        target(**{name: "x"})
    assert caught.value.terminal and caught.value.code == "header"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7fb", "ключ", "a\x1bb"])
def test_a_value_that_would_break_out_of_its_header_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(SessionError) as caught:
        target(Authorization=f"hunter22{value}")
    assert caught.value.code == "header" and "hunter22" not in str(caught.value)


def test_the_same_header_in_two_spellings_is_refused() -> None:
    with pytest.raises(SessionError, match="given twice"):
        target(Authorization="a", authorization="b")


def test_a_target_does_not_show_what_it_holds() -> None:
    found = target("https://me:hunter22@there.example/mcp?key=hunter23", Authorization="Bearer ${env:TOKEN}")
    assert found.headers == {"Authorization": "Bearer value of TOKEN"}
    assert "hunter" not in repr(found) and "TOKEN" not in repr(found)
    assert found.where == "there.example:443"


@requirement("LIVE-1:reason-has-http-status")
def test_words_of_a_server_are_shown_without_what_we_told_it() -> None:
    found = target("https://me:hunter22@there.example/${env:PART}?key=hunter23", Authorization="Bearer hunter24")
    words = "hunter22 hunter23 hunter24 Bearer hunter24 value of PART and more"
    assert found.said(words) == "*** *** *** *** *** and more"
