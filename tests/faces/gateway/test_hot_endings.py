"""The short way of a call at its ends: clients that go away, that send more, that take back; and what is left then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.faces.gateway.hot import KnownHead
from reconciler.faces.gateway.limits import Limits
from reconciler.faces.http.limits import Limits as Connections
from tests.engine.desk import light
from tests.faces.gateway.served import Client, Handshaken, Served, served
from tests.faces.gateway.test_hot import ERAS, Spy, answer_of, opened, spy, whole
from tests.requirements import requirement

__all__ = ["spy"]
pytestmark = [pytest.mark.anyio, requirement("GATE-1:short-way")]
NEVER_LONG = Limits(watch=30.0)


@asynccontextmanager
async def served_alone(folder: Any, limits: Limits = NEVER_LONG, **fields: Any) -> AsyncIterator[Served]:
    """A gateway of one server, on which only what the test does ends the short way of a call."""
    settings = {"defaults": {"requireApproval": False}}
    async with served(folder, {"old": light("old", **fields)}, limits=limits, **settings) as gateway:
        yield gateway


def sleeping(client: Client, ms: int) -> dict[str, Any]:
    return client.request("tools/call", name="old__sleep", arguments={"ms": ms})  # type: ignore[attr-defined,no-any-return]


@asynccontextmanager
async def begun(
    gateway: Served, client: Client, spy: Spy, ms: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which a call that takes so long is on its short way."""
    async with gateway.dialled() as (reader, writer):
        for _ in range(2):
            writer.write(whole(client, sleeping(client, 1)))
            await answer_of(reader)
        spy.reset()
        writer.write(whole(client, sleeping(client, ms)))
        await spy.took.wait()
        yield reader, writer


def nothing_is_left(gateway: Served) -> bool:
    office = gateway.gateway.office
    slot = gateway.desk.project.hub.slot("old")
    assert slot.live is not None
    assert slot.live.session is not None
    waiting = slot.live.session._waiting  # type: ignore[attr-defined]
    running = [session.running or session.withdrawn for session in office.sessions._by_id.values()]
    hot = [each.__self__._calls for each in office.at_revocation]  # type: ignore[attr-defined]
    return not (office.room.held or slot.live.in_flight or waiting or any(running) or any(hot))


async def check_that_nothing_is_left(gateway: Served) -> None:
    await anyio.wait_all_tasks_blocked()
    assert nothing_is_left(gateway)


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_whose_client_went_away_ends_with_its_deadline_at_the_latest(
    tmp_path: Any, spy: Spy, era: str
) -> None:
    async with (
        served_alone(tmp_path, timeouts={"call": "1s"}) as gateway,
        opened(gateway, era) as client,
    ):
        async with begun(gateway, client, spy, 60_000):
            pass
        await spy.idle.wait()
        await check_that_nothing_is_left(gateway)


async def test_a_call_whose_client_went_away_is_taken_back_from_another_connection(tmp_path: Any, spy: Spy) -> None:
    async with served_alone(tmp_path) as gateway, opened(gateway, "handshake") as client:
        assert isinstance(client, Handshaken)
        session = next(iter(gateway.gateway.office.sessions._by_id.values()))
        async with begun(gateway, client, spy, 60_000):
            (number,) = session.running
        assert (await client.tell("notifications/cancelled", requestId=number)).status == 202
        await spy.idle.wait()
        await check_that_nothing_is_left(gateway)


@pytest.mark.parametrize("era", ERAS)
async def test_much_that_comes_behind_a_call_on_the_short_way_waits_for_its_answer(
    tmp_path: Any, spy: Spy, era: str
) -> None:
    async with (
        served_alone(tmp_path) as gateway,
        opened(gateway, era) as client,
        begun(gateway, client, spy, 300) as (reader, writer),
    ):
        behind = [
            client.request("tools/call", name="old__sleep", arguments={"ms": 1, "x": "x" * 9000}) for _ in "12345"
        ]
        assert sum(len(whole(client, each)) for each in behind) > Connections().head_bytes
        for each in behind:
            writer.write(whole(client, each))
        answers = [await answer_of(reader) for _ in range(6)]
        assert all("result" in answer for answer in answers)
        assert [answer["id"] for answer in answers[1:]] == [each["id"] for each in behind]


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_on_the_short_way_is_answered_before_its_connection_ends_with_the_listener(
    tmp_path: Any, spy: Spy, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Any] = []
    begin = KnownHead.begin
    monkeypatch.setattr(KnownHead, "begin", lambda *given: lines.append(given[-1]) or begin(*given))
    async with (
        served_alone(tmp_path) as gateway,
        opened(gateway, era) as client,
        begun(gateway, client, spy, 300) as (reader, _),
    ):
        lines[-1].shutdown()
        assert "result" in await answer_of(reader)
        assert await reader.read() == b""


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_keeps_its_room_where_it_goes_on_in_the_usual_way(tmp_path: Any, spy: Spy, era: str) -> None:
    async with (
        served_alone(tmp_path, Limits(watch=0.05)) as gateway,
        opened(gateway, era) as client,
        begun(gateway, client, spy, 300) as (reader, _),
    ):
        room = gateway.gateway.office.room
        others = Limits().bodies - room.held
        room.take(others)
        assert "result" in await answer_of(reader)
        room.give_back(others)
        assert room.held == 0


@pytest.mark.parametrize("era", ERAS)
async def test_clients_that_go_away_at_any_moment_leave_nothing_behind(tmp_path: Any, spy: Spy, era: str) -> None:
    chance = random.Random(7)
    async with served_alone(tmp_path, Limits(watch=0.002)) as gateway, opened(gateway, era) as client:

        async def leave(at: float, piece: float) -> None:
            async with gateway.dialled() as (reader, writer):
                for _ in range(2):
                    writer.write(whole(client, sleeping(client, 1)))
                    await answer_of(reader)
                request = whole(client, sleeping(client, 4))
                writer.write(request[: int(len(request) * piece)])
                with anyio.move_on_after(at):
                    await reader.read()
                writer.transport.abort() if chance.random() < 0.5 else writer.close()

        for _ in range(15):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(leave, chance.random() * 0.008, chance.choice([1.0, 1.0, 1.0, 0.9]))
        assert spy.taken > 50
        assert (await client.call("old__sleep", ms=100)).status == 200
        await check_that_nothing_is_left(gateway)


async def test_an_envelope_that_is_only_equal_is_not_the_same(tmp_path: Any, spy: Spy) -> None:
    async with served_alone(tmp_path) as gateway, opened(gateway, "stateless", roots={"listChanged": True}) as client:
        spy.reset()
        for taken, value in ((1, True), (1, 1), (1, True), (2, True), (2, 1.0)):
            client.capabilities = {"roots": {"listChanged": value}}  # type: ignore[union-attr]
            assert (await client.call("old__echo", text="x")).status == 200
            assert spy.taken == taken


@pytest.mark.parametrize("era", ERAS)
async def test_calls_are_counted_alike_on_both_ways(tmp_path: Any, spy: Spy, era: str) -> None:
    async with served_alone(tmp_path, Limits(watch=0.01)) as gateway, opened(gateway, era) as client:
        gate = gateway.desk.project.gate
        before = gate.free
        spy.reset()
        for ms in (1, 100, 1, 100):
            await client.call("old__sleep", ms=ms)
        assert (gate.free - before, gate.asked) == (4, 0)
        assert spy.taken >= 3
