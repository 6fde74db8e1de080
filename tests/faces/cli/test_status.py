"""`reconciler status`: its shape, its exit codes, and what is known without an engine."""

from __future__ import annotations

import json
import os
import pty
import signal
from typing import Any

from reconciler.faces.cli.paint import Painter
from reconciler.faces.cli.status_text import brief_text, is_unhealthy, server_lines, status_lines
from tests.faces.cli.desk import SECONDS, Desk, light
from tests.requirements import requirement

TOP = {"project", "serial", "engine", "source", "pending", "calls", "servers"}
SERVER = {
    *("id", "name", "transport", "group", "enabled", "requireApproval", "status", "sync", "health", "conditions"),
    *("reason", "pid", "instance", "restarts", "nextRetryAt", "toolCount", "capabilities", "serverInfo"),
    *("protocolVersion", "authUrl", "createdAt", "updatedAt", "lastConnectedAt", "generation", "paused"),
}


def row(server: str, **facts: Any) -> dict[str, Any]:
    """A member of `servers` in which everything is well."""
    nothing = dict.fromkeys(SERVER)
    well = {"enabled": True, "status": "connected", "health": "Healthy", "sync": "Synced", "conditions": []}
    return {**nothing, **well, "id": server, "name": server, "restarts": 0, **facts}


def report(*servers: dict[str, Any], **facts: Any) -> dict[str, Any]:
    source = {"valid": True, "files": ["reconciler.yaml"], "problems": [], "following": False}
    source |= {"held": None, "remark": None}
    engine = {"pid": 7, "version": "1", "startedAt": "2026-11-21T03:00:00.000Z", "url": None}
    whole = {"project": "desk", "serial": 3, "engine": engine, "source": source, "pending": []}
    return {**whole, **facts, "servers": list(servers)}


@requirement("LIVE-1:status")
def test_the_document_has_the_shape_that_scripts_rely_on(desk: Desk) -> None:
    with desk.applied({"one": light("one"), "off": light("off", enabled=False)}):
        found = desk.run("status", "-o", "json").json
        assert found.keys() == TOP
        assert found["engine"].keys() == {"pid", "version", "startedAt", "url", "readOnly"}
        assert {"valid", "files", "problems"} <= found["source"].keys()
        assert [each.keys() for each in found["servers"]] == [SERVER, SERVER]
        off, one = found["servers"]
        assert (one["id"], one["status"], one["health"], one["toolCount"]) == ("one", "connected", "Healthy", 10)
        assert (off["status"], off["health"], off["pid"]) == ("disconnected", "Suspended", None)
        chosen = desk.run("status", "one", "-o", "json").json
        assert (chosen.keys(), [each["id"] for each in chosen["servers"]]) == (TOP, ["one"])


