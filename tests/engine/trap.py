"""Bodies that an editor might send to make something run, to an engine that says yes to all and is killed at times.

`python -m tests.engine.trap [BODIES] [SEED]`: the engine is a process of its own under `watch --auto-approve` (or
`=start`), old texts of the file come back as from a checkout, and blind yeses are said. Ends with 1 when a program ran
that no operator had said yes to, or when an answer was a server error.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.client import ApiError, Client, NoEngine
from reconciler.store.places import Sources
from reconciler.store.state_dir import StateDir, state_dir_of
from reconciler.store.tokens import create_token
from tests.engine.desk import light
from tests.waiting import becomes_true

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
_IDS = ("a", "b", "off", "grouped", "mocked", "n1", "n2", "n_3", "N4")
_ROUTES = ("/api/v1/config", "/api/config")


@dataclass
class Told:
    """What came back: answers by status, how often an engine was killed or ended, how often everything was approved."""

    answers: Counter[int] = field(default_factory=Counter)
    restarts: int = 0
    yeses: int = 0
    wrong: list[str] = field(default_factory=list)


class Trap:
    """A folder with programs that leave a line behind when they run, and a configuration in which none is approved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = folder / "ran.txt"
        self.file = folder / "reconciler.yaml"
        self.evil = folder / "evil"
        self.evil.mkdir()
        for name in ("trap", "python3", "tool"):
            program = self.evil / name
            program.write_text(f"#!/bin/sh\necho \"$0 $*\" >>'{self.ran}'\n", encoding="utf-8")
            program.chmod(0o700)
        (folder / "evil.env").write_text(f"PATH={self.evil}\nTOKEN=x\n", encoding="utf-8")
        self.program = str(self.evil / "trap")
        servers = {
            "a": light("a", env=["TOKEN"], denyTools=["echo"]),
            "b": light("b", group="dev"),
            "off": {"command": self.program, "enabled": False},
            "grouped": {"command": self.program, "group": "closed"},
            "mocked": {"command": self.program, "mock": {"tools": []}},
        }
        text = {"version": 1, "groups": {"closed": {"enabled": False}}, "mcpServers": servers}
        self.file.write_text(json.dumps(text, indent=1), encoding="utf-8")

    @property
    def count(self) -> int:
        """How often any of them ran."""
        return len(self.ran.read_text(encoding="utf-8").splitlines()) if self.ran.exists() else 0


