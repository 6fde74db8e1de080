"""`reconciler plan`: its outputs, its bases, and that it changes nothing. What it decides is shown in tests/plan."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reconciler.store.state_dir import StateDir
from tests.canary import CANARY
from tests.faces.cli.desk import Desk, light
from tests.requirements import requirement

TWO = {"one": {"command": "x"}, "two": {"url": "https://example.com/mcp"}}


def git(desk: Desk, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=desk.folder, check=True, capture_output=True)


def test_the_first_plan_says_that_there_is_no_state(desk: Desk) -> None:
    desk.write(TWO)
    done = desk.run("plan")
    assert (done.exit, done.err) == (0, "")
    first, second, *rest = done.out.splitlines()
    assert first.startswith("No state yet")
    assert second.startswith("Plan pln-")
    assert rest[-1] == "2 create, 1 update · 0 unchanged"


def test_ascii_is_ascii(desk: Desk) -> None:
    desk.write(TWO)
    assert desk.run("plan", "--ascii").out.isascii()
    assert not desk.run("plan").out.isascii()


@requirement("PLAN-1:merge-patch-and-actions")
def test_json_has_the_patch_and_the_actions(desk: Desk) -> None:
    desk.write(TWO)
    plan = desk.run("plan", "-o", "json").json
    assert [(each["id"], each["action"]) for each in plan["actions"]] == [
        ("@project", "update"),
        ("one", "create"),
        ("two", "create"),
    ]
    assert plan["patch"]["mcpServers"] == TWO
    assert {"id", "action", "risk", "marks", "reasons", "patch"} <= plan["actions"][0].keys()
    assert {"reverse", "summary", "digest"} <= plan.keys()
    assert json.loads(desk.run("plan", "--patch").out) == plan["patch"]


@requirement("PLAN-1:null-removes")
def test_a_removed_server_is_null_in_the_patch(desk: Desk) -> None:
    desk.write(TWO)
    before = desk.folder / "before.yaml"
    desk.file.rename(before)
    desk.write({"two": TWO["two"]})
    done = desk.run("plan", "--against", "before.yaml", "--patch")
    assert json.loads(done.out) == {"mcpServers": {"one": None}}


@requirement("PLAN-3:exit-codes")
@pytest.mark.parametrize("option", ["--exit-code", "--detailed-exitcode"])
def test_changes_are_an_exit_code_where_that_is_asked_for(desk: Desk, option: str) -> None:
    desk.write(TWO)
    assert desk.run("plan").exit == 0
    assert desk.run("plan", option).exit == 2
    same = desk.run("plan", option, "--against", "reconciler.yaml")
    assert (same.exit, same.out) == (0, "No changes. 2 servers in sync (against reconciler.yaml).\n")


@requirement("PLAN-3:json-markdown")
def test_markdown_is_for_a_pull_request(desk: Desk) -> None:
    desk.write(TWO)
    assert desk.run("plan", "-o", "markdown").out.startswith("### Plan `pln-")


@requirement("PLAN-3:exit-codes")
def test_an_invalid_file_is_not_planned(desk: Desk) -> None:
    desk.write({"one": {"comand": "x"}})
    done = desk.run("plan", "--out", "plan.json")
    assert (done.exit, done.out) == (3, "")
    assert "reconciler.yaml:6:" in done.err
    assert not (desk.folder / "plan.json").exists()
    asked = desk.run("plan", "-o", "json")
    assert (asked.exit, asked.err) == (3, "")
    assert asked.json["problems"][0]["code"] == "unknown-field"


def test_planning_leaves_nothing_behind(desk: Desk) -> None:
    desk.write({"one": {"command": "x", "env": {"TOKEN": CANARY}}})
    before = sorted(desk.folder.parent.rglob("*"))
    assert desk.run("plan").exit == 0
    assert sorted(desk.folder.parent.rglob("*")) == before


def test_the_same_plan_has_the_same_id_wherever_it_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write(TWO)
    here = desk.run("plan", "-o", "json").json
    (desk.folder / "deeper").mkdir()
    monkeypatch.chdir(desk.folder / "deeper")
    assert desk.run("plan", "-o", "json").json["id"] == here["id"]
    monkeypatch.chdir("/")
    assert desk.run("plan", "-f", str(desk.file), "-o", "json").json["id"] == here["id"]


def test_a_saved_plan_is_what_was_printed(desk: Desk) -> None:
    desk.write(TWO)
    done = desk.run("plan", "-o", "json", "--out", "plan.json")
    saved = json.loads((desk.folder / "plan.json").read_text(encoding="utf-8"))
    assert saved == done.json
    assert "`reconciler apply plan.json`" in done.err


def test_a_plan_against_another_base_is_not_saved(desk: Desk) -> None:
    desk.write(TWO)
    done = desk.run("plan", "--against", "reconciler.yaml", "--out", "plan.json")
    assert done.exit == 64
    assert not (desk.folder / "plan.json").exists()


@requirement("PLAN-3:deletion-guard")
def test_blocked_deletions_are_shown_with_the_way_out(desk: Desk) -> None:
    desk.write({f"s{number}": {"command": "x"} for number in range(9)})
    desk.file.rename(desk.folder / "before.yaml")
    desk.write({f"s{number}": {"command": "x"} for number in range(5)})
    done = desk.run("plan", "--against", "before.yaml")
    assert done.exit == 0
    assert "--allow mass-delete" in done.out
    assert "Blocked" not in desk.run("plan", "--against", "before.yaml", "--allow", "mass-delete").out


def test_against_a_revision_compares_with_the_file_there(desk: Desk) -> None:
    desk.write(TWO)
    git(desk, "init", "-q")
    git(desk, "add", "reconciler.yaml")
    git(desk, "commit", "-qm", "first")
    desk.write({**TWO, "three": {"command": "z"}})
    (desk.folder / "reconciler.local.yaml").write_text("mcpServers: {two: null}\n", encoding="utf-8")
    plan = desk.run("plan", "--against", "git:HEAD", "-o", "json").json
    assert [(each["id"], each["action"]) for each in plan["actions"]] == [("three", "create")]


def test_against_a_revision_without_the_file_all_is_new(desk: Desk) -> None:
    git(desk, "init", "-q")
    git(desk, "commit", "-qm", "first", "--allow-empty")
    desk.write(TWO)
    plan = desk.run("plan", "--against", "git:main", "-o", "json").json
    assert plan["summary"]["create"] == 2


@pytest.mark.parametrize("base", ["git:nowhere", "git:--output=x", "git:", "git:HEAD:other"])
def test_an_unknown_revision_is_refused_with_the_way_out(desk: Desk, base: str) -> None:
    git(desk, "init", "-q")
    desk.write(TWO)
    done = desk.run("plan", "--against", base)
    assert done.exit == 1
    assert "git:REF is a branch" in done.err
    assert not (desk.folder / "x").exists()


def test_against_a_broken_base_its_problems_are_shown(desk: Desk) -> None:
    desk.write(TWO)
    (desk.folder / "old.yaml").write_text("mcpServers: 7\n", encoding="utf-8")
    done = desk.run("plan", "--against", "old.yaml", "-o", "json")
    assert done.exit == 3
    assert done.json["problems"][0]["file"] == "old.yaml"


def test_against_nothing_at_all_is_wrong_usage(desk: Desk) -> None:
    desk.write(TWO)
    assert desk.run("plan", "--against", "nowhere.yaml").exit == 64


@requirement("PLAN-1:merge-patch-and-actions")
def test_the_plan_is_the_engine_s_own_with_the_same_id(desk: Desk) -> None:
    missing = {"command": "/no/such/program"}
    with desk.applied({"one": light("one"), "bad": missing}) as done:
        assert done.exit == 5
        [repair] = desk.run("plan", "-o", "json").json["drift"]
        assert (repair["id"], "/no/such/program" in repair["reasons"][0]["detail"]) == ("bad", True)
        desk.write({"one": light("one", name="One"), "bad": missing})
        plan = desk.run("plan", "-o", "json").json
        applied = desk.process("apply", "--auto-approve", "-o", "json").json
        assert applied["id"] == plan["id"]
        assert [row["status"] for row in applied["results"]] == ["applied", "failed"]


@pytest.mark.needs("strace")
def test_planning_runs_opens_for_writing_and_contacts_nothing(desk: Desk, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with desk.applied({"one": light("one")}):
        desk.write({"one": light("other")})
        calls = "trace=execve,execveat,openat,open,creat,connect,unlink,rename,mkdir"
        watched = ["strace", "-f", "-o", str(trace), "-e", calls]
        command = [*watched, *desk.spawn_command("plan")]
        subprocess.run(command, cwd=desk.folder, check=True, capture_output=True)
    lines = trace.read_text(encoding="utf-8").splitlines()
    assert sum("execve(" in line for line in lines) == 1
    opened = [line for line in lines if "O_WRONLY" in line or "O_RDWR" in line or "O_CREAT" in line]
    assert [line for line in opened if "/dev/null" not in line] == []
    contacted = [line for line in lines if "connect(" in line]
    (state,) = (tmp_path / "state").iterdir()
    assert contacted and all(str(StateDir(state).socket) in line for line in contacted)
    assert [line for line in lines if any(f" {name}(" in line for name in ("unlink", "rename", "mkdir", "creat"))] == []
