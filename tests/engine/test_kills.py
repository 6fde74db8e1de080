"""An engine that is killed while it applies has lost nothing that it said was applied, and the next one goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.rollback import patch_to
from tests.engine.desk import desk, light
from tests.requirements import requirement

pytestmark = requirement("APPLY-1:kills")
CHECKOUT = Path(__file__).parents[2]


def killed(*options: str) -> dict[str, Any]:
    """What a campaign of tests/rig/kills.py came to."""
    words = [sys.executable, "-m", "tests.rig.kills", *options]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_killed_at_random_moments(tmp_path: Path) -> None:
    found = killed("--kills", "25", "--places", "0", "--refusals", "0", "--folder", str(tmp_path))
    assert found["random"] == 25 and found["in the middle"] and found["acknowledged"], found


@pytest.mark.needs("strace")
def test_killed_or_refused_at_system_calls_on_the_way_to_the_disk(tmp_path: Path) -> None:
    found = killed("--kills", "0", "--folder", str(tmp_path))
    assert found["killed at a call"] and found["refused"], found


@pytest.mark.anyio
async def test_what_was_accepted_by_an_engine_that_was_killed_before_it_said_so_is_in_the_history(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, {"a": light("a", name="one")}) as at:
        await at.apply()
        for name in ("two", "three"):
            at.write({"a": light("a", name=name)})
            await at.apply()
        await at.project.records.run(lambda rows: rows.execute("delete from history where serial = 3").rowcount)
    for _ in range(2):
        async with desk(tmp_path) as at:
            rows = await at.project.records.history()
            assert [(row["serial"], row["result"]) for row in rows[:2]] == [(3, "found at a start"), (2, "applied")]
            target = await patch_to(at.project, None)
            assert (target.serial, target.patch) == (2, {"mcpServers": {"a": {"name": "two"}}})
