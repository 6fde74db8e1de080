"""Events over HTTP: lines of JSON, Server-Sent Events, and going on where a client left off."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.faces.api.own import events
from reconciler.store.records import KEPT_EVENTS
from reconciler.store.tokens import revoke_token
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Line, line
from tests.requirements import requirement
from tests.store.test_records import fill_events

pytestmark = [pytest.mark.anyio, requirement("OPS-1:event-stream")]

STREAM = "/api/v1/events/stream"
SSE = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Sent:
    """One event of a stream, as the standard reads it."""

    id: str | None
    event: str
    data: dict[str, Any]


class Stream:
    """An open stream of Server-Sent Events."""

    def __init__(self, one: Line, headers: dict[str, str]) -> None:
        self._one = one
        self._text = b""
        self.headers = headers

    async def hear(self) -> Sent:
        """The next event; comments and their empty lines are passed over."""
        while True:
            fields: dict[str, str] = {}
            while text := await self._line():
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            if "data" in fields:
                return Sent(fields.get("id"), fields["event"], json.loads(fields["data"]))

    async def until(self, message: str) -> list[Sent]:
        """Everything up to the event with this message."""
        heard = [await self.hear()]
        while heard[-1].data["message"] != message:
            heard.append(await self.hear())
        return heard

    async def _line(self) -> str:
        while b"\n" not in self._text:
            size = int(await self._one.hear_line(), 16)
            assert size, "the stream ended"
            self._text += await self._one._reader.readexactly(size)
            await self._one.hear_line()
        text, _, self._text = self._text.partition(b"\n")
        return text.decode()


@asynccontextmanager
async def listening(engine: Hosted, path: str = STREAM, **headers: str) -> AsyncIterator[Stream]:
    async with line(engine.address) as one:
        await one.say(engine.request("GET", path, "viewer", None, **(SSE | headers)))
        status, said = await one.hear_head()
        assert status == 200
        with anyio.fail_after(20):
            yield Stream(one, said)


def say(engine: Hosted, *messages: str) -> None:
    for message in messages:
        engine.host.root.events.say("test", message, "one")


async def test_events_are_sent_with_their_ids_as_the_records_have_them(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, listening(engine) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        say(engine, "first", "line\nbreak: ünï", "last")
        heard = (await stream.until("last"))[-3:]
        recorded = (await engine.host.root.records.events(0, 3, "one"))[-3:]
        assert [(sent.id, sent.event, sent.data) for sent in heard] == [
            (str(row["id"]), "test", row) for row in recorded
        ]
        assert heard[1].data["message"] == "line\nbreak: ünï"


async def test_who_comes_back_hears_what_was_missed_once_and_in_order(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        async with listening(engine) as stream:
            say(engine, "heard")
            last = (await stream.until("heard"))[-1].id
            assert last is not None
        say(engine, *(f"missed {number}" for number in range(events.PAGE + 7)))
        await engine.host.root.events.flush()
        async with listening(engine, last_event_id=last) as stream:
            say(engine, "live")
            heard = await stream.until("live")
        numbers = [int(sent.id or 0) for sent in heard]
        assert numbers == list(range(int(last) + 1, int(last) + events.PAGE + 9))
        assert [sent.data["message"] for sent in heard[:2]] == ["missed 0", "missed 1"]
        async with listening(engine, f"{STREAM}?after={last}") as stream:
            assert (await stream.hear()).data["message"] == "missed 0"


async def test_what_happens_again_and_again_is_told_with_its_count(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, listening(engine) as stream:
        say(engine, "same", "same", "same", "end")
        heard = (await stream.until("end"))[-4:]
        assert [sent.data["count"] for sent in heard] == [1, 2, 3, 1]
        assert len({sent.data["since"] for sent in heard[:3]}) == 1
        async with listening(engine, last_event_id=heard[0].id or "") as later:
            assert (await later.hear()).data == heard[2].data


async def test_who_was_away_too_long_is_told_that_something_is_missing(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        records = engine.host.root.records
        say(engine, "long ago")
        await engine.host.root.events.flush()
        await records.run(lambda database: fill_events(database, KEPT_EVENTS * 2))
        say(engine, "kept")
        await engine.host.root.events.flush()
        for after, why in ((3, "not kept any more"), (10**9, "begun anew")):
            async with listening(engine, last_event_id=str(after)) as stream:
                gap, first = await stream.hear(), await stream.hear()
                assert (gap.id, gap.event) == (None, "gap")
                assert why in gap.data["message"]
                assert first.data["message"].startswith("filler")


@pytest.mark.parametrize("id", ["x", "-1", "1.5", "٣", "9" * 40, ""])
async def test_what_is_no_id_is_400(tmp_path: Path, id: str) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("GET", STREAM, "viewer", None, accept="text/event-stream", last_event_id=id)
        assert (answer.status, answer.json["error"]["code"]) == (400, "bad-event-id")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-stream;q=0", "text/event-streams"])
async def test_without_asking_for_them_events_come_as_lines(tmp_path: Path, accept: str) -> None:
    async with hosted(tmp_path) as engine, line(engine.address) as one:
        await one.say(engine.request("GET", STREAM, "viewer", None, accept=accept))
        status, headers = await one.hear_head()
        assert (status, headers["content-type"]) == (200, "application/x-ndjson")


@pytest.mark.parametrize("accept", ["text/event-stream", "TEXT/Event-Stream;q=0.5", "text/html, text/event-stream"])
async def test_they_come_as_events_to_whoever_names_them(tmp_path: Path, accept: str) -> None:
    async with hosted(tmp_path) as engine, line(engine.address) as one:
        await one.say(engine.request("GET", STREAM, "viewer", None, accept=accept))
        assert (await one.hear_head())[1]["content-type"].startswith("text/event-stream")


async def test_a_look_at_the_head_alone_is_answered_at_once(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, line(engine.address) as one:
        for headers in ({}, SSE):
            await one.say(engine.request("HEAD", STREAM, "viewer", None, **headers))
            assert (await one.hear_head())[0] == 200
        await one.say(engine.request("GET", "/healthz"))
        assert (await one.hear()).json == {"status": "ok"}


async def test_a_quiet_stream_says_that_it_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)
    async with hosted(tmp_path) as engine, line(engine.address) as one:
        await one.say(engine.request("GET", STREAM, "viewer", None, **SSE))
        await one.hear_head()
        for _ in range(2):
            assert await one.hear_some() != b""


async def test_a_stream_ends_when_its_token_is_taken_back_and_when_the_engine_stops(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        engine.token("viewer")
        async with listening(engine) as stream:
            revoke_token(engine.state, "viewer-token")
            engine.host.root.tokens.look()
            with pytest.raises(AssertionError, match="ended"):
                await stream.hear()
        engine._tokens.pop("viewer")
        async with listening(engine) as stream:
            engine.host.stopping.set()
            with pytest.raises(AssertionError, match="ended"):
                while True:
                    await stream.hear()
