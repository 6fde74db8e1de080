"""`reconciler doctor`: what it looks at, and that every finding that matters names the way out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.canary import CANARY
from tests.faces.cli.desk import SECONDS, Desk, light
from tests.requirements import requirement
from tests.waiting import becomes_true

pytestmark = requirement("OPS-1:doctor")


def findings(desk: Desk, *arguments: str) -> dict[str, dict[str, Any]]:
    return {finding["subject"]: finding for finding in desk.run("doctor", "-o", "json", *arguments).json["findings"]}


def test_where_nothing_is_wrong_it_says_so(desk: Desk) -> None:
    desk.write({"one": light("one")})
    done = desk.run("doctor")
    assert done.exit == 0
    assert "nothing in the way" in done.err
    assert {"system", "events", "state", "engine", "file", "server one"} <= findings(desk).keys()


def test_a_missing_file_is_no_failure_and_init_is_named(desk: Desk) -> None:
    found = findings(desk)["file"]
    assert (found["level"], "`reconciler init`" in found["hint"]) == ("warn", True)
    assert desk.run("doctor").exit == 0


def test_a_broken_file_fails_with_its_first_place(desk: Desk) -> None:
    desk.write({"one": {"comand": "x"}})
    done = desk.run("doctor")
    assert (done.exit, "reconciler.yaml:6:" in done.out) == (1, True)
    assert findings(desk)["file"]["level"] == "fail"


def test_a_command_that_is_not_there_fails_and_nothing_is_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(desk.folder))
    trap = desk.folder / "trap"
    trap.write_text(f"#!/bin/sh\n/usr/bin/touch {desk.folder}/ran\n", encoding="utf-8")
    trap.chmod(0o755)
    servers = {"runner": {"command": "npx"}, "trap": {"command": "trap"}, "off": {"command": "no", "enabled": False}}
    desk.write(servers)
    found = findings(desk)
    assert (found["server runner"]["level"], found["server runner"]["hint"]) == ("fail", "install Node.js")
    assert (found["server trap"]["level"], "server off" in found) == ("ok", False)
    assert not (desk.folder / "ran").exists()


def test_variables_without_a_value_are_named_and_values_are_not(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_TOKEN", CANARY)
    (desk.folder / ".env").write_text(f"KEPT_TOKEN={CANARY}\n", encoding="utf-8")
    references = ["${SET_TOKEN}", "${env:KEPT_TOKEN}", "${env:UNSET_TOKEN}", "${env:OPTIONAL:-x}"]
    env = {f"N{number}": reference for number, reference in enumerate(references)}
    desk.write({"one": light("one", env=env)}, envFile=".env")
    found = findings(desk)["variables"]
    assert (found["level"], found["message"]) == ("warn", "not set here: UNSET_TOKEN")
    (desk.folder / ".env").unlink()
    assert findings(desk)["envFile"]["level"] == "fail"


def test_a_state_directory_that_others_may_read_fails_with_the_command_that_mends_it(desk: Desk) -> None:
    with desk.applied({}):
        [state] = Path(os.environ["RECONCILER_STATE_DIR"]).iterdir()
        assert findings(desk)["state"]["level"] == "ok"
        state.chmod(0o755)
        found = findings(desk)["state"]
        assert (found["level"], found["hint"]) == ("fail", f"chmod 700 {state}")
        state.chmod(0o700)


def test_a_running_engine_is_told(desk: Desk) -> None:
    assert desk.run("doctor").exit == 0
    with desk.applied({}):
        assert findings(desk)["engine"]["message"].startswith("runs as process ")
    assert findings(desk)["engine"]["message"] == "none runs"


def test_a_save_that_the_engine_does_not_believe_fails_with_its_reason(desk: Desk) -> None:
    text = "version: 1\nproject: desk\nmcpServers:\n"
    text += "".join(f"  {name}: {json.dumps(light(name))}\n" for name in ("one", "two"))
    desk.file.write_text(text, encoding="utf-8")
    try:
        assert desk.process("watch", "--detach", "--auto-approve").exit == 0
        assert "saved file" not in findings(desk)
        desk.file.write_text(text[: text.index("  two:")], encoding="utf-8")
        assert becomes_true(lambda: "saved file" in findings(desk), SECONDS)
        found = findings(desk)["saved file"]
        assert (found["level"], "as an unfinished save does" in found["message"]) == ("fail", True)
        assert "`reconciler apply`" in found["hint"]
    finally:
        assert desk.process("stop").exit == 0


def test_one_error_is_counted_as_one(desk: Desk) -> None:
    desk.write({"one": {"command": "x", "enabeld": True}})
    assert findings(desk)["file"]["message"].startswith("1 error: reconciler.yaml:")


def test_secrets_that_are_not_stored_are_named_and_those_that_are_can_be_opened(desk: Desk) -> None:
    desk.write({"one": light("one", env={"A": "${secret:ONE}", "B": "${secret:TWO}"})})
    found = findings(desk)["secrets"]
    assert (found["level"], found["message"]) == ("warn", "not stored: ONE, TWO")
    (desk.folder / ".env").write_text(CANARY, encoding="utf-8")
    for name in ("ONE", "TWO"):
        assert desk.run("secret", "set", name, "--from-file", ".env").exit == 0
    assert findings(desk)["secrets"]["message"] == "2 stored, their key in a file beside them"
    (key,) = Path(os.environ["RECONCILER_STATE_DIR"]).glob("*/vault-*.key")
    key.chmod(0o644)
    found = findings(desk)["secrets"]
    assert (found["level"], f"chmod 600 {key}" in found["hint"]) == ("fail", True)
