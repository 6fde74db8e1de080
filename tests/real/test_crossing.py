"""Answers reach whoever asked. The long run of 100 000 calls is `python -m tests.real.crossing`."""

from __future__ import annotations

from pathlib import Path

from tests.real.crossing import PROGRESS, count_crossings
from tests.requirements import requirement

CALLS = 4000


@requirement("GATE-1:no-crossing")
def test_no_answer_and_no_progress_crosses_between_fifty_clients_with_the_same_ids(tmp_path: Path) -> None:
    assert count_crossings(tmp_path, CALLS) == {"answered": CALLS, "progress": CALLS // PROGRESS}