class Engine:
    """The process, with the client of its owner and the token of an editor."""

    def __init__(self, trap: Trap) -> None:
        self.base = trap.folder / "state"
        self.trap = trap
        self.state: StateDir = state_dir_of(trap.file, Sources(trap.file).project, self.base)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = trap.folder / "engine.log"
        self.token = ""

    def start(self, *options: str) -> None:
        """Begin, and return when it has looked at the file."""
        command = [sys.executable, "-m", "reconciler", "watch", "-f", str(self.trap.file), *options]
        command += ["--state-dir", str(self.base), "--listen", "127.0.0.1:0", "--background"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process = self._process
        becomes_true(lambda: self._follows(process.pid) or process.poll() is not None, PATIENCE)
        if not self._follows(process.pid):
            raise RuntimeError(f"no engine: {self._log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        self.token = self.token or create_token(self.state, "editor", "robin")[1]
        self.owner.reread_tokens()

    def _follows(self, pid: int) -> bool:
        self.state = state_dir_of(self.trap.file, Sources(self.trap.file).project, self.base)
        with suppress(NoEngine):
            return (self.state.engine() or {}).get("pid") == pid and self.owner.follow(on=True)["following"]
        return False

    @property
    def owner(self) -> Client:
        return Client(self.state.socket)

    def end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(PATIENCE)

    def patch(self, route: str, body: bytes) -> int:
        """Send a body as the editor; the status of the answer, 0 where the engine went away before it."""
        url = urlsplit((self.state.engine() or {}).get("url", ""))
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "If-Match": "*"}
        try:
            connection.request("PATCH", route, body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        else:
            return answer.status
        finally:
            connection.close()

    def say_yes_to_everything(self) -> None:
        """Every way to say so without having looked at anything."""
        with suppress(NoEngine, ApiError):
            self.owner.follow(on=True, auto_approve="all")
            options: dict[str, Any] = {"allow": [], "on_failure": "continue", "wait": 0, "who": "me", "environment": {}}
            self.owner.apply(yes="all", seen=True, on_progress=lambda _: None, **options)
            plan = self.owner.plan()["id"]
            self.owner.apply(expected=plan, yes="all", on_progress=lambda _: None, **options)


class Bodies:
    """Merge patches, most of them close to something that runs."""

    def __init__(self, trap: Trap, seed: int) -> None:
        self._random = random.Random(seed)  # to be played again
        self._trap = trap

    def body(self) -> bytes:
        if self._random.random() < 0.03:
            return self._random.choice([b"", b"{", b"[]", b"null", b'{"a":1,"a":2}', b'{"mcpServers":' + b"[" * 200])
        patch: dict[str, Any] = {}
        for _ in range(self._random.choice((1, 1, 1, 2))):
            patch |= self._setting() if self._random.random() < 0.2 else self._servers()
        return json.dumps(patch).encode()

    def _servers(self) -> dict[str, Any]:
        count = self._random.choice((1, 1, 1, 2, 3))
        return {"mcpServers": {self._id(): self._server() for _ in range(count)}}

    def _id(self) -> str:
        return self._random.choice((*_IDS, "reconciler", "a__b", "A")) if self._random.random() < 0.1 else self._known()

    def _known(self) -> str:
        return self._random.choice(_IDS)

    def _server(self) -> Any:
        kinds = (self._whole, self._some_fields, self._some_fields, lambda: None, self._junk)
        return self._random.choices(kinds, weights=(4, 4, 4, 2, 1))[0]()

    def _whole(self) -> Any:
        """A server that would run the trap were it taken up."""
        evil, trap = str(self._trap.evil), self._trap.program
        whole = self._random.choice(
            (
                {"command": trap},
                {"command": trap, "args": [str(self._random.random())]},
                {"command": "sh", "args": ["-c", trap]},
                {"command": "env", "args": [trap]},
                {"command": "./trap", "cwd": evil},
                {"command": "tool", "env": {"PATH": evil}},
                {"command": "sh", "args": ["-c", "$X"], "env": {"X": trap}},
                {"command": "${env:X:-" + trap + "}"},
                {**light("x"), "command": "python3", "env": {"PATH": evil}},
                {"command": trap, "type": "stdio", "url": None, "mock": None},
                {"url": f"http://127.0.0.1:9/{trap}"},
            )
        )
        return whole | (self._fields() if self._random.random() < 0.4 else {})

    def _some_fields(self) -> Any:
        return self._fields()

    def _fields(self) -> dict[str, Any]:
        names = self._random.sample(list(self._values), self._random.choice((1, 1, 2, 3)))
        return {name: self._random.choice((*self._values[name], None)) for name in names}

    @property
    def _values(self) -> Mapping[str, tuple[Any, ...]]:
        evil, trap = str(self._trap.evil), self._trap.program
        return {
            "command": (trap, "tool", "./trap", ""),
            "args": ([], [trap], ["-c", trap], "x", [None]),
            "cwd": (evil, ".", "/nowhere"),
            "env": (
                {"PATH": evil},
                {"PATH": None},
                {"PYTHONSTARTUP": trap},
                ["PATH"],
                {"X": "***"},
                {"X": {"forward": True}},
            ),
            "url": ("http://127.0.0.1:9/", "http://[::1]:9/", "junk"),
            "headers": ({"Authorization": "Bearer x"}, {"Authorization": "***"}, {"A": "${secret:a.env.PATH}"}),
            "enabled": (True, False),
            "disabled": (True, False),
            "group": ("dev", "closed", "other"),
            "mock": ({"enabled": False}, {"enabled": True, "tools": []}, {"tools": []}),
            "type": ("stdio", "http", "uplink"),
            "requireApproval": (True, False, "writes"),
            "denyTools": ([], ["*"]),
            "description": ("d", "***"),
            "strategy": ("recreate",),
            "protect": (True, False),
            "lock": ("off", "enforce"),
        }

    def _setting(self) -> dict[str, Any]:
        return self._random.choice(
            (
                {"groups": {"closed": {"enabled": True}}},
                {"groups": {"closed": None}},
                {"groups": None},
                {"groups": {"dev": {"enabled": self._random.random() < 0.5}}},
                {"defaults": {"requireApproval": False}},
                {"defaults": None},
                {"envFile": self._random.choice(("evil.env", None))},
                {"approvals": {"via": ["client"], "keep": "9h"}},
                {"lock": "off"},
                {"mcpServers": None},
                {"version": self._random.choice((None, 2, True))},
                {"project": "other"},
                {"mcpServers": self._junk()},
            )
        )

    def _junk(self) -> Any:
        return self._random.choice(
            (0, "", True, [], ["x"], {}, {"": None}, {"x": {}}, "x" * 5000, {"command": {}}, -1.5)
        )


def campaign(folder: Path, bodies: int, seed: int, *, between: int = 25) -> Told:
    """Send so many bodies; about every `between` the engine is killed or ended, and started anew."""
    trap, told, chance = Trap(folder), Told(), random.Random(seed)  # to be played again
    engine, made, texts = Engine(trap), Bodies(trap, seed), [trap.file.read_bytes()]
    engine.start("--poll")
    approved: dict[str, Any] = {"allow": [], "on_failure": "continue", "wait": 10, "who": "me", "environment": {}}
    engine.owner.apply(yes=["@project", "a", "b"], on_progress=lambda _: None, **approved)
    if trap.count:
        told.wrong.append("the trap ran before anything was sent")
    for number in range(bodies):
        _one(engine, made, told, chance)
        texts.append(trap.file.read_bytes())
        if chance.random() < 1 / 15:
            engine.say_yes_to_everything()
            told.yeses += 1
        if chance.random() < 1 / 40:
            _check_out(trap.file, chance.choice(texts))
            engine.say_yes_to_everything()
        if chance.random() < 1 / between:
            _restart(engine, made, told, chance)
        if trap.count:
            told.wrong.append(f"it ran after body {number}: {trap.ran.read_text(encoding='utf-8')[:500]}")
            break
    engine.say_yes_to_everything()
    engine.end(signal.SIGTERM)
    _check_it_can_be_sprung(engine, told)
    return told


def _one(engine: Engine, made: Bodies, told: Told, chance: random.Random) -> None:
    body, route = made.body(), chance.choice(_ROUTES)
    status = engine.patch(route, body)
    told.answers[status] += 1
    if status == 0 or status >= 500:
        told.wrong.append(f"{status} on {route} for {body[:500]!r}")


def _check_out(file: Path, text: bytes) -> None:
    """An older text comes back, as a rename over the file."""
    beside = file.with_suffix(".older")
    beside.write_bytes(text)
    beside.replace(file)


def _restart(engine: Engine, made: Bodies, told: Told, chance: random.Random) -> None:
    """End it, most often in the middle of a change, and start it with a yes to what it finds."""
    told.restarts += 1
    asking = threading.Thread(target=engine.patch, args=(chance.choice(_ROUTES), made.body()))
    asking.start()
    time.sleep(chance.random() * 0.03)
    engine.end(chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
    asking.join()
    engine.start(chance.choice(("--auto-approve", "--auto-approve=start")), "--poll")


def _check_it_can_be_sprung(engine: Engine, told: Told) -> None:
    """An operator's own word runs it: what is counted is there to be counted."""
    engine.start()
    before = engine.trap.count
    fields = dict.fromkeys(("args", "cwd", "env", "url", "type", "mock", "group", "headers"))
    whole = {"mcpServers": {"sprung": {**fields, "command": engine.trap.program, "enabled": True}}}
    engine.owner.change_config(whole, if_match="*", wait=10)
    if engine.trap.count == before:
        told.wrong.append("the trap cannot be sprung")
    engine.end(signal.SIGTERM)


def main() -> int:
    bodies, seed = (int(text) for text in (*sys.argv[1:], "10000", str(os.getpid()))[:2])
    with tempfile.TemporaryDirectory(prefix="trap-") as folder:
        told = campaign(Path(folder), bodies, seed)
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(told.answers.items()))
    print(f"seed {seed}: {bodies} bodies ({answers}), {told.restarts} restarts, {told.yeses} blind yeses")
    for wrong in told.wrong:
        print(f"WRONG: {wrong}")
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
