"""A listener between requests: it wakes for the clock of its answers alone, holds nothing, and ends when told to."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import product
from typing import Any
from weakref import WeakSet

import anyio
import pytest
from starlette.responses import PlainTextResponse

from reconciler.faces.http import listener as listening
from reconciler.faces.http.guard import Guard, PlainGuard
from reconciler.faces.http.guard_fast import FastGuard
from reconciler.faces.http.guard_hot import HotGuard
from reconciler.faces.http.listener import Listener
from tests.faces.http.raw import PATIENCE, Line, ask, line, listened
from tests.requirements import requirement
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("GATE-1:listener")]
GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
NEVER = 3600.0


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Each time that a listener set its clock: whether it was to end then."""
    seen: list[bool] = []
    tick = Listener.on_tick

    async def on_tick(self: Listener, counter: int) -> bool:
        seen.append(ends := await tick(self, counter))
        return ends

    monkeypatch.setattr(Listener, "on_tick", on_tick)
    yield seen


async def test_it_ends_at_once_however_rarely_it_wakes(monkeypatch: pytest.MonkeyPatch, turns: list[bool]) -> None:
    monkeypatch.setattr(listening, "DATE_SECONDS", NEVER)
    with anyio.fail_after(PATIENCE):
        async with listened(PlainTextResponse("here")) as address:
            assert (await ask(address, GOOD)).body == b"here"
            assert turns == [False]
    assert turns == [False, True]


async def test_the_date_of_an_answer_goes_on(monkeypatch: pytest.MonkeyPatch, turns: list[bool]) -> None:
    monkeypatch.setattr(listening, "DATE_SECONDS", 0.01)
    async with listened(PlainTextResponse("here")) as address:
        first = parsedate_to_datetime((await ask(address, GOOD)).headers["date"])
        assert abs(datetime.now(UTC) - first) < timedelta(seconds=PATIENCE)
        with anyio.fail_after(PATIENCE):
            while parsedate_to_datetime((await ask(address, GOOD)).headers["date"]) == first:
                pass  # each question takes a while
    assert len(turns) > 2


async def nothing(_: Line) -> None:
    pass


async def half_a_head(one: Line) -> None:
    await one.say(GOOD[:-2])


async def a_request(one: Line) -> None:
    await one.say(GOOD)
    assert (await one.hear()).body == b"here"


async def requests_in_a_row(one: Line) -> None:
    await one.say(3 * GOOD)
    await one.hear()


async def nonsense(one: Line) -> None:
    await one.say(b"\x16\x03\x01" * 200)
    await one.end()


@pytest.mark.parametrize(
    ("parser", "says"),
    [
        *product([HotGuard, FastGuard, PlainGuard], [nothing, half_a_head, a_request, requests_in_a_row]),
        *product([HotGuard, FastGuard], [nonsense]),  # h11 makes a ring of each exception of its own
    ],
)
async def test_a_connection_that_ended_is_gone_without_a_search_for_rings(
    parser: type[Guard], says: Callable[[Line], Awaitable[None]]
) -> None:
    alive, made = WeakSet[Guard](), 0

    def connection_made(self: Guard, transport: Any) -> None:
        nonlocal made
        made += 1
        alive.add(self)
        parser.connection_made(self, transport)

    noted = type("Noted", (parser,), {"connection_made": connection_made})
    async with listened(PlainTextResponse("here"), parser=noted) as address:
        gc.collect()
        gc.disable()
        try:
            for number in range(1, 4):
                async with line(address) as one:
                    await says(one)
                    await come_true(lambda so_many=number: made == so_many, PATIENCE)  # type: ignore[misc]
            await come_true(lambda: not alive, PATIENCE)
        finally:
            gc.enable()
