"""`reconciler pause` and `resume`, as a person has them: on real servers, across engines, with every way to mistype."""

from __future__ import annotations

import getpass

import pytest

from tests.faces.cli.desk import Desk, light
from tests.requirements import requirement

pytestmark = requirement("LIVE-2:pause")


def test_a_server_is_paused_shown_so_everywhere_and_resumed(desk: Desk) -> None:
    with desk.applied({"one": light("one"), "two": light("two"), "off": light("off", enabled=False)}):
        paused = desk.run("pause", "one", "--for", "8h")
        assert (paused.exit, paused.out.startswith("○ one  disconnected\n")) == (0, True)
        assert f"paused by {getpass.getuser()}@" in paused.out and "or after `reconciler resume one`" in paused.out
        assert "Suspended, OutOfSync" in paused.out
        assert "disconnected         stdio      paused by" in desk.run("status").out
        assert desk.run("status", "--brief").out == "1/2 ok, 1 paused\n"
        assert desk.run("status", "--exit-code").exit == 2
        plan = desk.run("plan", "--exit-code")
        assert plan.exit == 0
        assert plan.out.startswith("No changes. 2 servers in sync, 1 paused (serial 1).\n")
        assert "\n  Drift\n  ! one  paused by " in plan.out
        assert "`reconciler resume one` ends that" in plan.out
        assert desk.run("plan", "-o", "json").json["paused"][0]["id"] == "one"
        for refused in (desk.run("restart", "one"), desk.run("call", "one", "info")):
            assert refused.exit in (1, 4) and "`reconciler resume one` ends that" in refused.err
        assert desk.run("events", "--server", "one").out.count("paused by") == 1
        assert desk.run("apply").exit == 0
        desk.write({"one": light("one", "--mark", "2"), "two": light("two"), "off": light("off", enabled=False)})
        applied = desk.run("apply", "--auto-approve")
        assert (applied.exit, applied.err.splitlines()[-1]) == (0, "! one  reconnect  accepted, not started")
        line = applied.out.splitlines()[-2]
        assert line.startswith(f"! one  reconnect  accepted, not started: paused by {getpass.getuser()}@")
        assert ", takes effect at " in line and line.endswith(", or after `reconciler resume one`")
        resumed = desk.run("resume", "one", "-o", "json").json
        assert (resumed["status"], resumed["paused"]) == ("connected", None)
        assert desk.run("resume", "one").out.startswith("● one  connected\n")
        assert desk.run("status", "--brief").out == "2/2 ok\n"
        assert f"resumed by {getpass.getuser()}@" in desk.run("status", "one").out
        assert 'server "off" is disabled' in desk.run("pause", "off").err
        for command in ("pause", "resume"):
            unknown = desk.run(command, "three")
            assert (unknown.exit, 'no server "three" was applied' in unknown.err) == (1, True)


@requirement("LIVE-2:pause-lasts")
def test_a_pause_is_there_without_an_engine_and_for_the_next(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        row = desk.run("pause", "one", "-o", "json").json
        assert desk.process("stop").exit == 0
        assert "paused by" in desk.run("status").out
        assert desk.process("apply", "--auto-approve").exit == 0
        [again] = desk.run("status", "-o", "json").json["servers"]
        assert (again["paused"], again["status"]) == (row["paused"], "disconnected")


@pytest.mark.parametrize("length", ["8", "tomorrow", "0s", "9000h", "-1h"])
def test_what_is_no_duration_is_wrong_usage(desk: Desk, length: str) -> None:
    done = desk.run("pause", "one", "--for", length)
    assert (done.exit, f'"{length}" must be ' in done.err) == (64, True)
    assert "until `reconciler resume`" in done.err


def test_without_an_engine_nothing_is_paused(desk: Desk) -> None:
    desk.write({"one": light("one")})
    for command in ("pause", "resume"):
        alone = desk.run(command, "one")
        assert (alone.exit, "no engine runs for desk" in alone.err) == (1, True)
