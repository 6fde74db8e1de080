"""Rows of what waits for somebody who may say yes: kept, let go of, and never more than can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.store.hold_rows import Hold, HoldRows, TooManyHolds
from reconciler.store.records import Records
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("API-3:holds")]

LAUNCH = Hold("a", "sha256:1", "robin", "2026-11-21T00:00:00.000Z", "new command")
RULE = Hold("a", "", "robin", "2026-11-21T00:00:01.000Z", "loosens approval")
OTHER = Hold("b", "sha256:1", "kim", "2026-11-21T00:00:02.000Z", "new command")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = Records(tmp_path / "records.db")
    await opened.open("now")
    yield opened
    await opened.close()


async def test_what_is_held_is_there_when_the_records_are_opened_again(tmp_path: Path) -> None:
    for expected in ([], [LAUNCH, RULE, OTHER]):
        records = Records(tmp_path / "records.db")
        await records.open("now")
        rows = HoldRows(records)
        assert await rows.all() == expected
        await rows.add([OTHER, LAUNCH, RULE])
        await records.close()


async def test_the_same_again_is_one_row_of_whoever_wrote_it_last(records: Records) -> None:
    rows = HoldRows(records)
    later = replace(LAUNCH, who="kim", at="2026-11-21T00:00:09.000Z")
    await rows.add([LAUNCH])
    await rows.release(["a"], [])
    await rows.add([later])
    assert await rows.all() == [later]


async def test_a_server_that_waits_no_more_leaves_its_launch_and_not_its_rules(records: Records) -> None:
    rows = HoldRows(records)
    await rows.add([LAUNCH, RULE, OTHER])
    await rows.release(["a"], [])
    assert await rows.all() == [replace(LAUNCH, waits=False), OTHER]


async def test_a_launch_with_its_yes_is_held_nowhere(records: Records) -> None:
    rows = HoldRows(records)
    await rows.add([LAUNCH, RULE, OTHER])
    await rows.release([], ["sha256:1"])
    assert await rows.all() == [RULE]


async def test_of_more_than_can_be_held_nothing_is(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.hold_rows.MOST", 2)
    rows = HoldRows(records)
    await rows.add([LAUNCH])
    with pytest.raises(TooManyHolds, match="3 things wait"):
        await rows.add([RULE, OTHER])
    assert await rows.all() == [LAUNCH]
