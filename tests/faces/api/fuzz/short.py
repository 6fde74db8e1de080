"""A short campaign as one role: no server error, and nothing but what is described.

`python -m tests.faces.api.fuzz` is the long one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faces.api.fuzz.__main__ import SHARES

ROOT = Path(__file__).parents[4]
CASES = 20_000
SEED = "20261121"


def nothing_is_wrong_for(role: str) -> None:
    """Ask in a process of its own: schemathesis keeps checks and hooks for the whole of one."""
    cases = str(round(CASES * SHARES[role]))
    command = [sys.executable, "-m", "tests.faces.api.fuzz", "--role", role, "--cases", cases, "--seed", SEED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{role}: " in done.stdout
    said = int(done.stdout.split(": ", 1)[1].split(" cases")[0])
    assert said >= int(cases)
