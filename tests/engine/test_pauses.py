"""Pauses end when they should, whatever the clocks do; time jumps, and the rows are real."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from reconciler.engine.pauses import LOOK_SECONDS, Pauses
from reconciler.store.pause_rows import PauseRows
from reconciler.store.records import Records
from tests.clock import JUMPING, pass_by
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:pause-lasts")]

T = TypeVar("T")
HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class AtOnce(Records):
    """The records without their thread, which jumping time would leave behind."""

    async def _run(self, work: Callable[[], T]) -> T:
        return work()

    @property
    def database(self) -> sqlite3.Connection:
        return self._now()


class Wall:
    """The clock on the wall: it goes with the loop's, until somebody sets it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return BEGIN + timedelta(seconds=anyio.current_time() - 1000.0) + self.ahead


class Kept:
    """What an engine has of pauses, with what it `said` and which servers `changed`."""

    def __init__(self, records: AtOnce, wall: Wall) -> None:
        self.records = records
        self.wall = wall
        self.said: list[tuple[str, str, str]] = []
        self.changed: list[str] = []
        self.pauses = Pauses(records, lambda *event: self.said.append(event), self.changed.append, wall)

    async def rows(self) -> set[str]:
        return set(await PauseRows(self.records).all())


@asynccontextmanager
async def kept(folder: Path, wall: Wall | None = None, servers: tuple[str, ...] = ("a", "b")) -> AsyncIterator[Kept]:
    records = AtOnce(folder / "records.sqlite")
    await records.open("now")
    at = Kept(records, wall or Wall())
    await at.pauses.start(servers)
    try:
        yield at
    finally:
        await at.pauses.close()
        await records.close()


async def test_a_pause_lasts_until_somebody_ends_it(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        pause = await at.pauses.add("a", "jo", None)
        await pass_by(1_000 * 3600)
        assert (at.pauses.of("a"), at.pauses.of("b"), await at.rows()) == (pause, None, {"a"})
        assert at.pauses.why("a") == f'"a" is {pause}; `reconciler resume a` ends that'
        assert await at.pauses.end("a", "mo")
        assert (at.pauses.of("a"), at.pauses.why("a"), await at.rows()) == (None, None, set())
        assert at.said == [("paused", "paused by jo", "a"), ("resumed", f"resumed by mo; it was {pause}", "a")]
        assert at.changed == ["a", "a"]
        assert not await at.pauses.end("a", "mo")
        assert at.changed == ["a", "a"]


async def test_one_with_an_end_is_over_then_by_itself(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        await at.pauses.add("a", "jo", HOUR)
        await pass_by(3599)
        assert (at.pauses.of("a") is not None, await at.rows()) == (True, {"a"})
        await pass_by(2)
        assert (at.pauses.of("a"), await at.rows(), at.changed) == (None, set(), ["a", "a"])
        assert [kind for kind, _, _ in at.said] == ["paused", "resumed"]
        assert at.said[1][1].startswith("the pause is over; it was paused by jo since ")


async def test_a_clock_that_is_set_back_makes_no_pause_longer(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        await at.pauses.add("a", "jo", HOUR)
        await pass_by(1800)
        at.wall.ahead = -timedelta(days=400)
        await pass_by(1801)
        assert (at.pauses.of("a"), await at.rows()) == (None, set())


async def test_after_a_sleep_of_the_machine_what_is_over_ends_soon(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        await at.pauses.add("a", "jo", 8 * HOUR)
        await pass_by(10)
        at.wall.ahead = 9 * HOUR
        await pass_by(LOOK_SECONDS + 1)
        assert at.pauses.of("a") is None


async def test_the_next_engine_goes_on_with_it(tmp_path: Path) -> None:
    wall = Wall()
    async with kept(tmp_path, wall) as at:
        pause = await at.pauses.add("a", "jo", HOUR)
        lasting = await at.pauses.add("b", "mo", None)
        await pass_by(600)
    async with kept(tmp_path, wall) as at:
        assert (at.pauses.of("a"), at.pauses.of("b")) == (pause, lasting)
        await pass_by(2999)
        assert at.pauses.of("a") is not None
        await pass_by(2)
        assert (at.pauses.of("a"), await at.rows(), at.changed) == (None, {"b"}, ["a"])


async def test_what_ended_while_no_engine_ran_is_over_at_once(tmp_path: Path) -> None:
    wall = Wall()
    async with kept(tmp_path, wall) as at:
        await at.pauses.add("a", "jo", HOUR)
    wall.ahead = 2 * HOUR
    async with kept(tmp_path, wall) as at:
        await anyio.wait_all_tasks_blocked()
        assert (at.pauses.of("a"), await at.rows()) == (None, set())


async def test_a_clock_that_was_set_back_meanwhile_makes_it_no_longer_than_it_was_to_be(tmp_path: Path) -> None:
    wall = Wall()
    async with kept(tmp_path, wall) as at:
        await at.pauses.add("a", "jo", HOUR)
    wall.ahead = -timedelta(days=400)
    async with kept(tmp_path, wall) as at:
        await pass_by(3601)
        assert (at.pauses.of("a"), await at.rows()) == (None, set())


async def test_the_last_word_counts(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        await at.pauses.add("a", "jo", HOUR)
        await pass_by(1800)
        longer = await at.pauses.add("a", "mo", HOUR)
        await pass_by(3599)
        assert (at.pauses.of("a"), await at.rows()) == (longer, {"a"})
        for_good = await at.pauses.add("a", "jo", None)
        await pass_by(100_000)
        assert at.pauses.of("a") == for_good


async def test_the_pause_of_a_server_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        await at.pauses.add("a", "jo", HOUR)
        await at.pauses.add("b", "jo", None)
        await at.pauses.forget("a")
        await at.pauses.forget("never")
        assert (at.pauses.of("a"), await at.rows()) == (None, {"b"})
        await pass_by(4000)
        assert at.changed == ["a", "b"]
    async with kept(tmp_path, servers=("a",)) as at:
        assert (at.pauses.of("b"), await at.rows()) == (None, set())


async def test_what_cannot_be_written_down_changes_nothing(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        before = await at.pauses.add("a", "jo", HOUR)
        at.records.database.execute("pragma query_only = on")
        for work in (at.pauses.add("a", "mo", None), at.pauses.add("b", "mo", None), at.pauses.end("a", "mo")):
            with pytest.raises(sqlite3.Error):
                await work
        assert (at.pauses.of("a"), at.pauses.of("b"), at.changed) == (before, None, ["a"])
        await at.pauses.forget("a")
        assert at.pauses.of("a") is None
        at.records.database.execute("pragma query_only = off")
        assert await at.rows() == {"a"}


async def test_the_end_of_one_is_not_the_end_of_what_replaced_it(tmp_path: Path) -> None:
    async with kept(tmp_path) as at:
        first = await at.pauses.add("a", "jo", None)
        await pass_by(1)
        second = await at.pauses.add("a", "jo", None)
        await PauseRows(at.records).remove("a", first)
        assert await PauseRows(at.records).all() == {"a": second}
