"""Sessions over HTTP and SSE whose connections are harmed on the way: what is felt of it, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.model.server import Server
from reconciler.sessions.http_beat import Beat
from reconciler.sessions.hub import Hub
from reconciler.sessions.instance import Instance
from reconciler.sessions.remote import RemoteSession, open_remote
from reconciler.sessions.session import Notify, SessionError
from reconciler.sessions.stale import UNTOLD_SECONDS
from tests.clock import JUMPING, pass_by
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, Sse, answers, mcp
from tests.rig.proxy import Blackhole, Clean, Cut, Proxy, Slices
from tests.sessions.remotes import Kind, no_secrets, remote
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:bad-networks")]

NOTICED = 75.0
"""Seconds, at most, until a connection that leads nowhere counts as such."""
ANSWER = {"content": [{"type": "text", "text": "hi" * 500}]}
WAYS = ["handshake", "stateless", "sse"]
CALL = ("tools/call", {"name": "echo", "arguments": {}})


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


def behaviour(way: str) -> Behaviour:
    called = {"tools/call": ANSWER}
    return Sse(**called) if way == "sse" else mcp(way, **{"tools/call": answers(ANSWER)})


class Path:
    """A server, the proxy before it, and the session that goes through it."""

    def __init__(self, proxy: Proxy, way: str) -> None:
        self.proxy = proxy
        self._changed = asyncio.Event()
        kind: Kind = "sse" if way == "sse" else "http"
        self.hub = Hub(self._open)
        self.server = remote(proxy.url, kind, start=30)

    def _open(self, server: Server, _: str, notify: Notify) -> AbstractAsyncContextManager[RemoteSession]:
        return open_remote(server, no_secrets, notify)

    async def until(self, instance: Instance, *states: str) -> None:
        while instance.state not in states:
            self._changed.clear()
            await self._changed.wait()

    async def live(self) -> Instance:
        instance = self.hub.open(self.server, self._changed.set)
        await self.until(instance, "ready", "closed")
        assert instance.state == "ready", instance.failure
        return self.hub.switch(self.server.id)


@asynccontextmanager
async def path(way: str) -> AsyncIterator[Path]:
    async with EvilHttp(behaviour(way)) as server, Proxy(server.port) as proxy:
        made = Path(proxy, way)
        try:
            yield made
        finally:
            await made.hub.close()


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize("way", WAYS)
async def test_a_connection_that_leads_nowhere_is_noticed_while_nobody_calls(way: str) -> None:
    with anyio.fail_after(10_000):
        async with path(way) as at:
            live = await at.live()
            at.proxy.fault = Blackhole()
            began = now()
            await at.until(live, "closed")
            assert now() - began <= NOTICED
            assert str(live.failure) == "no answer to 3 pings"


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_into_nowhere_fails_at_its_deadline_and_says_so(way: str) -> None:
    with anyio.fail_after(10_000):
        async with path(way) as at:
            live = await at.live()
            at.proxy.fault = Blackhole()
            began = now()
            with pytest.raises(SessionError, match="No answer to tools/call within 60 s"):
                await live.request(*CALL, timeout=60)
            assert 60 <= now() - began <= 61
            await at.until(live, "closed")
            assert now() - began <= NOTICED


@pytest.mark.parametrize("way", WAYS)
async def test_bytes_that_come_one_by_one_are_an_answer_too(way: str) -> None:
    with anyio.fail_after(10_000):
        async with path(way) as at:
            live = await at.live()
            at.proxy.fault = Slices(1, 0.001)
            await pass_by(NOTICED)
            assert await live.request(*CALL, timeout=60) == ANSWER
            at.proxy.fault = Clean()
            await pass_by(NOTICED)
            assert live.state == "ready"


@pytest.mark.parametrize("way", ["handshake", "stateless"])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("after", [0, 1, 40, 400])
async def test_an_answer_that_breaks_off_is_told_and_the_next_call_works(way: str, reset: bool, after: int) -> None:
    with anyio.fail_after(10_000):
        async with path(way) as at:
            live = await at.live()
            at.proxy.fault = Cut(after, reset)
            with pytest.raises(SessionError, match=r"closed the connection|not HTTP"):
                await live.request(*CALL, timeout=60)
            at.proxy.fault = Clean()
            assert await live.request(*CALL, timeout=60) == ANSWER


@pytest.mark.parametrize("way", WAYS)
async def test_who_is_slower_than_the_deadline_of_the_start_is_never_there(way: str) -> None:
    with anyio.fail_after(10_000):
        async with path(way) as at:
            at.proxy.fault = Slices(1, 1.0)
            began = now()
            instance = at.hub.open(at.server, at._changed.set)
            await at.until(instance, "closed")
            assert now() - began <= 31
            assert "did not answer the handshake within 30 s" in str(instance.failure)


def beating(era: str, stops: asyncio.Event, every: float) -> Behaviour:
    """A server whose stream brings a comment every so many seconds, and nothing any more once it `stops`."""

    async def stand(request: Request, connection: Connection) -> None:
        await connection.stream()
        while not stops.is_set():
            await connection.raw(b": here\n\n")
            with anyio.move_on_after(every):
                await stops.wait()
        await connection.gone()

    stream = "GET" if era == "handshake" else "subscriptions/listen"
    return mcp(era, {"tools": {"listChanged": True}}, **{stream: stand})


@pytest.mark.parametrize("era", ["handshake", "stateless"])
@requirement("LIVE-2:untold-changes")
async def test_a_stream_whose_signs_of_life_stay_away_is_believed_no_longer(era: str) -> None:
    """The stream of an SSE server brings the answers to pings: it needs no other sign."""
    stops = asyncio.Event()
    with anyio.fail_after(3000):
        async with EvilHttp(beating(era, stops, 15.0)) as server:
            hub = Hub(lambda opening, _, notify: open_remote(opening, no_secrets, notify))
            live = hub.open(remote(server.url, start=30), lambda: None)
            await come_true(lambda: live.state == "ready" and live.session is not None and live.session.hears, 30)
            await pass_by(2 * UNTOLD_SECONDS)
            before = len(server.seen("tools/list"))
            await pass_by(4 * UNTOLD_SECONDS)
            assert live.session is not None and live.session.hears
            assert len(server.seen("tools/list")) == before, "a server that is only quiet is left in peace"
            stops.set()
            await pass_by(2.5 * UNTOLD_SECONDS)
            assert not live.session.hears
            assert len(server.seen("tools/list")) > before
            await hub.close()


@pytest.mark.parametrize(
    ("came", "believed"),
    [
        ([], 1e9),
        ([(0.0, b": hello")], 1e9),
        ([(0.0, b": hello"), (0.5, b": again")], 1e9),
        ([(0.0, b": hello"), (900.0, b"data: news")], 1e9),
        ([(0.0, b": hello"), (15.0, b": here")], 75.0),
        ([(0.0, b"data: news"), (15.0, b": here"), (20.0, b"data: news")], 80.0),
        ([(0.0, b": hello"), (50.0, b": here"), (60.0, b": here")], 160.0),
    ],
)
async def test_how_long_a_silent_stream_is_believed(came: list[tuple[float, bytes]], believed: float) -> None:
    beat = Beat()
    for moment, piece in came:
        beat.came(piece, moment)
    assert not beat.stopped(believed)
    assert beat.stopped(believed + 1) is (believed < 1e9)
