"""Whoever applies is killed: at random moments, and at each system call on the way to the disk. Nothing said is lost.

`python -m tests.rig.kills [--long] [--kills N] [--places N] [--refusals N] [--seed N]`: a line of JSON, and 1 when
something is not as it must be. An engine is forked, applies one random document after another and says what is on the
disk by its word. Once it is dead, a second looks: what is accepted is what was acknowledged or, of what was being
applied, each server the old or the new one; yeses, used plans and history are all there; the next plan converges. So it
is where the system refuses a call once; that engine lives on.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from reconciler.engine.change import Applied, Consent, apply_file, plan_file
from reconciler.engine.host import Host
from reconciler.engine.project import Project
from reconciler.plan.actions import Plan
from reconciler.store.accepted import read_accepted
from reconciler.store.files import write_whole
from reconciler.store.sealed import unseal
from reconciler.store.sources import Sources
from reconciler.store.state_dir import state_dir_of

CALLS = (
    *("openat", "write", "fchmod", "fsync", "fdatasync", "rename", "unlink", "close", "pwrite64", "ftruncate"),
    *("fcntl", "lseek", "newfstatat", "fstat", "pread64"),
)
"""On the way to the disk: what writes a file whole, and what SQLite does. What this machine lacks is left out."""
REFUSED = ("fsync", "fdatasync", "rename", "pwrite64", "ftruncate", "fchmod")
"""Of these the system says no, once, instead: the engine lives on, and says what it could not do."""
SHORT, LONG = (25, 8, 3), (1000, 100_000, 100_000)
SECONDS = 60
MOST = 400
"""So many times a call is looked for at most."""
_ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1))  # prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
Written: TypeAlias = dict[str, Any]


class Known:
    """What an engine said until it died. `trying` is what it was applying then, None where nothing was."""

    def __init__(self) -> None:
        self.serial = 0
        self.document: Written = {"mcpServers": {}}
        self.yeses: set[str] = set()
        self.used: set[str] = set()
        self.serials: set[int] = set()
        self.trying: Written | None = None

    def hear(self, line: str) -> None:
        said = json.loads(line)
        match said["what"]:
            case "trying":
                self.trying = said["document"]
            case "applied" | "found":
                self.serial, self.document, self.trying = said["serial"], said["document"], None
                self.yeses |= set(said["yeses"])
                self.serials |= {self.serial} if said["what"] == "applied" else set()
            case "used":
                self.used.add(said["plan"])


def main() -> int:
    arguments = _arguments()
    chance, counted = random.Random(arguments.seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="kills-") as made:
        folder = Path(arguments.folder or made)
        faults = _at_random(folder / "random", arguments.kills, chance, counted)
        kill, full, broken = "signal=KILL", "error=ENOSPC", "error=EIO"
        faults += _at_each_call(folder / "calls", CALLS, kill, arguments.places, chance, counted)
        for fault in (full, broken):
            faults += _at_each_call(folder / fault, REFUSED, fault, arguments.refusals, chance, counted)
    print(json.dumps({"seed": arguments.seed, **counted, "faults": faults}))
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="1 000 kills, and every call of the path")
    parser.add_argument("--kills", type=int)
    parser.add_argument("--places", type=int)
    parser.add_argument("--refusals", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--folder", help="where to work; what is there stays")
    arguments = parser.parse_args()
    kills, places, refusals = LONG if arguments.long else SHORT
    arguments.kills = kills if arguments.kills is None else arguments.kills
    arguments.places = places if arguments.places is None else arguments.places
    arguments.refusals = refusals if arguments.refusals is None else arguments.refusals
    return arguments


# At random moments


def _at_random(folder: Path, kills: int, chance: random.Random, counted: Counter[str]) -> list[str]:
    """One state through all kills. A moment is so long after so many words of the engine."""
    folder.mkdir(parents=True)
    known, faults = Known(), list[str]()
    for number in range(kills):
        with _engine(folder, chance.randrange(1 << 30), 1000) as engine:
            engine.go()
            for _ in range(chance.randrange(1, 8)):
                known.hear(engine.word())
            if chance.random() < 0.6:  # else at once: what was just said must hold
                engine.wait(chance.uniform(0, 0.03))
            engine.kill()
            for line in engine.rest():
                known.hear(line)
        counted["random"] += 1
        counted["in the middle"] += known.trying is not None
        counted["acknowledged"] = len(known.serials) + len(known.used)
        faults += [f"after random kill {number}: {fault}" for fault in _look(folder, known)]
        if faults:
            break
    return faults


# At each system call


def _at_each_call(
    folder: Path, calls: Sequence[str], fault: str, places: int, chance: random.Random, counted: Counter[str]
) -> list[str]:
    """Every call in turn, each time it is made, until nothing befalls the engine; of these `places` at most."""
    faults, passed = list[str](), set[str]()
    for call, when in _places(calls, places, chance, passed):
        here = folder / f"{call}-{when}"
        here.mkdir(parents=True)
        known = Known()
        with _engine(here, 7, 2) as engine:
            tracer = _trace(engine.pid, call, f"{fault}:when={when}", here / "trace")
            if tracer is None:
                engine.kill()
                passed.add(call)
                continue
            engine.go()
            for line in engine.rest():
                known.hear(line)
            tracer.wait(SECONDS)
        befell = "killed at a call" if engine.killed else "refused" if _was_refused(here) else "got through"
        counted[befell] += 1
        if not engine.killed and engine.exit:
            faults.append(f"{fault} at {call} {when}: the engine died")
        if befell == "got through":
            passed.add(call)
        faults += [f"{fault} at {call} {when}: {wrong}" for wrong in _look(here, known)]
    return faults


def _was_refused(folder: Path) -> bool:
    return "(INJECTED)" in (folder / "trace").read_text(encoding="utf-8", errors="replace")


def _places(calls: Sequence[str], places: int, chance: random.Random, passed: set[str]) -> Iterator[tuple[str, int]]:
    """A sample; or, where as many are wanted, all. `passed` are calls that were not made so often any more."""
    if places >= len(calls) * MOST:
        everything = ((call, when) for call in calls for when in range(1, MOST + 1))
        yield from (place for place in everything if place[0] not in passed)
        return
    some = [(call, when) for call in calls for when in range(1, 1 + max(6, places // len(calls) + 1))]
    yield from chance.sample(some, places)


def _trace(pid: int, call: str, fault: str, told: Path) -> subprocess.Popen[bytes] | None:
    """What has the fault befall the call, and hold of the engine by now; None where this machine has no such call."""
    words = ["strace", "-f", "-o", str(told), "-e", f"trace={call}"]
    words += ["-e", f"inject={call}:{fault}", "-p", str(pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    for line in tracer.stderr:
        if b"attached" in line:
            return tracer
    tracer.wait(SECONDS)
    return None


# The engine that is killed


class _Engine:
    """A fork that applies. It begins once it is told to, and every word of it is a line."""

    def __init__(self, pid: int, out: int, begin: int) -> None:
        self.pid = pid
        self.killed = False
        self.exit = 0
        self._out = os.fdopen(out, "rb", buffering=0)
        self._begin = begin
        self._heard = b""
        self._over = False
        self.word()  # it is open

    def go(self) -> None:
        os.write(self._begin, b"\n")

    def word(self) -> str:
        """Its next line; empty where it is dead."""
        while b"\n" not in self._heard and (more := self._out.read(65536)):
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode() or '{"what": "nothing"}'

    def wait(self, seconds: float) -> None:
        select.select([], [], [], seconds)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def rest(self) -> list[str]:
        """All that it said to its end."""
        while more := self._out.read(65536):
            self._heard += more
        whole, _, _ = self._heard.rpartition(b"\n")
        self._heard = b""
        return whole.decode().splitlines()

    def end(self) -> None:
        if not self._over:
            self._over = True
            _, status = os.waitpid(self.pid, 0)
            self.killed = os.WIFSIGNALED(status)
            self.exit = os.waitstatus_to_exitcode(status)
            os.close(self._begin)
            self._out.close()


@contextmanager
def _engine(folder: Path, seed: int, applies: int) -> Iterator[_Engine]:
    out, told = os.pipe()
    begun, begin = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(out)
        os.close(begin)
        _run(lambda: _apply(folder, seed, applies, told, begun))
    os.close(told)
    os.close(begun)
    engine = _Engine(pid, out, begin)
    try:
        yield engine
        engine.rest()
    except BaseException:
        engine.kill()
        raise
    finally:
        engine.end()


def _run(work: Callable[[], Awaitable[int]]) -> None:
    """The rest of a fork's life."""
    code = 1
    try:
        code = asyncio.run(work())  # type: ignore[arg-type]
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


