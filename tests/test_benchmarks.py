"""The benchmarks run as they stand: each once, small and quick. What they measure is for people to judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.long


def test_every_benchmark_is_among_all_of_them() -> None:
    scripts = (ROOT / "benchmarks").glob("*.py")
    assert {path.stem for path in scripts if "def main()" in path.read_text(encoding="utf-8")} == {*NAMES, "__main__"}


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_prints_its_ratios(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick", "--runs", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "baseline" in done.stdout and "ratio" in done.stdout
