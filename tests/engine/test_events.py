"""What happened is said once: to the records and to whoever listens, and never with a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from reconciler.engine.events import _BACKLOG, Events, now_text
from reconciler.store.records import Records
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("OPS-1:events-logs")]


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = Records(tmp_path / "records.db")
    await opened.open("now")
    yield opened
    await opened.close()


async def test_what_is_said_is_recorded_in_order_and_heard(records: Records) -> None:
    events = Events(records, str)
    events.say("before", "nobody listened")
    async with events.listen() as one, events.listen() as other:
        for number in range(20):
            events.say("connected", f"number {number}", "a")
        heard = [one.get_nowait() for _ in range(20)]
        assert [other.get_nowait() for _ in range(20)] == heard
        assert one.empty()
    await events.flush()
    recorded = await records.events(0, 100, "a")
    assert [(row["at"], row["kind"], row["server"], row["message"]) for row in recorded] == [
        (event["at"], event["kind"], event["server"], event["message"]) for event in heard
    ]


@requirement("API-4:secrets-never-render")
async def test_a_secret_is_hidden_before_anybody_hears_it(records: Records) -> None:
    events = Events(records, lambda text: text.replace("hunter2", "***"))
    async with events.listen() as queue:
        events.say("error", "bad token hunter2")
        assert queue.get_nowait()["message"] == "bad token ***"
    await events.flush()
    assert [row["message"] for row in await records.events(0, 10, None)] == ["bad token ***"]


async def test_a_listener_that_does_not_keep_up_loses_events_and_nobody_else_does(records: Records) -> None:
    events = Events(records, str)
    async with events.listen() as slow, events.listen() as fast:
        for number in range(_BACKLOG + 5):
            events.say("connected", str(number))
            assert fast.get_nowait()["message"] == str(number)
        assert slow.qsize() == _BACKLOG
    await events.flush()


async def test_who_stopped_listening_hears_nothing_more(records: Records) -> None:
    events = Events(records, str)
    async with events.listen() as queue:
        pass
    events.say("connected", "late")
    assert queue.empty()
    await events.flush()


async def test_an_event_that_cannot_be_recorded_is_still_told_and_stops_nothing(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    await records._run(lambda: records._now().execute("drop table events").rowcount)
    events = Events(records, str)
    async with events.listen() as queue:
        events.say("error", "the disk is full")
        assert queue.get_nowait()["message"] == "the disk is full"
        with anyio.fail_after(5):
            await events.flush()
    assert "never retrieved" not in caplog.text


async def test_flush_returns_when_everything_said_so_far_is_recorded(records: Records) -> None:
    events = Events(records, str)
    for number in range(50):
        events.say("connected", str(number))
    await events.flush()
    assert len(await records.events(0, 100, None)) == 50
    await events.flush()


def test_the_time_is_utc_in_milliseconds() -> None:
    text = now_text()
    assert len(text) == len("2026-11-21T04:00:00.000Z")
    assert text.endswith("Z")


async def test_who_follows_hears_what_the_records_have_in_order(records: Records) -> None:
    events = Events(records, str)
    async with events.follow() as queue:
        for number in range(20):
            events.say("connected", f"number {number // 2}", "a")
        await events.flush()
        heard = [queue.get_nowait() for _ in range(20)]
    assert [(event["id"], event["count"]) for event in heard if event] == [(n + 1, n % 2 + 1) for n in range(20)]
    assert heard[1::2] == await records.events(0, 100, None)
    events.say("connected", "late")
    await events.flush()
    assert queue.empty()


async def test_who_follows_hears_of_each_time_how_often_it_was_and_since_when(records: Records) -> None:
    events = Events(records, str)
    async with events.follow() as queue:
        for _ in range(5):
            events.say("down", "it exited", "a")
            events.say("connected", "a is connected", "a")
        await events.flush()
        heard = [event for event in (queue.get_nowait() for _ in range(10)) if event]
    assert [(event["kind"], event["count"]) for event in heard[-2:]] == [("down", 5), ("connected", 5)]
    assert {event["since"] for event in heard} == {heard[0]["at"], heard[1]["at"]}
    assert await records.events(0, 100, None) == heard[-2:]


async def test_who_follows_and_does_not_keep_up_is_told_so_and_finds_the_rest_in_the_records(records: Records) -> None:
    events = Events(records, str)
    async with events.follow() as slow:
        for number in range(_BACKLOG + 5):
            events.say("connected", str(number))
        await events.flush()
        heard = [slow.get_nowait() for _ in range(_BACKLOG)]
        assert slow.get_nowait() is None
        assert slow.empty()
    assert heard[-1] is not None
    assert len(await records.events_from(heard[-1]["id"], 100)) == 5


async def test_who_follows_hears_what_cannot_be_recorded_without_an_id(records: Records) -> None:
    await records._run(lambda: records._now().execute("drop table events").rowcount)
    events = Events(records, str)
    async with events.follow() as queue:
        events.say("error", "the disk is full")
        await events.flush()
        heard = queue.get_nowait()
    assert heard is not None
    assert (heard["id"], heard["message"], heard["count"]) == (None, "the disk is full", 1)