async def _apply(folder: Path, seed: int, applies: int, told: int, begun: int) -> int:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(*_ANY_TRACER)
    # One thread only: a tracer counts the calls of each.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))

    def say(**what: object) -> None:
        os.write(told, json.dumps(what).encode() + b"\n")

    chance = random.Random(seed)
    file, host = folder / "reconciler.yaml", Host()
    project = await _opened(host, folder)
    say(what="open")
    os.read(begun, 1)
    document = project.ledger.document.written
    for number in range(applies):
        document = _changed(document, chance)
        plan = f"sha256:{seed}-{number}" if chance.random() < 0.5 else None
        try:
            write_whole(file, json.dumps(document))
            await _apply_one(project, document, plan, say)
        except OSError as error:
            document = project.ledger.document.written
            say(what="refused", why=str(error))
    for note in await host.stop():
        say(what="refused", why=note)
    return 0


async def _apply_one(project: Project, document: Written, plan: str | None, say: Callable[..., None]) -> None:
    """Raises OSError where the disk refused it."""
    say(what="trying", document=document)
    applied = await apply_file(project, Consent("rig", None, frozenset({"mass-delete"})), lambda _: None)
    assert isinstance(applied, Applied), applied
    if applied.refused:
        raise OSError(applied.refused)
    assert applied.exit == 0, applied
    ledger = project.ledger
    say(what="applied", serial=applied.serial, document=ledger.document.written, yeses=[*ledger.accepted.yeses])
    if plan is not None:
        assert await project.records.consume(plan, "now")
        say(what="used", plan=plan)


