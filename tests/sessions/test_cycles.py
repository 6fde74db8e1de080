"""After many lives and deaths nothing is left of any, whoever died: the short campaigns of tests/rig/cycles.py."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.needs import PROCESSES
from tests.requirements import requirement

pytestmark = requirement("LIVE-2:no-orphans", "LIVE-2:no-zombies")

SECONDS = 120


def rounds_that_left_nothing(campaign: str) -> int:
    command = [sys.executable, "-m", "tests.rig.cycles", "--only", campaign]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(json.loads(done.stdout)["rounds"])


def test_stubborn_servers_that_come_and_go_leave_nothing() -> None:
    assert rounds_that_left_nothing("sessions") == 10


def test_what_killed_engines_left_is_swept_and_the_last_one_leaves_nothing() -> None:
    assert rounds_that_left_nothing("kills") == 3


@pytest.mark.needs(PROCESSES)
def test_an_engine_that_is_process_1_collects_what_dies_and_leaves_nothing() -> None:
    assert rounds_that_left_nothing("first") == 1
