"""A short campaign of generated requests as each role: no server error, and nothing but what is described.

`python -m tests.faces.api.fuzz` is the long one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faces.api.fuzz.__main__ import SHARES
from tests.faces.api.fuzz.campaign import NEVER_ASKED
from tests.requirements import requirement

pytestmark = requirement("OPS-1:fuzzed")

ROOT = Path(__file__).parents[3]
CASES = 20_000
SEED = "20261121"


def test_the_shares_of_the_roles_are_a_whole() -> None:
    assert sum(SHARES.values()) == 1
    assert all(why for why in NEVER_ASKED.values())


@pytest.mark.parametrize("role", SHARES)
def test_no_request_makes_a_server_error_or_an_answer_that_is_not_described(role: str) -> None:
    """In a process of its own: schemathesis keeps checks and hooks for the whole of one."""
    cases = str(round(CASES * SHARES[role]))
    command = [sys.executable, "-m", "tests.faces.api.fuzz", "--role", role, "--cases", cases, "--seed", SEED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{role}: " in done.stdout
    said = int(done.stdout.split(": ", 1)[1].split(" cases")[0])
    assert said >= int(cases)
