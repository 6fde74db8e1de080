"""The commands that talk to a running engine: tools, call, logs, events, restart, stop, rollback. On real servers."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from reconciler.client import ApiError, Client
from reconciler.faces.cli.call import content_lines
from reconciler.faces.cli.paint import Painter
from reconciler.store.state_dir import StateDir
from tests.faces.cli.desk import Desk, light
from tests.requirements import requirement


def one(desk: Desk, server: str) -> dict[str, Any]:
    [row] = desk.run("status", server, "-o", "json").json["servers"]
    return dict(row)


@requirement("LIVE-1:tools-listed")
def test_tools_say_who_is_asked_and_which_line_decides(desk: Desk) -> None:
    rules = {"echo": {"requireApproval": False}}
    with desk.applied({"one": light("one", tools=rules, denyTools=["crash"]), "off": light("off", enabled=False)}):
        tools = desk.run("tools", "-o", "json").json["tools"]
        members = {"server", "name", "description", "hint", "asks", "by", "pin", "withheld"}
        assert all(tool.keys() == members for tool in tools)
        asks = {tool["name"]: tool["asks"] for tool in tools}
        assert (asks["echo"], asks["info"], "crash" in asks) == (False, True, False)
        [echo] = [tool for tool in tools if tool["name"] == "echo"]
        assert "reconciler.yaml:" in echo["by"]
        assert "echo" in desk.run("tools", "one").out
        unknown = desk.run("tools", "two")
        assert (unknown.exit, 'no server "two" was applied' in unknown.err) == (1, True)
        none = desk.run("tools", "off")
        assert (none.exit, none.out, "no tools" in none.err) == (0, "", True)


@requirement("GATE-2:gate-decides")
def test_a_call_prints_the_text_or_the_raw_result(desk: Desk) -> None:
    with desk.applied({"one": light("one", denyTools=["info"])}):
        done = desk.run("call", "one", "echo", '{"text": "a\\u001b[31m\\nb"}')
        assert (done.exit, done.out, done.err) == (0, "a\\x1b[31m\nb\n", "")
        (desk.folder / "arguments.json").write_text('{"text": "from a file"}', encoding="utf-8")
        raw = desk.run("call", "one", "echo", "@arguments.json", "-o", "json").json
        assert raw["content"] == [{"type": "text", "text": "from a file"}]
        with (desk.folder / "arguments.json").open() as given:
            assert desk.process("call", "one", "echo", "-", stdin=given).out == "from a file\n"
        refused = desk.run("call", "one", "info", "-o", "json")
        assert (refused.exit, refused.json["error"]["code"]) == (1, "tool-not-offered")
        failed = desk.run("call", "one", "crash", '{"status": 3}')
        assert (failed.exit, failed.out) == (1, "")
        assert failed.err.startswith("error: ")


@requirement("GATE-1:questions")
def test_a_server_that_asks_back_is_declined_or_the_call_fails_with_its_words(desk: Desk) -> None:
    asks = {
        "resultType": "input_required",
        "inputRequests": {"q": {"params": {"message": "your \u001b[31mname?"}}, "r": 3},
    }
    given = json.dumps({"text": json.dumps({"jsonrpc": "2.0", "id": "$ID", "result": asks})})
    with desk.applied({"one": light("one")}):
        asked = desk.run("call", "one", "ask", '{"text": "your name?"}')
        assert (asked.exit, "decline" in asked.out) == (0, True)
        unfinished = desk.run("call", "one", "raw", given)
        assert (unfinished.exit, unfinished.out) == (1, "")
        assert "asks back, and nobody can answer it here; your \\x1b[31mname?" in unfinished.err
        assert "connected to the gateway" in unfinished.err
        raw = desk.run("call", "one", "raw", given, "-o", "json")
        assert (raw.exit, raw.json) == (1, asks)


@pytest.mark.parametrize("given", ["{", "[]", "7", '"text"'])
def test_arguments_that_are_no_object_are_wrong_usage(desk: Desk, given: str) -> None:
    with desk.applied({}):
        done = desk.run("call", "one", "echo", given)
        assert (done.exit, "write an object" in done.err) == (64, True)


def test_a_result_is_shown_by_its_kinds() -> None:
    content = [
        {"type": "text", "text": "first\nsecond\x1b"},
        {"type": "image", "mimeType": "image/png", "data": "AAAA"},
        {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
        {"type": "resource_link", "uri": "file:///b\x07"},
        {"type": "hologram"},
    ]
    assert list(content_lines({"content": content}, Painter())) == [
        "first",
        "second\\x1b",
        "[image image/png, 3 bytes]",
        "inside",
        "[resource file:///b\\x07]",
        "[hologram ]",
    ]
    assert list(content_lines({"structuredContent": {"a": 1}}, Painter())) == ['{\n  "a": 1\n}']


def test_an_error_result_goes_to_standard_error_and_exits_with_1(desk: Desk) -> None:
    mock = {"tools": [{"name": "fail"}], "responses": {"fail": {"isError": True, "content": [_text("it failed")]}}}
    with desk.applied({"one": {"mock": mock}}):
        done = desk.run("call", "one", "fail")
        assert (done.exit, done.out, done.err) == (1, "", "it failed\n")
        raw = desk.run("call", "one", "fail", "-o", "json")
        assert (raw.exit, raw.json["isError"]) == (1, True)


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@requirement("OPS-1:events-logs")
def test_what_a_server_printed_and_how_it_ended(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        assert "no session of it has ended" in desk.run("logs", "one", "--previous").out
        assert desk.run("call", "one", "words", '{"text": "said\\u001b[2J"}').exit == 0
        assert desk.run("call", "one", "crash", '{"status": 3}').exit == 1
        answer = desk.run("logs", "one", "-o", "json").json
        assert any(line.startswith("said") for line in answer["lines"])
        [ending] = answer["exits"]
        assert ending["code"] == 3
        shown = desk.run("logs", "one").out
        assert "said\\x1b[2J" in shown
        assert desk.run("logs", "one", "-n", "1").out == "said\\x1b[2J\n"
        previous = desk.run("logs", "one", "--previous").out
        assert f"{ending['instance']}  ended" in previous and "(code 3)" in previous


@requirement("OPS-1:events-logs")
def test_what_happened_is_listed_and_followed(desk: Desk) -> None:
    with desk.applied({"one": light("one"), "two": light("two")}):
        events = desk.run("events", "-o", "json").json["events"]
        assert {"connected", "applying"} <= {event["kind"] for event in events}
        of_one = desk.run("events", "--server", "one", "-o", "json").json["events"]
        assert {event["server"] for event in of_one} == {"one"}
        assert len(desk.run("events", "-n", "1").out.splitlines()) == 1
        with desk.spawn("events", "--follow", "-o", "json") as follower:
            assert follower.stdout is not None
            past = [json.loads(follower.stdout.readline()) for _ in events]
            assert past == events
            assert desk.run("restart", "one").exit == 0
            kinds = []
            while "connected" not in kinds:
                kinds.append(json.loads(follower.stdout.readline())["kind"])
            follower.terminate()


def test_a_restarted_server_has_a_new_session(desk: Desk) -> None:
    with desk.applied({"one": light("one"), "off": light("off", enabled=False)}):
        before = one(desk, "one")["instance"]
        after = desk.run("restart", "one", "-o", "json").json
        assert after["instance"] != before
        assert after["status"] == "connected"
        assert desk.run("restart", "off").exit == 4
        assert desk.run("restart", "two").exit == 1


@requirement("LIVE-2:no-orphans")
def test_stop_returns_when_no_process_is_left(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        pids = [one(desk, "one")["pid"], desk.run("status", "-o", "json").json["engine"]["pid"]]
        done = desk.process("stop", "-o", "json")
        assert (done.exit, done.json) == (0, {"stopped": True})
        assert [pid for pid in pids if _runs(pid)] == []
        again = desk.run("stop")
        assert (again.exit, again.out, again.err) == (0, "", "no engine runs\n")


def _runs(pid: int) -> bool:
    """Whether a process is there and not only its entry, which its parent has yet to collect."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


