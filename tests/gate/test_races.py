"""Races, a few of them: the campaign is `python -m tests.gate.races`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.races import run
from tests.requirements import requirement


@pytest.mark.anyio
@requirement("GATE-2:at-most-once")
async def test_however_many_decide_at_once_a_call_runs_at_most_once_and_never_after_a_no(tmp_path: Path) -> None:
    ended = await run(tmp_path, 150, seed=7)
    assert ended.total() == 150
    assert {"done", "denied", "expired"} <= ended.keys()
