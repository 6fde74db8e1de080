"""Data cases: a broken file, and every problem in it as people see it. ACCEPT=1 rewrites what is expected.

A folder holds `config.yaml` or `config.json`, perhaps `local.yaml` (an overlay) and `strict` (an empty marker).
"""

import os
import re
from pathlib import Path

import pytest

from reconciler.config.codes import SUMMARY
from reconciler.config.excerpt import render_problem
from reconciler.config.read import Reading, Source, read
from tests.requirements import requirement

CASES = Path(__file__).parent.parent / "cases" / "config"
ACCEPT = bool(os.environ.get("ACCEPT"))
FOLDERS = sorted(path for path in CASES.iterdir() if path.is_dir())
BY_SIZE = {"file-too-large", "too-many-servers", "too-many-values", "too-many-aliases"}
"""Codes whose files would be too large to keep; test_limits.py makes them."""


def reading_of(folder: Path) -> Reading:
    """What the folder's files say together."""
    main = next(path for path in (folder / "config.yaml", folder / "config.json") if path.exists())
    paths = [path for path in (main, folder / "local.yaml") if path.exists()]
    sources = [Source(path.name, path.read_bytes().decode("utf-8")) for path in paths]
    return read(sources, default_project="case", strict=(folder / "strict").exists())


def rendered(folder: Path) -> str:
    """The problems of a folder as `validate` shows them, a blank line between two."""
    reading = reading_of(folder)
    shown = (render_problem(p, reading.shown(p.place.file) if p.place else None) for p in reading.problems)
    return "\n\n".join("\n".join(lines) for lines in shown) + "\n"


def expected(folder: Path) -> str:
    return (folder / "problems.txt").read_text(encoding="utf-8")


@requirement("CFG-6:all-problems-at-once", "CFG-6:place-and-caret")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_problem_of_the_file_is_shown_at_its_place(folder: Path) -> None:
    if ACCEPT:
        (folder / "problems.txt").write_text(rendered(folder), encoding="utf-8")
    assert rendered(folder) == expected(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_file_with_an_error_says_nothing_else(folder: Path) -> None:
    reading = reading_of(folder)
    has_error = any(problem.severity == "error" for problem in reading.problems)
    assert (reading.written is None) == has_error
    assert all(problem.summary == SUMMARY[problem.code] for problem in reading.problems)


@requirement("CFG-6:did-you-mean")
def test_every_error_that_has_a_case_names_a_way_out() -> None:
    without = [
        f.name
        for f in FOLDERS
        for p in reading_of(f).problems
        if not p.hint and p.code not in ("yaml-syntax", "too-deep")
    ]
    assert without == []


def test_there_is_a_case_for_every_code() -> None:
    shown = {code for folder in FOLDERS for code in re.findall(r": (?:error|warning)\[([a-z-]+)\]: ", expected(folder))}
    assert shown == SUMMARY.keys() - BY_SIZE
    assert len(FOLDERS) >= 30


def test_most_cases_have_several_problems() -> None:
    several = [folder for folder in FOLDERS if expected(folder).count("\n\n") > 0]
    assert len(several) > len(FOLDERS) / 2
