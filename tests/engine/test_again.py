"""What is applied again touches only what is not as it should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [requirement("APPLY-1:only-what-changed"), pytest.mark.anyio]
BAD = ("s03", "s07")


def servers(*bad: str) -> dict[str, Any]:
    """Ten servers, of which these end at once."""
    names = [f"s{number:02}" for number in range(10)]
    return {name: light(name, *(["--no-such-option"] if name in bad else [])) for name in names}


def sessions(at: Desk) -> dict[str, tuple[Any, Any]]:
    return {server: (row["pid"], row["instance"]) for server, row in at.rows().items() if server not in BAD}


async def test_of_ten_two_fail_and_nobody_else_is_touched_until_they_are_mended(tmp_path: Path) -> None:
    async with desk(tmp_path, servers(*BAD)) as at:
        first = await at.apply()
        assert (first.exit, {each.server for each in first.outcomes if each.status == "failed"}) == (5, {*BAD})
        before = sessions(at)
        again = await at.apply()
        assert {each.server for each in again.outcomes} <= {*BAD}  # none while it is being tried anyway
        at.write(servers(BAD[1]))
        mended = await at.apply()
        assert {each.server for each in mended.outcomes} <= {*BAD} and at.row(BAD[0])["status"] == "connected"
        at.write(servers())
        assert (await at.apply()).exit == 0
        assert {row["status"] for row in at.rows().values()} == {"connected"}
        assert sessions(at) == before


async def test_what_holds_already_is_no_change_however_often_it_is_applied(tmp_path: Path) -> None:
    async with desk(tmp_path, servers()) as at:
        await at.apply()
        before, serial = sessions(at), at.project.ledger.accepted.serial
        for _ in range(5):
            at.file.touch()
            applied = await at.apply()
            assert (applied.outcomes, applied.serial) == ([], serial)
        assert sessions(at) == before
