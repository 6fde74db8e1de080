"""What a server sends without end is dealt with in small pieces, for a part of our time; what was asked for is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import httpcore2
import pytest

from reconciler.sessions.limits import LIMITS, Limits
from reconciler.sessions.rationed import AT_ONCE, LARGEST, PART, SMALLEST, SOON, Rationed
from reconciler.sessions.remote_unasked import Unasked
from tests.clock import JUMPING, JumpingLoop
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, Sse, mcp, streams
from tests.sessions.remotes import Kind, opened
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:neighbours")]


class Endless(httpcore2.AsyncNetworkStream):
    """There is always more; `asked` is how much of it at a time."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.said: list[str] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.append(max_bytes)
        return b"x" * max_bytes

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.said.append("write")

    async def aclose(self) -> None:
        self.said.append("close")

    async def start_tls(self, *given: Any, **more: Any) -> httpcore2.AsyncNetworkStream:
        self.said.append("tls")
        return Endless()

    def get_extra_info(self, info: str) -> Any:
        return info


async def spent(stream: httpcore2.AsyncNetworkStream, reads: int, each: float, *, asks: bool = False) -> float:
    """The seconds that so many pieces cost, where one takes `each` seconds to be dealt with."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    began = loop.time()
    for _ in range(reads):
        if asks:
            await stream.write(b"?")
        await stream.read(1 << 20)
        loop.jump(each)
    return loop.time() - began


@pytest.mark.parametrize("anyio_backend", [JUMPING])
async def test_what_takes_long_gets_a_part_of_our_time_in_small_pieces(anyio_backend: Any) -> None:
    endless = Endless()
    took = await spent(Rationed(endless), 200, 2 * SOON)
    assert took >= 0.9 * (200 * 2 * SOON - AT_ONCE) / PART
    assert set(endless.asked[10:]) == {SMALLEST}


@pytest.mark.parametrize("anyio_backend", [JUMPING])
async def test_what_is_soon_dealt_with_waits_for_nothing(anyio_backend: Any) -> None:
    endless = Endless()
    assert await spent(Rationed(endless), 100, SOON / 10) == pytest.approx(100 * SOON / 10)
    assert set(endless.asked[10:]) == {LARGEST}


@pytest.mark.parametrize("anyio_backend", [JUMPING])
async def test_the_time_before_a_request_counts_for_nothing(anyio_backend: Any) -> None:
    assert await spent(Rationed(Endless()), 20, 10.0, asks=True) == pytest.approx(200.0)


async def test_everything_else_is_as_before_also_within_tls(anyio_backend: Any) -> None:
    endless = Endless()
    stream = Rationed(endless)
    assert isinstance(await stream.start_tls(None), Rationed)  # type: ignore[arg-type]
    await stream.aclose()
    assert (endless.said, stream.get_extra_info("socket")) == (["tls", "close"], "socket")


def without_end(data: bytes, *, streams: bool = True) -> Behaviour:
    async def flood(request: Request, connection: Connection) -> None:
        if streams:
            await connection.stream()
        while True:
            await connection.raw(data * (16384 // len(data)))

    return flood


QUESTION = b'event: message\ndata: {"jsonrpc":"2.0","id":"q","method":"ping"}\n\n'


@pytest.mark.parametrize(
    "flood",
    [
        without_end(b"HTTP/1.1 103 Early Hints\r\n\r\n", streams=False),
        without_end(b"id: 1\nretry: 1\ndata: \n\n"),
        without_end(QUESTION),
        without_end(b": nothing\n\n"),
    ],
    ids=["early-hints", "empty-events", "questions", "comments"],
)
async def test_a_flood_on_the_standing_stream_keeps_no_other_from_being_served(flood: Behaviour) -> None:
    """There is no loop so quick that it could deal with it all."""
    with anyio.fail_after(20):
        async with (
            EvilHttp(mcp(GET=flood)) as server,
            EvilHttp(mcp()) as other,
            opened(server.url),
            opened(other.url) as session,
        ):
            await server.until("GET")
            for _ in range(20):
                assert await session.request("tools/list", {}, timeout=20)


@pytest.mark.parametrize(
    "message",
    [
        {"method": "notifications/message", "params": {"level": "info", "data": "again"}},
        {"method": "notifications/progress", "params": {"progressToken": "nobody's", "progress": 1}},
        {"id": "ping", "method": "ping"},
    ],
    ids=["log", "progress", "ping"],
)
@pytest.mark.parametrize("kind", ["http", "sse"])
@requirement("LIVE-2:neighbours", "LIVE-1:conditions")
async def test_a_flood_of_messages_is_known_as_one_until_a_little_after_its_end(
    message: dict[str, Any], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.sessions.streams.REMEMBERED", 0.3)
    monkeypatch.setattr("reconciler.sessions.remote_unasked.LIMITS", Limits(unasked_per_second=50))
    line = f"data: {json.dumps({'jsonrpc': '2.0', **message})}\n\n".encode()
    more = anyio.Event()

    async def flood(connection: Connection) -> None:
        await connection.raw(line * 10)
        await more.wait()
        await connection.raw(line * 400)

    async def stand(request: Request, connection: Connection) -> None:
        await connection.stream()
        await flood(connection)
        await connection.gone()

    class Loud(Sse):
        async def __call__(self, request: Request, connection: Connection) -> None:
            await super().__call__(request, connection)
            if request.rpc == "initialize" and self.standing is not None:
                floods.append(asyncio.create_task(flood(self.standing)))

    floods: list[asyncio.Task[None]] = []
    with anyio.fail_after(20):
        async with (
            EvilHttp(mcp(GET=stand) if kind == "http" else Loud()) as server,
            opened(server.url, kind) as session,
        ):
            await session.request("tools/list", {}, timeout=20)
            assert not session.flooding
            more.set()
            await come_true(lambda: session.flooding, 10)
            await come_true(lambda: not session.flooding, 10)


@pytest.mark.parametrize("anyio_backend", [JUMPING])
async def test_what_comes_slowly_because_it_is_read_slowly_is_a_flood_all_the_same(anyio_backend: Any) -> None:
    """A loop that takes a millisecond for each message reads no more than two hundred of them a second."""
    loop, unasked, calm = asyncio.get_running_loop(), Unasked(), Unasked()
    assert isinstance(loop, JumpingLoop)
    for _ in range(1000):
        loop.jump(1 / 250)
        calm.came()
        unasked.held_up()
        unasked.came()
    assert (unasked.flooding, calm.flooding) == (True, False)
    for _ in range(1000):
        loop.jump(1 / 50)
        unasked.held_up()
        unasked.came()
    assert not unasked.flooding, "what takes so long is something else"


async def test_who_asks_faster_than_it_takes_our_answers_is_hung_up_on() -> None:
    async def deaf(request: Request, connection: Connection) -> None:
        await connection.gone()

    asked = {"jsonrpc": "2.0", "method": "ping"}
    greeted = mcp(GET=streams(*({**asked, "id": number} for number in range(2 * LIMITS.unsent))))

    async def behave(request: Request, connection: Connection) -> None:
        await (deaf if "result" in request.message else greeted)(request, connection)

    with anyio.fail_after(20):
        async with EvilHttp(behave) as server, opened(server.url) as session:
            assert "asks faster than it takes our answers" in (await session.ended()).reason