async def _opened(host: Host, folder: Path) -> Project:
    file = folder / "reconciler.yaml"
    if not file.exists():
        file.write_text("mcpServers: {}", encoding="utf-8")
    return await host.add(Sources(file, (), folder), folder / "state")


def _changed(before: Written, chance: random.Random) -> Written:
    """Another document, always: servers that are off, so that nothing but the disk is busy."""
    servers = dict(before.get("mcpServers", {}))
    for _ in range(chance.randrange(1, 4)):
        name = f"s{chance.randrange(8)}"
        if name in servers and len(servers) > 4 and chance.random() < 0.5:
            del servers[name]
            continue
        secret = {"TOKEN": f"literal-{chance.randrange(1 << 60)}"}
        words = [str(chance.randrange(1 << 60))] * chance.randrange(1, 40)
        servers[name] = {"command": "true", "args": words, "env": secret, "enabled": False}
    return {"version": 1, "project": "kills", "mcpServers": {**servers, "s8": _off(chance)}}


def _off(chance: random.Random) -> Written:
    return {"command": "true", "description": str(chance.randrange(1 << 60)), "enabled": False}


# What is left


def _look(folder: Path, known: Known) -> list[str]:
    """What is wrong; and known is what is accepted from now on. In a fork: this process has no threads."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _run(lambda: _answer(folder, known, write))
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    if not text:
        return ["the next engine died"]
    found = json.loads(text)
    known.hear(json.dumps({"what": "found", **found["now"]}))
    return list(found["faults"])


async def _answer(folder: Path, known: Known, write: int) -> int:
    state = state_dir_of(folder / "reconciler.yaml", "kills", folder / "state")
    accepted = read_accepted(state, default_project="kills")
    faults = [*_wrong(accepted.serial, accepted.document.written, known)]
    if missing := known.yeses - accepted.yeses:
        faults.append(f"{len(missing)} yeses are lost")
    host = Host()
    try:
        project = await _opened(host, folder)
        if missing := known.used - await project.records.consumed():
            faults.append(f"used plans are forgotten: {missing}")
        faults += await _history(project, known)
        faults += await _converges(project)
        now = project.ledger.accepted
        kept = {"serial": now.serial, "document": now.document.written, "yeses": [*now.yeses]}
    finally:
        await host.stop()
    os.write(write, json.dumps({"faults": faults, "now": kept}).encode())
    return 0


def _wrong(serial: int, found: Written, known: Known) -> Iterator[str]:
    if serial == known.serial and found["mcpServers"] == known.document["mcpServers"]:
        return
    if known.trying is None or serial != known.serial + 1:
        yield f"accepted is serial {serial}, acknowledged was {known.serial}"
        return
    old, new = known.document["mcpServers"], known.trying["mcpServers"]
    for name in {*old, *new, *found["mcpServers"]}:
        if found["mcpServers"].get(name) not in (old.get(name), new.get(name)):
            yield f"{name} is neither as it was nor as it was to be"


async def _history(project: Project, known: Known) -> list[str]:
    there = {row["serial"] for row in await project.records.history()}
    newest = set(sorted(known.serials | there)[-20:])
    faults = [f"serial {serial} is not in the history" for serial in (known.serials & newest) - there]
    sealed = await project.records.document_at(known.serial)
    if sealed is not None:
        opened = unseal({"document": sealed["document"]}, sealed["sealed"], project.state.key())
        if opened["document"] != known.document:
            faults.append(f"the history has another document for serial {known.serial}")
    return faults


async def _converges(project: Project) -> list[str]:
    applied = await apply_file(project, Consent("rig", None, frozenset({"mass-delete"})), lambda _: None)
    if not isinstance(applied, Applied) or applied.exit:
        return [f"the next plan cannot be applied: {applied}"]
    plan = await plan_file(project)
    if not isinstance(plan, Plan) or plan.actions or plan.drift:
        return [f"after the next apply there is still a plan: {plan}"]
    left = [path.name for path in project.state.path.iterdir() if path.name.startswith(".")]
    return [f"half-written files stay: {left}"] if left else []


if __name__ == "__main__":
    sys.exit(main())
