"""SAFETY.md promises nothing without a proof: each of its commands is there, and each promise says what was found."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from tests.requirements import requirement

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| (P\d+) \| (.+?) \| (.+?) \| (.+) \|$", re.M)
COMMAND = re.compile(r"`((?:python|\./scripts/test)[^`]*)`")
PROMISES = [f"P{number}" for number in range(1, 13)]

pytestmark = requirement("OPS-1:promises")


def rows() -> dict[str, tuple[str, str, str]]:
    """What is promised, how it is tried, and what was found, by the promise."""
    text = (ROOT / "SAFETY.md").read_text(encoding="utf-8")
    return {number: (promise, tried, found) for number, promise, tried, found in ROW.findall(text)}


def missing(command: str) -> list[str]:
    """The modules and paths that a command names and that are not there."""
    first, *words = shlex.split(command)
    if first == "python":
        return [] if words[0] == "-m" and importlib.util.find_spec(words[1]) else words[:2]
    return [word for word in words if not (ROOT / word).exists()]


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert missing("python -m tests.rig.nothing --long") == ["-m", "tests.rig.nothing"]
    assert missing("./scripts/test tests/test_safety.py tests/none") == ["tests/none"]
    assert missing("./scripts/test") == missing("python -m tests.rig.kills --long") == []


def test_every_promise_has_its_row() -> None:
    assert list(rows()) == PROMISES


@pytest.mark.parametrize("number", PROMISES)
def test_a_promise_has_a_command_that_is_there_a_date_and_a_figure(number: str) -> None:
    _, tried, found = rows()[number]
    commands = COMMAND.findall(tried)
    assert commands and [each for command in commands for each in missing(command)] == []
    assert re.match(r"20\d\d-\d\d-\d\d\b.*: .*\d", found)
