"""Six servers that attack at once do nothing to a seventh that behaves: the short form of tests/rig/attackers.py."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.requirements import requirement
from tests.rig.attackers import MOST_GROWN, MOST_RATIO

SECONDS = 120


@requirement("LIVE-2:neighbours", "LIVE-1:status")
def test_whoever_lives_beside_six_attackers_answers_as_before_and_status_names_all_six() -> None:
    command = [sys.executable, "-m", "tests.rig.attackers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["missing"] == [], said["reasons"]
    assert said["grown_kib"] <= MOST_GROWN
    assert min(said["ratios"]) <= MOST_RATIO, said
