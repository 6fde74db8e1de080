"""`reconciler validate`: exit code, shapes and streams. What it finds is shown in tests/config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import CANARY
from tests.faces.cli.desk import Desk
from tests.requirements import requirement

BROKEN = """\
version: 1
mcpServers:
  docs:
    url: https://example.com/mcp
    enabeld: false
  time:
    command: uvx
    requireApproval: sometimes
"""


@requirement("CFG-6:all-problems-at-once", "PLAN-3:exit-codes")
def test_all_problems_come_at_once_each_with_its_place(desk: Desk) -> None:
    desk.file.write_text(BROKEN, encoding="utf-8")
    done = desk.run("validate")
    assert done.exit == 3
    heads = [line.split(" ")[0] for line in done.out.splitlines() if line.startswith("reconciler.yaml")]
    assert heads == ["reconciler.yaml:5:5:", "reconciler.yaml:8:22:"]
    assert '^^^^^^^ did you mean "enabled"?' in done.out
    assert done.err == "2 errors\n"


@requirement("CFG-6:all-problems-at-once")
def test_the_same_as_json(desk: Desk) -> None:
    desk.file.write_text(BROKEN, encoding="utf-8")
    done = desk.run("validate", "-o", "json")
    assert done.exit == 3
    first, second = done.json["problems"]
    assert first == {
        "severity": "error",
        "code": "unknown-field",
        "summary": "A field nobody knows",
        "detail": 'server "docs" has no field "enabeld"',
        "file": "reconciler.yaml",
        "line": 5,
        "column": 5,
        "hint": 'did you mean "enabled"?',
    }
    assert (second["line"], second["column"]) == (8, 22)


def test_a_valid_file_is_counted_and_prints_no_data(desk: Desk) -> None:
    desk.write({"one": {"command": "x"}})
    done = desk.run("validate")
    assert (done.exit, done.out, done.err) == (0, "", "reconciler.yaml is valid: 1 server\n")
    assert desk.run("validate", "-o", "json").json == {"problems": []}


def test_places_are_told_from_where_the_person_stands(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.file.write_text(BROKEN, encoding="utf-8")
    monkeypatch.chdir(desk.folder.parent)
    assert "desk/reconciler.yaml:5:5: " in desk.run("validate", "-f", "desk/reconciler.yaml").out


def test_overlays_count(desk: Desk) -> None:
    desk.write({"one": {"command": "x"}})
    (desk.folder / "more.yaml").write_text("mcpServers: {two: {comand: y}}\n", encoding="utf-8")
    done = desk.run("validate", "-f", "reconciler.yaml", "-f", "more.yaml")
    assert done.exit == 3
    assert done.out.startswith("more.yaml:1:")


def test_a_secret_is_a_warning_an_error_with_strict_and_never_shown(desk: Desk) -> None:
    desk.write({"one": {"command": "x", "env": {"API_TOKEN": CANARY}}})
    done = desk.run("validate")
    assert (done.exit, "1 warning" in done.err) == (0, True)
    assert "literal-secret" in done.out
    assert desk.run("validate", "--strict").exit == 3


def test_a_file_that_cannot_be_read_is_a_problem(desk: Desk) -> None:
    done = desk.run("validate", "-f", "nowhere.yaml", "-o", "json")
    assert done.exit == 3
    assert [(each["code"], each["line"]) for each in done.json["problems"]] == [("unreadable-file", None)]


def test_annotations_for_a_workflow_cannot_be_broken_out_of(desk: Desk) -> None:
    desk.file.write_text('version: 1\nmcpServers:\n  a: {command: x, "b\\n::error::,%0A": 1}\n', encoding="utf-8")
    done = desk.run("validate", "--format", "github")
    [line] = done.out.splitlines()
    assert line.startswith("::error file=reconciler.yaml,line=3,col=19,title=A field nobody knows [unknown-field]::")
    assert "%250A" in line


def test_without_a_file_json_has_the_same_shape(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", "-o", "json"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    (problem,) = json.loads(answer.stdout)["problems"]
    assert (answer.returncode, problem["code"]) == (3, "no-configuration")
