"""`reconciler watch`: what is saved is taken up, what needs a yes waits, and the end is an end. With real engines."""

from __future__ import annotations

import mmap
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faces.cli.desk import SECONDS, Desk, light
from tests.requirements import requirement
from tests.rig.starting import argv
from tests.waiting import becomes_true


class Watching:
    """A `watch` in a process of its own, read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []

    def until(self, words: str) -> str:
        """Read on until a line has these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}: {''.join(self.said)}")

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(SECONDS)


@contextmanager
def watching(desk: Desk, *arguments: str) -> Iterator[Watching]:
    with desk.spawn("watch", *arguments) as process:
        try:
            yield Watching(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)


def status(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.run("status", "-o", "json").json
    return found


@requirement("APPLY-1:watch")
def test_what_is_saved_goes_live_and_a_new_command_waits(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with watching(desk, "--auto-approve=start") as watch:
        watch.until("following reconciler.yaml")
        watch.until("one is connected")
        desk.write({"one": light("one", name="The one"), "two": light("two")})
        line = watch.until("waits for a yes")
        plan = next(word for word in line.split() if word.startswith("pln-"))
        assert f"reconciler approve {plan}" in line
        found = status(desk)
        assert [row["name"] for row in found["servers"]] == ["The one", "two"]
        assert [(each["server"], each["action"]) for each in found["pending"]] == [("two", "create")]
        listed = desk.run("approve")
        assert f"reconciler approve {plan} two" in listed.out
        assert desk.run("approve", "-o", "json").json == {"pending": found["pending"], "approvals": []}
        done = desk.run("approve", plan, "two")
        assert (done.exit, "1 applied" in done.out) == (0, True)
        watch.until("two is connected")
        assert desk.run("approve").err == "nothing waits\n"


@requirement("PLAN-3:exit-codes")
def test_a_no_is_remembered_until_the_file_says_something_else(desk: Desk) -> None:
    desk.write({})
    with watching(desk) as watch:
        watch.until("following")
        desk.write({"one": light("one")})
        line = watch.until("waits for a yes")
        plan = next(word for word in line.split() if word.startswith("pln-"))
        assert desk.run("status", "--exit-code").exit == 2
        done = desk.run("deny", plan)
        assert (done.exit, done.out) == (0, "one\n")
        assert status(desk)["pending"] == []
        again = desk.run("deny", plan, "-o", "json")
        assert (again.exit, again.json["error"]["code"]) == (1, "nothing-waits")
        assert desk.run("approve", plan).exit == 1


@requirement("APPLY-3:broken-edit")
def test_a_broken_edit_is_told_with_its_place_and_touches_nothing(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with watching(desk, "--auto-approve") as watch:
        watch.until("one is connected")
        before = status(desk)["servers"][0]["instance"]
        desk.write({"one": {"comand": "x"}})
        assert "reconciler.yaml:6:" in watch.until("the file has errors")
        found = status(desk)
        assert (found["source"]["valid"], found["servers"][0]["instance"]) == (False, before)
        assert "reconciler.yaml:6:" in desk.run("status").out


def named(desk: Desk, name: str) -> bool:
    """Whether the only server is called that, now or soon."""
    return becomes_true(lambda: [row["name"] for row in status(desk)["servers"]] == [name], SECONDS)


@requirement("APPLY-1:watch")
def test_with_poll_what_is_saved_goes_live_and_what_is_broken_is_told(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with watching(desk, "--poll", "--auto-approve=start") as watch:
        watch.until("one is connected")
        desk.write({"one": light("one", name="Anna")})
        assert named(desk, "Anna")
        desk.file.write_text("", encoding="utf-8")
        watch.until("reconciler.yaml:1:1: it is empty")
        desk.write({"one": light("one", name="B")})
        assert named(desk, "B")


@requirement("APPLY-1:watch", "OPS-1:doctor")
def test_that_no_event_tells_of_a_save_is_said_once_and_the_doctor_agrees(desk: Desk) -> None:
    """Of what is written into a mapped file no system tells; so it is with all files of some mounts."""
    desk.write({"one": light("one", name="Name 0")})
    with desk.file.open("r+b") as file, watching(desk, "--auto-approve=start") as watch:
        watch.until("Name 0 is connected")
        assert "in the way" in desk.run("doctor").err
        for number in "123":
            with mmap.mmap(file.fileno(), 0) as text:
                text[text.find(b"Name ") + len("Name ")] = ord(number)
            assert named(desk, f"Name {number}")
        watch.until("no events of saves arrive here: they are found within a second; `reconciler watch --poll` looks")
        assert "no events of saves arrive here" in desk.run("status").out
        assert "events: no events of saves arrive here" in desk.run("doctor").out


@requirement("PLAN-3:exit-codes", "LIVE-2:no-orphans")
@pytest.mark.parametrize(("how", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_end_of_watch_is_the_end_of_its_servers(desk: Desk, how: signal.Signals, exit_code: int) -> None:
    desk.write({"one": light("one")})
    with watching(desk, "--auto-approve") as watch:
        watch.until("one is connected")
        pid = status(desk)["servers"][0]["pid"]
        assert watch.end(how) == exit_code
        assert not Path(f"/proc/{pid}").exists()
        assert status(desk)["engine"] is None


@requirement("LIVE-2:no-orphans")
def test_who_interrupts_twice_waits_for_no_server(desk: Desk) -> None:
    asked, server = desk.folder / "asked-to-end", desk.folder / "server.py"
    *_, evil, mode = argv("evil", "eof")
    server.write_text(
        "import runpy, signal, sys\n"
        f"signal.signal(signal.SIGTERM, lambda *_: open({str(asked)!r}, 'w').close())\n"
        f"sys.argv, sys.path[0] = [{evil!r}, {mode!r}], {str(Path(evil).parent)!r}\n"
        f"runpy.run_path({evil!r}, run_name='__main__')\n"
    )
    desk.write({"one": {"command": sys.executable, "args": ["-S", "-B", str(server)]}})
    with watching(desk, "--auto-approve") as watch:
        watch.until("one is connected")
        pid = status(desk)["servers"][0]["pid"]
        watch.process.send_signal(signal.SIGINT)
        watch.until("ending the servers")
        assert watch.end(signal.SIGINT) == 130
        assert not Path(f"/proc/{pid}").exists()
        assert not asked.exists()


@requirement("PLAN-3:exit-codes")
def test_a_second_engine_for_the_same_file_is_refused(desk: Desk) -> None:
    desk.write({})
    with watching(desk) as watch:
        watch.until("following")
        done = desk.process("watch", "--background")
        assert (done.exit, "is held by process" in done.err) == (7, True)


def test_a_running_engine_is_told_to_follow(desk: Desk) -> None:
    with desk.applied({"one": light("one")}):
        assert not status(desk)["source"]["following"]
        done = desk.run("watch")
        assert (done.exit, "follows reconciler.yaml from now on" in done.err) == (0, True)
        assert status(desk)["source"]["following"]


def test_detached_it_returns_when_servers_settled(desk: Desk) -> None:
    desk.write({"one": light("one"), "fails": light("fails", "--no-such-option")})
    try:
        done = desk.process("watch", "--detach", "--auto-approve=start")
        assert (done.exit, done.out) == (0, "desk: 1/2 ok\n")
        assert "`reconciler stop` ends it" in done.err
        assert status(desk)["source"]["following"]
        assert desk.process("watch", "--detach").out == "desk: 1/2 ok\n"
    finally:
        assert desk.process("stop").exit == 0


def test_a_directory_is_all_its_files(desk: Desk) -> None:
    desk.write({"one": light("one")}, project="first")
    other = desk.folder / "other.reconciler.yaml"
    desk.file.rename(other)
    desk.write({"two": light("two")}, project="second")
    with watching(desk, str(desk.folder), "--auto-approve") as watch:
        watch.until("following reconciler.yaml, other.reconciler.yaml")
        watch.until("is connected")
        watch.until("is connected")
        found = desk.run("status", "-f", str(other), "-o", "json").json
        assert [row["id"] for row in found["servers"]] == ["one"]
        assert [row["id"] for row in status(desk)["servers"]] == ["two"]


def test_a_directory_is_hosted_in_the_background_by_one_engine_that_takes_in_what_comes(desk: Desk) -> None:
    desk.write({"one": light("one")}, project="first")
    other, later = desk.folder / "other.reconciler.yaml", desk.folder / "later.reconciler.yaml"
    desk.file.rename(other)
    desk.write({"two": light("two")}, project="second")
    try:
        done = desk.process("watch", str(desk.folder), "--detach", "--auto-approve", "--listen", "127.0.0.1:0")
        assert (done.exit, done.out) == (0, "second: 1/1 ok\nfirst: 1/1 ok\n"), done.err
        engines = [desk.run("status", "-f", str(file), "-o", "json").json["engine"] for file in (desk.file, other)]
        assert engines[0]["pid"] == engines[1]["pid"]
        later.write_text("version: 1\nproject: third\nmcpServers: {m: {mock: {tools: []}}}\n", encoding="utf-8")
        becomes_true(lambda: desk.run("status", "-f", str(later), "-o", "json").json.get("engine") is not None, SECONDS)
        again = desk.process("watch", str(desk.folder), "--detach")
        assert (again.exit, sorted(again.out.splitlines())) == (0, ["first: 1/1 ok", "second: 1/1 ok", "third: 1/1 ok"])
    finally:
        assert desk.process("stop").exit == 0


def test_an_empty_directory_is_refused_with_the_way_out(desk: Desk) -> None:
    done = desk.run("watch", ".")
    assert (done.exit, "`reconciler init -f " in done.err) == (3, True)


def test_a_file_that_was_never_there_is_refused(desk: Desk) -> None:
    assert desk.run("watch", "nowhere.yaml").exit == 3


def test_files_named_twice_are_wrong_usage(desk: Desk) -> None:
    desk.write({})
    assert desk.run("watch", "-f", "reconciler.yaml", "reconciler.yaml").exit == 64


@contextmanager
def at_a_terminal(desk: Desk, *arguments: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    person, terminal = pty.openpty()
    try:
        with desk.spawn("watch", *arguments, stdin=terminal, stderr=terminal) as process:
            os.close(terminal)
            yield person, process
            process.send_signal(signal.SIGINT)
            process.wait(SECONDS)
    finally:
        os.close(person)


def shown_until(person: int, words: str) -> str:
    """What the terminal shows until these words."""
    shown = ""
    while words not in shown:
        shown += os.read(person, 65536).decode()
    return shown


@pytest.mark.parametrize(("answer", "words"), [("y\n", "one is connected"), ("n\n", "waits for a yes")])
def test_at_a_terminal_all_commands_of_the_file_are_asked_for_once(desk: Desk, answer: str, words: str) -> None:
    desk.write({"one": light("one")})
    with at_a_terminal(desk) as (person, _):
        shown_until(person, "Run these commands, and follow the file? [y/N]")
        os.write(person, answer.encode())
        shown_until(person, words)


def test_a_file_that_changes_while_a_person_reads_is_asked_for_again(desk: Desk) -> None:
    desk.write({"one": light("one")})
    with at_a_terminal(desk) as (person, _):
        shown_until(person, "follow the file? [y/N]")
        desk.write({"one": light("changed")})
        os.write(person, b"y\n")
        assert '"changed"' in shown_until(person, "follow the file? [y/N]")
        os.write(person, b"y\n")
        shown_until(person, "one is connected")


FORKS_TWICE = """
import os, sys
ready, last = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        sleeper = [sys.executable, "-E", "-S", "-c", "import time; time.sleep(600)"]
        with open(sys.argv[1], "w") as kept:
            print(os.getpid(), file=kept)
        os.execve(sys.executable, sleeper, {})
    os._exit(0)
os.close(last)
os.wait()
os.read(ready, 1)  # its end comes when the orphan runs
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@requirement("LIVE-2:no-orphans")
def test_the_end_leaves_nobody_who_forked_twice_and_dropped_the_environment(desk: Desk) -> None:
    kept, server = desk.folder / "kept", light("one")
    desk.write({"one": {**server, "args": ["-c", FORKS_TWICE, str(kept), *server["args"]]}})
    with watching(desk, "--auto-approve") as watch:
        watch.until("one is connected")
        orphan = int(kept.read_text(encoding="utf-8"))
        os.kill(orphan, 0)
        assert watch.end(signal.SIGTERM) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(orphan, signal.SIGKILL)
