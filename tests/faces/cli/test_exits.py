"""The table of exit codes: one for all commands, and the README shows it."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.faces.cli.exits import Exit, stale
from tests.requirements import requirement

README = Path(__file__).parents[3] / "README.md"


@requirement("PLAN-3:exit-codes")
def test_the_exit_codes_are_these() -> None:
    codes = {"DONE": 0, "SYSTEM": 1, "CHANGES": 2, "INVALID": 3, "STALE": 4, "PARTIAL": 5, "WAITING": 6}
    assert {code.name: code.value for code in Exit} == codes | {
        "BUSY": 7,
        "UNHEALTHY": 8,
        "USAGE": 64,
        "INTERRUPTED": 130,
    }


def test_the_readme_has_every_exit_code() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == sorted(Exit)


def test_a_stale_plan_gives_all_reasons() -> None:
    stop = stale(["the file changed", "the lock changed"])
    assert stop.to_json()["reasons"] == ["the file changed", "the lock changed"]
    assert stop.message == "the plan is stale: the file changed; the lock changed"
