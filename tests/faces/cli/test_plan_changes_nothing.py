"""`plan` changes nothing: every system call that could is watched, with an engine and without one."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faces.cli.desk import Desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.needs("strace", "git"), requirement("PLAN-3:plan-changes-nothing")]

OPENS = ("open", "openat", "openat2", "creat")
CHANGES = (
    *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat"),
    *("symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown"),
    *("lchown", "fchownat", "truncate", "ftruncate", "fallocate", "utime", "utimes", "utimensat", "futimesat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "flock"),
)
"""What changes a file, its name, its facts or its lock; whether it succeeds does not matter."""
STARTS = ("execve", "execveat", "fork", "vfork", "clone", "clone3")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
CONTACTS = ("socket", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg")
WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice")

WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
WAYS = {
    "text": (),
    "JSON": ("-o", "json"),
    "Markdown": ("-o", "markdown"),
    "the patch": ("--patch",),
    "an exit code": ("--exit-code",),
    "another file": ("--against", "earlier.yaml"),
}


def every_kind() -> dict[str, Any]:
    """A server of each kind, with every sort of reference; none of them could be resolved."""
    oauth = {"clientId": "desk", "clientSecret": "${secret:OAUTH}", "issuer": "http://127.0.0.1:9/"}
    azure = {"tenantId": "t", "clientId": "c", "clientSecret": "${file:azure.txt}", "scope": "api://x/.default"}
    return {
        "stdio": light("stdio", env={"TOKEN": "${env:NO_SUCH_TOKEN}", "FILE": "${file:nothing.txt}"}, group="tools"),
        "forwarding": light("forwarding", env=["NO_SUCH_TOKEN", "HOME"], cwd="${workspaceFolder}"),
        "missing": {"command": "/no/such/program", "args": ["${NO_SUCH_NAME:-word}"]},
        "http": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer ${secret:HTTP}"}},
        "sse": {"type": "sse", "url": "http://127.0.0.1:9/sse", "oauth": oauth},
        "azure": {"url": "http://127.0.0.1:9/mcp", "azure": azure},
        "uplink": {"type": "uplink"},
        "mock": {"mock": {"tools": [{"name": "answer", "inputSchema": {"type": "object"}}]}},
        "off": light("off", enabled=False),
    }


@pytest.fixture
def checkout(desk: Desk) -> Desk:
    """A file of every kind with an overlay beside it, in a git checkout with one commit."""
    (desk.folder / "settings.env").write_text("NO_SUCH_NAME=word\n", encoding="utf-8")
    (desk.folder / "earlier.yaml").write_text("version: 1\nmcpServers: {gone: {command: x}}\n", encoding="utf-8")
    local = "mcpServers:\n  stdio: {description: from the overlay}\n  off: null\n"
    (desk.folder / "reconciler.local.yaml").write_text(local, encoding="utf-8")
    desk.write(every_kind(), groups={"tools": {"enabled": True}}, envFile="settings.env")
    for words in (("init", "-q"), ("add", "reconciler.yaml"), ("commit", "-q", "-m", "first")):
        who = ("-c", "user.name=desk", "-c", "user.email=desk@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *words], cwd=desk.folder, check=True, capture_output=True)
    return desk


@pytest.mark.parametrize("way", WAYS)
def test_a_plan_without_an_engine_only_reads(checkout: Desk, tmp_path: Path, way: str) -> None:
    before = everything_below(tmp_path)
    calls = Calls(checkout, tmp_path, *WAYS[way])
    assert calls.effects() == []
    assert calls.named(*CONTACTS) == []
    assert everything_below(tmp_path) == before | {tmp_path / "trace": None}


@pytest.mark.parametrize("way", ["text", "JSON", "another file"])
def test_a_plan_beside_an_engine_reads_and_asks_the_engine(desk: Desk, tmp_path: Path, way: str) -> None:
    servers = every_kind()
    (desk.folder / "earlier.yaml").write_text("version: 1\nmcpServers: {}\n", encoding="utf-8")
    with desk.applied({"stdio": light("stdio"), "mock": servers["mock"]}):
        before = lives(desk)
        desk.write(servers)
        calls = Calls(desk, tmp_path, *WAYS[way])
        assert calls.effects() == []
        assert [line for line in calls.named("socket") if "AF_UNIX" not in line] == []
        assert calls.named("bind", "listen", "accept", "accept4") == []
        contacted = calls.named("connect")
        assert [line for line in contacted if f'sun_path="{socket_of(tmp_path)}"' not in line] == []
        assert bool(contacted) == (way != "another file")
        assert lives(desk) == before


def test_a_plan_after_a_killed_engine_leaves_everything_as_it_lies(desk: Desk, tmp_path: Path) -> None:
    desk.write({"mock": every_kind()["mock"]})
    with desk.applied({"mock": every_kind()["mock"]}):
        kept = everything_below(tmp_path / "state")
    for path, content in kept.items():  # as if it had been killed before it could tidy up
        if path.name == "engine.json" and content is not None:
            path.write_bytes(content)
            with socket.socket(socket.AF_UNIX) as deaf:
                deaf.bind(socket_of(tmp_path))
    desk.write(every_kind())
    before = everything_below(tmp_path)
    calls = Calls(desk, tmp_path)
    assert calls.effects() == []
    assert [line for line in calls.named("connect") if f'sun_path="{socket_of(tmp_path)}"' not in line] == []
    assert everything_below(tmp_path) == before | {tmp_path / "trace": None}


def test_only_a_plan_against_a_revision_runs_something_and_that_is_git_show(checkout: Desk, tmp_path: Path) -> None:
    calls = Calls(checkout, tmp_path, "--against", "git:HEAD")
    assert calls.changes() == []
    _, *ran = calls.named("execve", "execveat")
    assert ran != []
    assert [line for line in ran if '["git", ' not in line or '"show", ' not in line] == []
    assert calls.named("connect", "bind", *SIGNALS) == []


def test_the_only_file_a_plan_writes_is_the_one_it_was_asked_for(checkout: Desk, tmp_path: Path) -> None:
    before = everything_below(tmp_path)
    calls = Calls(checkout, tmp_path, "--out", "plan.json")
    assert calls.changes() != []
    asked = f'"{checkout.folder}'
    assert [line for line in calls.changes() if asked not in line and f"<{checkout.folder}" not in line] == []
    after = everything_below(tmp_path)
    assert after.keys() - before.keys() == {tmp_path / "trace", checkout.folder / "plan.json"}
    assert {path: content for path, content in after.items() if path in before} == before


class Calls:
    """The system calls of one `plan`, its own and those of whatever it would start.

    Python compiles what it imports for the first time and keeps that beside the source. So the same command runs once
    before it is watched, and the watched one has nothing left to compile: no written file is overlooked.
    """

    def __init__(self, desk: Desk, tmp_path: Path, *arguments: str) -> None:
        trace = tmp_path / "trace"
        names = ",".join(f"?{name}" for name in (*OPENS, *CHANGES, *STARTS, *SIGNALS, *CONTACTS, *WRITES))
        plan = [sys.executable, "-m", "reconciler", "plan", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONDONTWRITE")}
        self.run(plan, desk.folder, environment)
        watched = ["strace", "-f", "-qq", "-y", "-s", "400", "-e", f"trace={names}", "-e", "signal=none"]
        said = self.run([*watched, "-o", str(trace), *plan], desk.folder, environment)
        assert said.strip(), "a plan that says nothing has not been made"
        self.lines = trace.read_text(encoding="utf-8").splitlines()
        assert self.named("execve"), "nothing was watched"

    @staticmethod
    def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(command, cwd=folder, env=environment, timeout=60, check=False, **streams)
        assert done.returncode in (0, 2), done.stderr
        return str(done.stdout)

    def named(self, *names: str) -> list[str]:
        """The calls of these names, finished or not."""
        return [line for line in self.lines if line.split(maxsplit=1)[1].startswith(tuple(f"{n}(" for n in names))]

    def changes(self) -> list[str]:
        """Opened for writing, or changed."""
        opened = [line for line in self.named(*OPENS) if WRITING.search(line) or " creat(" in line]
        return [line for line in opened if '"/dev/null"' not in line] + self.named(*CHANGES)

    def effects(self) -> list[str]:
        """Whatever a plan has no business with: changes, processes, signals, writing elsewhere than to its output."""
        started = [line for line in self.named(*STARTS)[1:] if "CLONE_THREAD" not in line]
        return [*self.changes(), *started, *self.named(*SIGNALS), *self._written_elsewhere()]

    def _written_elsewhere(self) -> Iterator[str]:
        for line in self.named(*WRITES):
            if not re.match(r"\d+ +\w+\((?:[12]<|\d+<(?:socket|UNIX))", line):
                yield line


def everything_below(folder: Path) -> dict[Path, bytes | None]:
    """Every name, with what regular files hold."""
    found = sorted(folder.rglob("*"))
    return {path: path.read_bytes() if path.is_file() and path.name != "trace" else None for path in found}


def lives(desk: Desk) -> tuple[Any, ...]:
    """What the engine holds: the serial, and which instance serves for each server."""
    report = desk.run("status", "-o", "json").json
    return report["serial"], report["pending"], [(row["id"], row["instance"], row["pid"]) for row in report["servers"]]


def socket_of(tmp_path: Path) -> str:
    """The socket of the one engine whose state is below here."""
    [facts] = (tmp_path / "state").glob("*/engine.json")
    return str(json.loads(facts.read_text(encoding="utf-8"))["socket"])
