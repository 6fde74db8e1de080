"""`reconciler apply`: who says yes, what becomes of it, and what it exits with. With real engines and servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.progress import outcome_line
from tests.canary import CANARY, VARIABLE
from tests.faces.cli.desk import Desk, Done, light
from tests.requirements import requirement

FAILS = light("fails", "--no-such-option")


def results(done: Done) -> dict[str, str]:
    return {row["server"]: row["status"] for row in done.json["results"]}


def rows(desk: Desk) -> dict[str, Any]:
    return {row["id"]: row for row in desk.run("status", "-o", "json").json["servers"]}


@requirement("PLAN-3:exit-codes")
def test_without_a_yes_nothing_is_applied(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.run("apply")
    assert (done.exit, done.out) == (6, "")
    assert "+ one" in done.err and "`--auto-approve` is a yes" in done.err
    asked = desk.run("apply", "-o", "json")
    assert (asked.exit, asked.json["error"]["code"]) == (6, "needs-yes")
    assert asked.json["plan"].startswith("pln-")
    assert desk.run("status", "-o", "json").json["serial"] == 0


@requirement("PLAN-3:exit-codes")
def test_what_is_applied_lives_and_is_reported(desk: Desk) -> None:
    with desk.applied({"one": light("one"), "two": light("two", enabled=False)}) as done:
        assert done.exit == 0
        [line] = done.out.splitlines()
        assert line.startswith("pln-") and line.endswith(" 3 applied · 0 unchanged · serial 1")
        assert "started an engine in the background" in done.err
        assert "✓ one  create  done" in done.err
        found = rows(desk)
        assert {name: row["status"] for name, row in found.items()} == {"one": "connected", "two": "disconnected"}
        again = desk.process("apply")
        assert (again.exit, again.out, again.err) == (0, "No changes. 2 servers in sync (serial 1).\n", "")
        assert desk.run("apply", "-o", "json").json["results"] == []


@requirement("APPLY-2:failed-change-keeps-old", "PLAN-3:exit-codes")
def test_a_change_that_fails_is_applied_in_part(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        before = rows(desk)["one"]["instance"]
        desk.write({"one": FAILS, "two": light("two")})
        done = desk.process("apply", "--auto-approve", "-o", "json")
        assert (done.exit, results(done)) == (5, {"one": "failed", "two": "applied"})
        assert done.json["exit"] == 5
        after = rows(desk)["one"]
        assert (after["instance"], after["status"]) == (before, "connected")
        assert "no-such-option" in after["reason"]
        desk.write({"one": light("one"), "two": light("two")})
        mended = desk.process("apply", "--auto-approve")
        assert mended.exit == 0, mended.err


def test_a_failure_is_told_for_people(desk: Desk) -> None:
    desk.write({"one": FAILS})
    done = desk.process("apply", "--auto-approve", "--once")
    assert done.exit == 5
    assert done.out.startswith("✗ one  create  failed: ")
    assert "no-such-option" in done.out and "no-such-option" not in done.err.rpartition("unchanged")[2]


@requirement("PLAN-3:deletion-guard", "PLAN-3:exit-codes")
def test_a_blocked_deletion_blocks_the_plan_whatever_was_said(desk: Desk) -> None:
    servers = {f"s{number}": light(f"s{number}", enabled=False) for number in range(9)}
    with desk.applied(servers):
        desk.write({name: servers[name] for name in list(servers)[:5]} | {"new": light("new")})
        done = desk.process("apply", "--auto-approve", "-o", "json")
        assert (done.exit, done.json["error"]["code"]) == (6, "blocked")
        assert "--allow mass-delete" in done.json["error"]["hint"]
        assert len(rows(desk)) == 9
        allowed = desk.process("apply", "--auto-approve", "--allow", "mass-delete")
        assert allowed.exit == 0, allowed.err
        assert len(rows(desk)) == 6


def test_an_engine_started_for_once_is_ended_again(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.process("apply", "--auto-approve", "--once")
    assert done.exit == 0
    report = desk.run("status", "-o", "json").json
    assert (report["engine"], report["serial"]) == (None, 1)
    quiet = desk.process("apply", "--once")
    assert (quiet.exit, quiet.err) == (0, "")


def test_once_leaves_an_engine_alone_that_ran_before(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        desk.write({"one": light("one", name="One")})
        assert desk.process("apply", "--auto-approve", "--once").exit == 0
        assert desk.run("status", "-o", "json").json["engine"] is not None


def test_what_was_applied_is_brought_up_where_no_engine_runs(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        assert desk.process("stop").exit == 0
        done = desk.process("apply")
        assert done.exit == 0
        assert "started an engine in the background" in done.err
        assert rows(desk)["one"]["status"] == "connected"


@requirement("PLAN-3:exit-codes")
def test_in_sync_but_not_healthy_is_8(desk: Desk) -> None:
    with desk.applied({"one": FAILS}) as done:
        assert done.exit == 5
        assert desk.process("stop").exit == 0
        again = desk.process("apply")
        assert (again.exit, "not healthy: one" in again.err) == (8, True)


@requirement("PLAN-3:saved-plan-stale", "PLAN-3:exit-codes")
def test_a_saved_plan_is_applied_once(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        desk.write({"one": light("one"), "two": light("two")})
        assert desk.run("plan", "--out", "plan.json").exit == 0
        done = desk.process("apply", "plan.json", "--auto-approve", "-o", "json")
        assert (done.exit, results(done)) == (0, {"two": "applied"})
        again = desk.process("apply", "plan.json", "--auto-approve", "-o", "json")
        assert (again.exit, again.json["error"]["code"]) == (4, "stale")
        assert again.json["reasons"]


@requirement("PLAN-3:saved-plan-stale", "PLAN-3:exit-codes")
@pytest.mark.parametrize(
    ("text", "exit_code", "code"),
    [
        ("mcpServers: {}", 3, "plan-unreadable"),
        ('{"format": "reconciler.plan", "formatVersion": "2.0"}', 4, "plan-version"),
        ('{"format": "reconciler.plan", "formatVersion": "1.0"}', 4, "plan-edited"),
    ],
)
def test_what_is_no_plan_is_not_applied(desk: Desk, text: str, exit_code: int, code: str) -> None:
    desk.write({})
    (desk.folder / "plan.json").write_text(text, encoding="utf-8")
    done = desk.run("apply", "plan.json", "--auto-approve", "-o", "json")
    assert (done.exit, done.json["error"]["code"]) == (exit_code, code)


def test_an_edited_plan_is_not_applied(desk: Desk) -> None:
    desk.write({"one": light("one")})
    desk.run("plan", "--out", "plan.json")
    path = desk.folder / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    plan["patch"]["mcpServers"]["one"]["command"] = "sh"
    path.write_text(json.dumps(plan), encoding="utf-8")
    assert desk.run("apply", "plan.json", "--auto-approve").exit == 4


@requirement("PLAN-3:exit-codes")
def test_an_invalid_file_is_not_applied(desk: Desk) -> None:
    desk.write({"one": {"comand": "x"}})
    done = desk.run("apply", "--auto-approve", "-o", "json")
    assert done.exit == 3
    assert done.json["problems"][0]["code"] == "unknown-field"


def test_at_a_terminal_a_person_is_asked_and_no_means_no(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.typed("n\n", "apply", "--once")
    assert (done.exit, done.out) == (6, "")
    assert "Apply this plan? [y/N]" in done.err
    assert "nothing was applied" in done.err


def test_at_a_terminal_a_yes_is_a_yes_and_progress_is_drawn(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.typed("y\n", "apply", "--once", "-o", "json")
    assert (done.exit, results(done)) == (0, {"@project": "applied", "one": "applied"})
    assert "✓ one" in done.err


def test_only_variables_that_the_file_names_are_offered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.applied({}):
        monkeypatch.setenv("NAMED_AFTER_THE_START", CANARY)
        monkeypatch.setenv("NOT_NAMED", CANARY)
        desk.write({"one": light("one", env=["NAMED_AFTER_THE_START", VARIABLE])})
        done = desk.process("apply", "--auto-approve")
        assert done.exit == 0, done.err
        [condition] = [c for c in rows(desk)["one"]["conditions"] if c["type"] == "EnvironmentComplete"] or [None]
        assert condition is None


def test_sessions_that_come_and_go_do_not_make_a_yes_stale(desk: Desk) -> None:
    with desk.applied({"flaps": FAILS, "one": light("one")}) as done:
        assert done.exit == 5
        desk.write({"flaps": FAILS, "one": light("one"), "two": light("two")})
        assert desk.process("stop").exit == 0
        done = desk.process("apply", "--auto-approve", "-o", "json")
        assert results(done)["two"] == "applied", done


@requirement("PLAN-3:exit-codes")
def test_what_is_still_on_its_way_is_said_to_be_so_once() -> None:
    error = {"code": "late", "message": "still on its way"}
    news = {"server": "one", "action": "create", "status": "late", "ms": 9, "error": error}
    assert outcome_line(news, Painter()) == "! one  create  still on its way"
