"""`reconciler init`: a first file that is valid, and what it leaves alone."""

from __future__ import annotations

from tests.faces.cli.desk import Desk
from tests.requirements import requirement


def test_the_first_file_is_valid_tidy_and_empty(desk: Desk) -> None:
    done = desk.run("init")
    assert (done.exit, done.out) == (0, "")
    assert "wrote reconciler.yaml" in done.err
    text = desk.file.read_text(encoding="utf-8")
    assert text.startswith("version: 1\nproject: desk\n")
    assert "requireApproval: writes" in text and "mcpServers: {}" in text
    assert "envFile" not in text and "$schema" not in text
    assert desk.run("validate", "--strict").err == "reconciler.yaml is valid: 0 servers\n"
    assert desk.run("fmt", "--check").exit == 0


def test_the_example_in_the_first_file_is_valid_when_it_is_taken_up(desk: Desk) -> None:
    desk.run("init")
    head, _, example = desk.file.read_text(encoding="utf-8").partition("mcpServers: {}\n")
    lines = [line.removeprefix("# ") for line in example.splitlines()[1:]]
    desk.file.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    assert desk.run("validate").err == "reconciler.yaml is valid: 2 servers\n"


def test_an_env_file_and_a_schema_that_are_there_are_named(desk: Desk) -> None:
    (desk.folder / ".env").touch()
    (desk.folder / "schemas").mkdir()
    (desk.folder / "schemas" / "reconciler-1.schema.json").touch()
    desk.run("init")
    first, *rest = desk.file.read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=./schemas/reconciler-1.schema.json"
    assert any(line.startswith("envFile: .env") for line in rest)
    assert desk.run("validate").exit == 0


@requirement("PLAN-3:exit-codes")
def test_a_file_that_is_there_is_not_replaced(desk: Desk) -> None:
    desk.file.write_text("mine\n", encoding="utf-8")
    done = desk.run("init")
    assert (done.exit, "`--force`" in done.err) == (4, True)
    assert desk.file.read_text(encoding="utf-8") == "mine\n"
    assert desk.run("init", "--force").exit == 0
    assert desk.file.read_text(encoding="utf-8") != "mine\n"


def test_git_ignores_the_local_overlay_once(desk: Desk) -> None:
    (desk.folder / ".git").mkdir()
    ignore = desk.folder / ".gitignore"
    ignore.write_text("build/", encoding="utf-8")
    desk.run("init")
    assert ignore.read_text(encoding="utf-8") == "build/\nreconciler.local.yaml\n"
    assert "added" not in desk.run("init", "--force").err
    assert ignore.read_text(encoding="utf-8") == "build/\nreconciler.local.yaml\n"


def test_outside_of_a_checkout_nothing_is_ignored(desk: Desk) -> None:
    desk.run("init", "-f", "mine.reconciler.yaml")
    assert [path.name for path in desk.folder.iterdir()] == ["mine.reconciler.yaml"]
    assert "project: mine\n" in (desk.folder / "mine.reconciler.yaml").read_text(encoding="utf-8")