@requirement("LIVE-1:status")
def test_one_server_is_shown_whole_with_what_happened(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        shown = desk.run("status", "one").out
        assert shown.startswith("● one  connected\n")
        assert "one is connected" in shown
        unknown = desk.run("status", "two")
        assert (unknown.exit, "there are: one" in unknown.err) == (1, True)


def test_without_an_engine_the_last_known_is_told_and_nothing_claims_to_live(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        engine = desk.run("status", "-o", "json").json["engine"]
        os.kill(engine["pid"], signal.SIGKILL)
        reports = (desk.run("status", "-o", "json") for _ in range(500))
        found = next(report for report in reports if report.json["engine"] is None)
        [one] = found.json["servers"]
        assert (found.exit, one["status"], one["pid"], one["health"]) == (0, "disconnected", None, "Missing")
        assert one["serverInfo"]["name"] == "one"
        assert desk.run("status", "--brief").out == "no engine\n"


@requirement("LIVE-1:status")
def test_before_anything_was_applied_the_document_is_empty(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.run("status", "-o", "json")
    assert done.exit == 0
    source = {"valid": True, "files": ["reconciler.yaml"], "problems": [], "following": False}
    facts = {"SourceValid": "True", "ServingLastGood": "False"}
    shown = {"reason": "Valid", "message": "", "observedGeneration": 0, "lastTransitionTime": None}
    conditions = [{"type": kind, "status": status, **shown} for kind, status in facts.items()]
    source |= {"held": None, "remark": None, "conditions": conditions}
    nothing = {"project": "desk", "serial": 0, "engine": None, "pending": [], "servers": []}
    assert done.json == {**nothing, "source": source, "calls": {"free": 0, "asked": 0, "waiting": 0}}


@requirement("PLAN-3:exit-codes")
def test_exit_codes_tell_the_state(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        assert desk.run("status", "--exit-code").exit == 0
        desk.write({"one": light("one"), "two": light("two")})
        assert desk.run("status").exit == 0
        assert desk.run("status", "--exit-code").exit == 2
        desk.write({"one": {}})
        assert desk.run("status", "--exit-code").exit == 3
        desk.write({"one": light("one")})
        assert desk.process("stop").exit == 0
        assert desk.run("status", "--exit-code").exit == 8


def test_without_a_file_in_reach_the_only_engine_is_meant(desk: Desk, monkeypatch: Any) -> None:
    with desk.applied({"one": light("one")}):
        elsewhere = desk.folder.parent / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        assert desk.run("status", "--brief").out == "1/1 ok\n"
        assert desk.run("status", "-p", "desk", "--brief").out == "1/1 ok\n"
        other = desk.run("status", "-p", "other")
        assert (other.exit, "there are: desk" in other.err) == (64, True)
        monkeypatch.chdir(desk.folder)


def test_several_engines_are_listed_and_one_is_chosen_by_name(desk: Desk, monkeypatch: Any) -> None:
    second = desk.folder.parent / "second"
    second.mkdir()
    with desk.applied({}):
        desk.write({}, project="second")
        desk.file.rename(second / "reconciler.yaml")
        monkeypatch.chdir(second)
        there = ["-f", str(second / "reconciler.yaml")]
        assert desk.process("apply", "--auto-approve", *there).exit == 0
        try:
            monkeypatch.chdir(desk.folder)
            done = desk.run("status")
            assert (done.exit, "several projects are running: desk, second" in done.err) == (64, True)
            assert desk.run("status", "-p", "second", "-o", "json").json["project"] == "second"
        finally:
            assert desk.process("stop", *there).exit == 0


@requirement("PLAN-3:exit-codes")
def test_watching_the_status_shows_every_change_until_it_is_interrupted(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with desk.spawn("status", "--watch", "-o", "json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["servers"] == []
        with desk.applied({"one": light("one")}):
            words: list[str] = []
            while "connected" not in words:
                words = [each["status"] for each in json.loads(process.stdout.readline())["servers"]]
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130


def test_at_a_terminal_the_status_is_drawn_anew(desk: Desk) -> None:
    desk.write({"one": light("one")})
    person, terminal = pty.openpty()
    with desk.spawn("status", "--watch", stdout=terminal) as process:
        os.close(terminal)
        shown = b""
        while shown.count(b"desk  serial 0") < 2:
            shown += os.read(person, 65536)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    os.close(person)


def test_a_brief_line_counts_what_is_well_and_what_waits() -> None:
    bad = row("bad", status="error", health="Degraded")
    off = row("off", enabled=False, status="disconnected", health="Suspended")
    waiting = [{"id": "pln-1", "server": "new", "action": "create", "marks": ["launch"]}]
    assert brief_text(report(row("one"), bad, off)) == "1/2 ok"
    assert brief_text(report(row("one"), pending=waiting)) == "1/1 ok, 1 waiting"
    broken = report(row("one"))
    broken["source"]["valid"] = False
    assert brief_text(broken) == "1/1 ok, file has errors"


def test_a_server_that_is_switched_off_is_not_unwell() -> None:
    assert not is_unhealthy(row("off", enabled=False, health="Missing"))
    assert is_unhealthy(row("one", health="Progressing"))


def test_what_servers_say_of_themselves_reaches_no_terminal_unescaped() -> None:
    hostile = "\x1b[2J\u202e\x07"
    condition = {"type": "Ready", "status": "False", "reason": "Backoff", "message": hostile}
    info = {"name": hostile, "version": hostile}
    bad = row("one", name=hostile, reason=f"{hostile}\nsecond", serverInfo=info, conditions=[condition])
    lines = [*server_lines(bad, Painter()), *status_lines(report(bad), Painter())]
    assert all(line.isprintable() for line in lines)


def test_what_waits_is_shown_with_the_command_that_answers_it() -> None:
    pending = {"id": "pln-1", "server": "new", "action": "create", "marks": ["launch"], "since": "2026-11-21T03:00:00Z"}
    shown = "\n".join(status_lines(report(pending=[pending]), Painter()))
    assert "reconciler approve pln-1 new" in shown


def test_a_broken_file_is_told_with_the_place() -> None:
    broken = report(row("one"))
    problem = {"severity": "error", "file": "reconciler.yaml", "line": 4, "column": 5, "detail": "no field"}
    broken["source"] |= {"valid": False, "problems": [problem]}
    assert "  reconciler.yaml:4:5: no field" in list(status_lines(broken, Painter()))


@requirement("LIVE-1:status")
def test_a_list_that_was_cut_short_is_told_beside_its_server() -> None:
    cut = {
        "type": "ListsComplete",
        "status": "False",
        "reason": "Truncated",
        "message": "tools/list: more than 50 pages",
    }
    lines = status_lines(report(row("one", conditions=[cut])), Painter())
    assert any("incomplete: tools/list: more than 50 pages" in line for line in lines)


@requirement("LIVE-1:status")
def test_a_flood_of_messages_is_told_beside_its_server() -> None:
    loud = {"type": "MessagesSteady", "status": "False", "reason": "Flooding", "message": "it sends too much"}
    lines = list(status_lines(report(row("one", conditions=[loud])), Painter()))
    assert any("one" in line and line.endswith("it sends too much") for line in lines), lines