@pytest.mark.parametrize("arguments", [["tools"], ["call", "a", "b"], ["logs", "a"], ["events"], ["restart", "a"]])
def test_without_an_engine_it_is_said_how_to_start_one(desk: Desk, arguments: list[str]) -> None:
    desk.write({})
    done = desk.run(*arguments)
    assert (done.exit, done.out) == (1, "")
    assert "no engine runs for desk" in done.err and "`reconciler watch`" in done.err
    asked = desk.run(*arguments, "-o", "json")
    assert (asked.exit, asked.json["error"]["code"]) == (1, "no-engine")


def test_rolling_back_edits_the_file_and_applies_it(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        first = desk.file.read_text(encoding="utf-8")
        desk.write({"one": light("one"), "two": light("two")})
        assert desk.process("apply", "--auto-approve").exit == 0
        listed = desk.run("rollback", "--list", "-o", "json").json["history"]
        assert [row["serial"] for row in listed] == [2, 1]
        assert desk.run("rollback", "--list").out.splitlines()[1].startswith("2 ")
        patch = desk.run("rollback", "--read-only")
        assert json.loads(patch.out) == {"mcpServers": {"two": None}}
        unasked = desk.run("rollback")
        assert (unasked.exit, '"two": null' in unasked.err) == (6, True)
        done = desk.run("rollback", "1", "--auto-approve", "-o", "json")
        assert (done.exit, [row["action"] for row in done.json["results"]]) == (0, ["delete"])
        assert json.loads(desk.file.read_text(encoding="utf-8")) == json.loads(first)
        assert desk.run("plan").out.startswith("No changes.")
        nothing = desk.run("rollback", "1", "--auto-approve")
        assert (nothing.exit, "nothing to do" in nothing.err) == (0, True)
        unknown = desk.run("rollback", "99")
        assert (unknown.exit, "99 is not in the history" in unknown.err) == (1, True)


@requirement("API-3:holds")
def test_what_an_editor_wrote_runs_by_a_yes_of_somebody_who_was_shown_it(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        mark = desk.folder / "ran"
        token = desk.run("token", "create", "--role", "editor", "--name", "robin").out.strip()
        editor = Client.at(desk.run("status", "-o", "json").json["engine"]["url"], token)
        for command in ("one", "two"):
            server = {"command": "touch", "args": [str(mark), command]}
            changed, _ = editor.change_config({"mcpServers": {"t": server}}, if_match="*")
            [pending] = changed["pending"]
            assert f"reconciler approve {pending['id']} t" in desk.run("status").out
            assert "by robin" in desk.run("status").out
            blind = desk.process("apply", "--auto-approve")
            assert (blind.exit, "waits for a yes" in blind.out, mark.exists()) == (6, True, False)
        shown = desk.typed("y\n", "apply", "--wait", "5")
        assert ("touch" in shown.err, mark.exists()) == (True, True)


@requirement("OPS-1:read-only")
def test_an_engine_that_only_reads_prints_the_way_back_and_changes_nothing(desk: Desk) -> None:
    desk.write({"one": light("one")})
    try:
        assert desk.process("apply", "--auto-approve", "--read-only").exit == 0
        desk.write({"one": light("one"), "two": light("two")})
        assert desk.process("apply", "--auto-approve").exit == 0
        text = desk.file.read_bytes()
        back = desk.run("rollback", "--auto-approve")
        assert (back.exit, json.loads(back.out)) == (0, {"mcpServers": {"two": None}})
        owner = Client(StateDir(next((desk.folder.parent / "state").iterdir())).socket)
        with pytest.raises(ApiError) as refused:
            owner.change_config({"mcpServers": {"two": None}}, if_match="*")
        assert (refused.value.code, refused.value.body["patch"]) == ("read-only", {"mcpServers": {"two": None}})
        with pytest.raises(ApiError, match="commit the patch"):
            owner.rollback(1, yes="all", who="me", on_progress=lambda _: None)
        assert desk.file.read_bytes() == text
    finally:
        desk.process("stop")
