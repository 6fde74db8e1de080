"""A request that is given up is given up at the server too, in the way of its era and its transport."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from reconciler.sessions.envelope import envelope
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import Era
from tests.requirements import requirement
from tests.rig.evil_http import Connection, EvilHttp, Request, mcp, never
from tests.sessions.asking import Client, Wire
from tests.sessions.remotes import nothing_left, opened

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left"), requirement("GATE-1:cancelled")]
__all__ = ["nothing_left"]


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_over_pipes_the_server_is_told(era: Era) -> None:
    wire = Wire()
    session = PipeSession(wire, lambda *_: None)
    session.envelope = envelope() if era == "stateless" else {}
    call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60, caller=Client("ada")))
    with anyio.fail_after(5):
        await wire.until_requests(1)
        call.cancel()
        await asyncio.wait({call})
    assert call.cancelled()
    (told,) = wire.notifications
    assert (told["method"], told["params"]["requestId"]) == ("notifications/cancelled", wire.requests[0]["id"])


async def test_over_http_a_server_of_the_handshake_era_is_told() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": never})) as server, opened(server.url) as session:
            call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60, caller=Client("ada")))
            request = await server.until("tools/call")
            call.cancel()
            told = await server.until("notifications/cancelled")
            assert told.message["params"]["requestId"] == request.message["id"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_over_http_the_stream_of_a_stateless_server_is_hung_up(streamed: bool) -> None:
    begun, hung_up = asyncio.Event(), asyncio.Event()

    async def slow(request: Request, connection: Connection) -> None:
        if streamed:
            await connection.stream()
            await connection.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        begun.set()
        await connection.gone()
        hung_up.set()

    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", **{"tools/call": slow})) as server, opened(server.url) as session:
            call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60, caller=Client("ada")))
            await begun.wait()
            call.cancel()
            await hung_up.wait()
            assert server.seen("notifications/cancelled") == []
            await session.probe()


async def test_a_server_that_does_not_end_what_was_cancelled_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.sessions.sdk.NOTICE_SECONDS", 0.1)
    hung_up = asyncio.Event()

    async def stubborn(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.gone()
        hung_up.set()

    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": stubborn})) as server, opened(server.url) as session:
            call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60))
            await server.until("tools/call")
            call.cancel()
            await server.until("notifications/cancelled")
            await hung_up.wait()
            await session.probe()


async def test_cancelling_holds_no_connections() -> None:
    with anyio.fail_after(20):
        async with EvilHttp(mcp(**{"tools/call": never})) as server, opened(server.url) as session:
            for count in range(1, 8):
                call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60))
                await server.until("tools/call", count)
                call.cancel()
                await server.until("notifications/cancelled", count)
            await session.probe()
            assert server.connections <= 7 + 4
