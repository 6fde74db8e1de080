"""`reconciler fmt`: what it writes where, and its exit codes. The normal form itself is shown in tests/config."""

from __future__ import annotations

import io

import pytest

from tests.canary import CANARY
from tests.faces.cli.desk import Desk
from tests.requirements import requirement

UNTIDY = "mcpServers:\n    one: # first\n        command:   'x'\nversion: 1\n"


def test_a_file_is_brought_into_its_normal_form_once(desk: Desk) -> None:
    desk.file.write_text(UNTIDY, encoding="utf-8")
    desk.file.chmod(0o640)
    done = desk.run("fmt")
    assert (done.exit, done.out, done.err) == (0, "", "formatted reconciler.yaml\n")
    tidy = desk.file.read_text(encoding="utf-8")
    assert "# first" in tidy and "    command: x\n" in tidy
    assert desk.file.stat().st_mode & 0o777 == 0o640
    again = desk.run("fmt")
    assert (again.exit, again.err, desk.file.read_text(encoding="utf-8")) == (0, "", tidy)


@requirement("PLAN-3:exit-codes")
def test_check_changes_nothing_and_exits_with_2(desk: Desk) -> None:
    desk.file.write_text(UNTIDY, encoding="utf-8")
    done = desk.run("fmt", "--check")
    assert (done.exit, done.err) == (2, "reconciler.yaml is not in its normal form\n")
    assert desk.file.read_text(encoding="utf-8") == UNTIDY
    desk.run("fmt")
    assert desk.run("fmt", "--check").exit == 0


def test_the_difference_is_shown_without_secrets(desk: Desk) -> None:
    desk.file.write_text(f"{UNTIDY}        \n".replace("'x'", f"x\n        env: {{T:   '{CANARY}'}}"), encoding="utf-8")
    done = desk.run("fmt", "--diff")
    assert done.exit == 0
    assert "-        command:" in done.out and "+    command: x" in done.out
    assert desk.run("fmt", "--diff", "--check").exit == 2


def test_standard_input_goes_to_standard_output(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(UNTIDY))
    done = desk.run("fmt", "-")
    assert (done.exit, done.err) == (0, "")
    assert done.out.startswith("version: 1\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(UNTIDY))
    checked = desk.run("fmt", "-", "--check")
    assert (checked.exit, checked.out) == (2, "")


def test_several_files_are_named_and_the_worst_exit_code_holds(desk: Desk) -> None:
    desk.file.write_text(UNTIDY, encoding="utf-8")
    (desk.folder / "other.yaml").write_text("a: [\n", encoding="utf-8")
    done = desk.run("fmt", "reconciler.yaml", "other.yaml")
    assert done.exit == 3
    assert "formatted reconciler.yaml" in done.err
    assert "other.yaml:2:1: error[yaml-syntax]" in done.err
    assert (desk.folder / "other.yaml").read_text(encoding="utf-8") == "a: [\n"


def test_overlays_in_reach_are_formatted_too(desk: Desk) -> None:
    desk.file.write_text(UNTIDY, encoding="utf-8")
    overlay = desk.folder / "reconciler.local.yaml"
    overlay.write_text("mcpServers:\n    one: null\n", encoding="utf-8")
    assert desk.run("fmt").exit == 0
    assert overlay.read_text(encoding="utf-8") == "mcpServers:\n  one: null\n"


def test_a_file_that_is_not_there_is_named(desk: Desk) -> None:
    done = desk.run("fmt", "nowhere.yaml")
    assert done.exit == 1
    assert "nowhere.yaml: No such file" in done.err
