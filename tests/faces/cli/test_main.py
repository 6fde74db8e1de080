"""The list of commands, and what every command does when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import click
import pytest

from reconciler import __version__
from reconciler.client import ApiError
from reconciler.faces.cli import main
from reconciler.faces.cli.exits import Exit, Stop
from reconciler.faces.cli.failures import wants_json
from reconciler.store.state_dir import state_dir_of
from tests.canary import CANARY
from tests.faces.cli.desk import COMMAND, SECONDS, Desk
from tests.requirements import requirement

README = Path(__file__).parents[3] / "README.md"
NAMES = list(main.SUMMARIES)


def command(name: str) -> click.Command:
    found = main.group.get_command(click.Context(main.group), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does_as_the_list_has_it(name: str) -> None:
    help_text = command(name).help or ""
    assert help_text.splitlines()[0].removesuffix(".") == main.SUMMARIES[name].removesuffix(".")


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_every_command_says_what_it_does(name: str) -> None:
    options = [each for each in command(name).params if isinstance(each, click.Option) and not each.hidden]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_takes_the_shared_options(name: str) -> None:
    spelled = {spelling for each in command(name).params for spelling in each.opts}
    assert {"-f", "--state-dir", "--no-color", "--ascii"} <= spelled


@pytest.mark.parametrize("name", NAMES)
def test_every_command_stands_in_the_readme(name: str) -> None:
    _, _, section = README.read_text(encoding="utf-8").partition("\n## Commands\n")
    assert f"`{name}`" in section.partition("\n## ")[0]


def test_the_list_is_grouped(desk: Desk) -> None:
    shown = desk.run("--help").out
    headings = re.findall(r"^(\w+):$", shown, re.MULTILINE)
    assert headings == ["Options", *main.COMMANDS]
    assert [name for name in NAMES if not re.search(rf"^  {name} +\S", shown, re.MULTILINE)] == []


def test_the_version_is_told(desk: Desk) -> None:
    assert desk.run("--version").out == f"reconciler {__version__}\n"


@requirement("PLAN-3:exit-codes")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plann"], 'there is no command "plann"; did you mean "plan"?'),
        (["xyzzy"], 'there is no command "xyzzy"; `reconciler --help` lists them'),
        (["plan", "--exitcode"], "--exitcode"),
        (["plan", "-o", "yaml"], "yaml"),
        (["call", "one"], "TOOL"),
        (["apply", "--wait", "-1"], "-1"),
    ],
)
def test_wrong_usage_is_64_and_names_the_help(desk: Desk, arguments: list[str], said: str) -> None:
    done = desk.run(*arguments)
    assert (done.exit, done.out) == (64, "")
    assert said in done.err
    assert "--help` " in done.err


@pytest.mark.parametrize("spelling", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]])
def test_json_is_json_also_for_wrong_usage(desk: Desk, spelling: list[str]) -> None:
    done = desk.run("plan", *spelling, "--nonsense")
    assert (done.exit, done.err) == (64, "")
    assert done.json["error"]["code"] == "usage"
    assert done.json["error"]["message"]


def test_another_output_is_not_json() -> None:
    assert not wants_json(["plan", "-o", "markdown"])
    assert not wants_json(["call", "json", "-o"])


@requirement("PLAN-3:exit-codes")
@pytest.mark.parametrize("name", ["validate", "plan", "apply", "fmt", "status", "watch"])
def test_without_a_file_it_is_said_where_was_looked(desk: Desk, name: str) -> None:
    done = desk.run(name)
    assert (done.exit, done.out) == (3, "")
    assert str(desk.folder) in done.err
    assert "~/.config/reconciler" in done.err
    assert "`reconciler init`" in done.err


def test_without_a_file_json_is_json(desk: Desk) -> None:
    done = desk.run("plan", "-o", "json")
    assert (done.exit, done.err) == (3, "")
    assert done.json["error"]["code"] == "no-configuration"


def test_the_file_is_found_above_and_named_by_the_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    (desk.folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(desk.folder / "a" / "b")
    assert desk.run("validate").exit == 0
    other = desk.folder / "other.yaml"
    other.write_text("version: 1\nmcpServers: nothing\n", encoding="utf-8")
    monkeypatch.setenv("RECONCILER_FILE", str(other))
    assert desk.run("validate").exit == 3


def test_a_defect_is_called_one_and_written_down_without_secrets(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    state = Path(os.environ["RECONCILER_STATE_DIR"])
    state.mkdir()

    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError(f"token={CANARY}")

    monkeypatch.setattr("reconciler.faces.cli.validate.read_sources", break_down)
    done = desk.run("validate")
    assert done.exit == 1
    assert "ZeroDivisionError: this is a bug in the reconciler" in done.err
    assert "Traceback" not in done.err
    [written] = state.glob("reconciler-bug-*.txt")
    assert str(written) in done.err
    assert "break_down" in written.read_text(encoding="utf-8")


def test_a_defect_is_shown_where_that_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    monkeypatch.setenv("RECONCILER_DEBUG", "1")
    monkeypatch.setenv("TMPDIR", str(desk.folder))
    monkeypatch.setattr("reconciler.faces.cli.validate.read_sources", lambda *_, **__: 1 / 0)
    assert "Traceback" in desk.run("validate").err


def test_hostile_text_in_a_message_is_escaped(desk: Desk) -> None:
    done = desk.run("logs", "x\x1b]0;title\x07\u202e", "-f", "nothing\x1b[31m.yaml")
    assert done.exit == 1
    assert not set(done.err) & {"\x1b", "\x07", "\u202e"}


def test_a_stop_is_one_sentence_and_its_way_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    stop = Stop(Exit.BUSY, "state-busy", "somebody holds it", "wait for them", {"holder": 7})

    def end(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr("reconciler.faces.cli.validate.read_sources", end)
    assert desk.run("validate").err == "error: somebody holds it\n       wait for them\n"
    error = {"code": "state-busy", "message": "somebody holds it", "hint": "wait for them"}
    assert desk.run("validate", "-o", "json").json == {"error": error, "holder": 7}


def test_what_an_engine_refuses_is_told_whole(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write({})
    problem = {"severity": "error", "file": "reconciler.yaml", "line": 4, "column": 5, "detail": "no field"}
    body = {"error": {"code": "invalid", "message": "the configuration has errors"}, "problems": [problem]}

    def refuse(*_: object, **__: object) -> None:
        raise ApiError(422, body)

    monkeypatch.setattr("reconciler.faces.cli.validate.read_sources", refuse)
    assert "       reconciler.yaml:4:5: no field\n" in desk.run("validate").err
    done = desk.run("validate", "-o", "json")
    assert (done.exit, done.json["problems"]) == (3, [problem])


@requirement("PLAN-3:exit-codes")
def test_a_state_that_another_process_holds_is_busy(desk: Desk) -> None:
    desk.write({"one": {"command": "x"}})
    state = state_dir_of(desk.file, "desk", Path(os.environ["RECONCILER_STATE_DIR"]))
    state.ensure()
    lock = state.hold()
    try:
        done = desk.process("apply", "--auto-approve")
        assert (done.exit, "is held by" in done.err) == (7, True)
    finally:
        os.close(lock)


def test_a_reader_that_goes_away_is_no_error(desk: Desk) -> None:
    desk.write({f"s{number}": {"command": "x" * 200} for number in range(2000)})
    with desk.spawn("plan", "-o", "json") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert (process.stderr.read(), process.wait(SECONDS)) == ("", 0)


WAITING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
class Slow:
    def read(self):
        os.write(1, b"waiting")
        signal.pause()
sys.stdin = Slow()
from reconciler.faces.cli.main import main
main()
"""


@requirement("PLAN-3:exit-codes")
def test_an_interrupt_is_130(desk: Desk) -> None:
    command = [COMMAND[0], "-c", WAITING, "fmt", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=desk.folder) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read(7) == b"waiting"
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert b"Traceback" not in process.stderr.read()


def test_on_windows_there_is_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.faces.cli.main._SYSTEM", "nt")
    done = desk.run("status")
    assert done.exit == 1
    assert "WSL2" in done.err
    assert done.err.count("\n") == 1


def test_what_is_printed_as_json_is_ascii(desk: Desk) -> None:
    desk.write({"one": {"command": "x", "name": "été"}})
    out = desk.run("plan", "-o", "json").out
    assert out.isascii()
    assert json.loads(out)["patch"]["mcpServers"]["one"]["name"] == "été"
