"""A listener between requests: it wakes for the clock of its answers alone, and ends when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import anyio
import pytest
from starlette.responses import PlainTextResponse

from reconciler.faces.http import listener as listening
from reconciler.faces.http.listener import Listener
from tests.faces.http.raw import PATIENCE, ask, listened
from tests.requirements import requirement

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
