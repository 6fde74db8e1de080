"""`reconciler lock`, and what `tools`, `status` and `plan` say of it. On real servers."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine.listing import lay, listed, reached
from tests.faces.cli.desk import Desk
from tests.faces.cli.test_plan import git
from tests.requirements import requirement

ECHO: dict[str, Any] = {"name": "echo", "description": "Says it again.", "inputSchema": {"type": "object"}}
READS: dict[str, Any] = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def show(desk: Desk, name: str, **lists: Any) -> None:
    """The live server lists something else; returns once that is known."""
    before = desk.run("tools", name, "-o", "json").json
    lay(desk.folder, name, **lists)
    [row] = desk.run("status", name, "-o", "json").json["servers"]
    os.kill(row["pid"], signal.SIGUSR1)
    until = time.monotonic() + 30
    while desk.run("tools", name, "-o", "json").json == before:
        assert time.monotonic() < until, "nothing changed"


@requirement("GATE-3:command", "GATE-3:drift", "GATE-3:diff")
def test_lock_from_the_first_pin_to_an_accepted_change(desk: Desk) -> None:
    lay(desk.folder, "s", tools=[ECHO, READS])
    lay(desk.folder, "t", tools=[ECHO])
    with desk.applied({"s": listed(desk.folder, "s"), "t": listed(desk.folder, "t")}, lock="enforce"):
        none = desk.run("lock", "--check")
        assert (none.exit, none.out) == (3, "")
        assert none.err == "error: reconciler.lock does not exist\n       `reconciler lock` writes it\n"
        first = desk.run("lock")
        assert (first.exit, first.out) == (0, "")
        assert first.err.splitlines() == [
            "wrote reconciler.lock: 2 servers pinned as they are",
            "  s  accepted: new to the lock, 2 tools new (echo, look)",
            "  t  accepted: new to the lock, 1 tool new (echo)",
        ]
        text = (desk.folder / "reconciler.lock").read_text(encoding="utf-8")
        assert desk.run("lock").err == "reconciler.lock says all that already, 2 servers as pinned\n"
        checked = desk.run("lock", "--check")
        assert (checked.exit, checked.out) == (0, "reconciler.lock: no drift, 2 servers as pinned\n")
        assert desk.run("lock", "--diff").out == "reconciler.lock: nothing differs\n"

        show(desk, "s", tools=[{**ECHO, "description": "Says it again.\u200b Twice."}, READS])
        drift = desk.run("lock", "--check")
        assert (drift.exit, drift.out) == (2, "! s  1 tool changed (echo)  withheld\n")
        assert (desk.run("lock", "--check", "t").exit, desk.run("lock", "--check", "s").exit) == (0, 2)
        assert desk.run("lock", "--check", "-o", "json").json["drift"] is True
        diff = desk.run("lock", "--diff", "s")
        assert (diff.exit, diff.out) == (
            0,
            "s\n  ~ tool echo  changed   ! hidden in it: zero-width characters (1)\n"
            "      description  Says it again.{+\\u200b Twice.+}\n",
        )
        [row] = [row for row in desk.run("lock", "--diff", "-o", "json").json["servers"] if row["id"] == "s"]
        assert row["drift"][0]["hidden"] == {"zero-width characters": 1}
        assert row["drift"][0]["changes"][0]["after"] == "Says it again.\u200b Twice."

        refused = desk.run("call", "s", "echo")
        assert (refused.exit, "`reconciler lock --update s` accepts it" in refused.err) == (1, True)
        assert desk.run("call", "s", "look").exit == 0
        assert reached(desk.folder, "s") == ["tools/call look"]
        table = desk.run("tools", "s").out.splitlines()
        assert [line.split()[1:3] for line in table[1:]] == [["echo", "asks"], ["look", "reads"]]
        assert ["changed, withheld" in line for line in table[1:]] == [True, False]
        assert "lock: 1 tool changed (echo) (withheld)" in desk.run("status").out
        assert "not as the lock has it" in desk.run("events", "--server", "s").out
        plan = desk.run("plan")
        assert plan.out.splitlines()[2:] == [
            "  Tools",
            "  ! s  1 tool changed (echo)",
            "      `reconciler lock --diff` shows it",
        ]
        assert desk.run("plan", "-o", "json").json["toolDrift"] == [
            {"id": "s", "kind": "tool", "name": "echo", "state": "changed"}
        ]

        updated = desk.run("lock", "--update", "s")
        assert updated.err.splitlines()[1:] == ["  s  accepted: 1 tool changed (echo)"]
        after = (desk.folder / "reconciler.lock").read_text(encoding="utf-8")
        lines = [pair for pair in zip(text.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
        assert len(lines) == 1
        assert "Twice." in lines[0][1]
        assert desk.run("call", "s", "echo").exit == 0
        assert desk.run("lock", "--check").exit == 0


@requirement("GATE-3:command")
def test_what_is_not_live_is_said_and_counts(desk: Desk) -> None:
    lay(desk.folder, "s", tools=[ECHO])
    servers = {
        "s": listed(desk.folder, "s"),
        "down": {"command": "/nonexistent/program"},
        "idle": listed(desk.folder, "s", enabled=False),
        "free": listed(desk.folder, "s", lock="off"),
    }
    with desk.applied(servers):
        written = desk.run("lock")
        assert (written.exit, "down  left as it was: it is error" in written.err) == (5, True)
        assert desk.run("lock", "--update", "down").exit == 1
        unknown = desk.run("lock", "--update", "nobody")
        assert (unknown.exit, 'no server "nobody"' in unknown.err) == (1, True)
        checked = desk.run("lock", "--check")
        assert checked.exit == 8
        said = checked.out.splitlines()
        assert said[0] == "reconciler.lock: no drift, 1 server as pinned"
        assert [line.split()[0] for line in said[1:]] == ["down", "free", "idle"]
        assert "its lock is off in the file" in said[2]
        desk.write({"s": listed(desk.folder, "s")})
        desk.run("apply", "--auto-approve", "--allow", "mass-delete")
        assert desk.run("lock", "--check").exit == 0
        assert desk.run("lock", "-o", "json").json["removed"] == []


@requirement("GATE-3:broken-lock", "GATE-3:command")
def test_a_broken_lock_is_told_with_its_place_by_every_command(desk: Desk) -> None:
    lay(desk.folder, "s", tools=[ECHO])
    with desk.applied({"s": listed(desk.folder, "s")}, lock="enforce"):
        desk.run("lock")
        file = desk.folder / "reconciler.lock"
        good = file.read_text(encoding="utf-8")
        file.write_text(f"<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> theirs\n", encoding="utf-8")
        for options in (["--check"], ["--diff"], ["--update", "s"]):
            done = desk.run("lock", *options)
            assert (done.exit, "reconciler.lock:1:1: " in done.err) == (3, True)
        told = desk.run("lock", "--check", "-o", "json").json
        assert (told["error"]["code"], told["problems"][0]["code"]) == ("lock-unusable", "merge-conflict")
        assert "the lock file cannot be used" in desk.run("call", "s", "echo").err
        assert [each["pin"] for each in desk.run("tools", "-o", "json").json["tools"]] == ["unknown"]
        plan = desk.run("plan")
        assert (plan.exit, "[lock.broken]" in plan.out, "reconciler.lock:1:1" in plan.out) == (0, True, True)
        assert reached(desk.folder, "s") == []
        file.unlink()
        file.mkdir()
        done = desk.run("lock", "--check")
        assert (done.exit, done.err.splitlines()[1].strip()) == (3, "reconciler.lock: Is a directory")
        file.rmdir()
        assert desk.run("lock").exit == 0
        assert file.read_text(encoding="utf-8") == good


def test_without_an_engine_it_says_how_to_get_one(desk: Desk) -> None:
    desk.write({})
    for options in ([], ["--check"], ["--diff"], ["--update", "s"]):
        done = desk.run("lock", *options)
        assert (done.exit, "starts one" in done.err) == (1, True)


@pytest.mark.parametrize(
    "options", [["--check", "--diff"], ["--check", "--update", "s"], ["s"], ["s", "--update", "s"]]
)
def test_one_thing_at_a_time(desk: Desk, options: list[str]) -> None:
    desk.write({})
    done = desk.run("lock", *options)
    assert (done.exit, "one thing at a time" in done.err) == (64, True)


@requirement("GATE-3:stale")
def test_a_plan_against_a_revision_tells_how_the_lock_differs_there(desk: Desk, tmp_path: Path) -> None:
    lay(desk.folder, "s", tools=[ECHO])
    with desk.applied({"s": listed(desk.folder, "s")}):
        desk.run("lock")
        git(desk, "init", "-q")
        git(desk, "add", "reconciler.yaml", "reconciler.lock")
        git(desk, "commit", "-qm", "first")
        show(desk, "s", tools=[{**ECHO, "title": "Echo"}])
        desk.run("lock")
    old = desk.run("plan", "--against", "git:HEAD", "-o", "json").json
    assert old["lockChanges"] == [
        {
            "id": "s",
            "kind": "tool",
            "name": "echo",
            "state": "changed",
            "changes": [{"path": "/title", "state": "new", "before": None, "after": "Echo"}],
            "hidden": {},
        }
    ]
    copy = tmp_path / "other"
    copy.mkdir()
    for name in ("reconciler.yaml", "reconciler.lock"):
        (copy / name).write_bytes((desk.folder / name).read_bytes())
    assert desk.run("plan", "--against", str(copy / "reconciler.yaml"), "-o", "json").json["lockChanges"] == []
    desk.write({"s": listed(desk.folder, "s", "--now")})
    stale = desk.run("plan", "--against", "git:HEAD", "-o", "markdown")
    assert "- warning `s`: `what it launches is not what the lock pins`" in stale.out
    assert "[lock.stale]" in stale.out
    [check] = desk.run("plan", "--against", "git:HEAD", "-o", "json").json["checks"]
    assert (check["code"], check["severity"], check["id"]) == ("lock.stale", "warning", "s")
    assert check["place"]["file"] == "reconciler.yaml"
    assert json.dumps(check["hint"])
