"""An engine that is killed while it applies has lost nothing that it said was applied, and the next one goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
