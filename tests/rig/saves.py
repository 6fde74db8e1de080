"""A file is saved again and again, well and badly, while 20 servers live and are called. Who is called notices nothing.

`python -m tests.rig.saves [--only CAMPAIGN ...] [--long] [--seed N]` prints a line of JSON for each campaign and ends
with 1 when something is not as it must be:

damaged  every save is damaged or mends what was: no session changes, no call fails, and the place is told: 60 saves,
         long 500 and at least 1 000 calls
seen     every save is a small edit, and live before the next: 6, long 1 000
races    every save is followed while two others apply it and a second engine wants the project: 10, long 1 000
flood    500 saves a second, for 1 s, long 10: few are applied, the last of them for good
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from reconciler.engine.change import Applied, Consent, apply_file
from reconciler.engine.host import Host
from reconciler.engine.watch import judge
from reconciler.problems import errors
from reconciler.store.sources import Sources, read_sources
from reconciler.store.state_dir import StateBusy
from tests.engine.desk import LIGHT, Desk, desk
from tests.rig.damages import DAMAGES, mended
from tests.waiting import come_true

ROOT = Path(__file__).parents[2]
SERVERS = 20
CALLERS = 4
IN_TIME = 2.0
"""Seconds within which a damage is told and a mended file is believed."""
LATEST = 60.0
Save: TypeAlias = Callable[[Path, bytes], None]

# How files are saved


def write_in_place(path: Path, text: bytes) -> None:
    path.write_bytes(text)


def rename_over(path: Path, text: bytes) -> None:
    new = path.with_name("4913")
    new.write_bytes(text)
    new.replace(path)


def keep_a_backup(path: Path, text: bytes) -> None:
    path.rename(path.with_name(f"{path.name}~"))
    path.write_bytes(text)


def delete_and_recreate(path: Path, text: bytes) -> None:
    path.unlink()
    path.write_bytes(text)


def truncate_and_append(path: Path, text: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        for byte in text:
            file.write(bytes([byte]))


def swap_hard_link(path: Path, text: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(text)
    path.unlink()
    path.hardlink_to(other)
    other.unlink()


SAVES: Sequence[Save] = (
    *(write_in_place, rename_over, keep_a_backup),
    *(delete_and_recreate, truncate_and_append, swap_hard_link),
)

# What is live


def document(mark: str = "as it was") -> bytes:
    """The file: 20 servers, of which the first one's description says `mark`."""
    blocks = [
        f"  s{number:02}:\n"
        f"    command: {json.dumps(sys.executable)}\n"
        f'    args: ["-E", "-S", "-u", {json.dumps(str(LIGHT))}, "--name", "s{number:02}"]\n'
        f"    name: Prüfung {number}\n"
        f"    description: {json.dumps(mark if number == 0 else 'one of many')}\n"
        for number in range(SERVERS)
    ]
    return "".join(["version: 1\nproject: saves\nmcpServers:\n", *blocks]).encode()


@dataclass(slots=True)
class Found:
    """What a campaign came to. Times are seconds from the end of a save."""

    campaign: str
    saves: int = 0
    seed: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    edits: int = 0
    """Damages that left a valid file of another meaning: nobody can tell them from an edit, and they are not saved."""
    calls: int = 0
    failed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Servers whose session or process is another one."""
    applies: int = 0
    cpu: float = 0.0
    """Seconds of CPU that the engine took for each of the clock."""
    told: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not self.failed and not self.changed

    def to_json(self) -> dict[str, Any]:
        shown = asdict(self) | {"told": spread(self.told), "back": spread(self.back)}
        return {name: value for name, value in shown.items() if value or name in ("failed", "changed")}


def spread(times: Sequence[float]) -> dict[str, float]:
    """Of so many times the middle one, the one that 95 of 100 do not exceed, and the worst."""
    if not times:
        return {}
    ordered = sorted(times)
    figures = {"p50": median(ordered), "p95": ordered[int(len(ordered) * 0.95)], "worst": ordered[-1]}
    return {name: round(figure, 3) for name, figure in figures.items()}


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[Desk]:
    """An engine that follows the file; all servers are live."""
    (folder / "reconciler.yaml").write_bytes(document())
    async with desk(folder) as at:
        at.host.follow(at.project, "start")
        await come_true(lambda: len(sessions(at)) == SERVERS, LATEST)
        yield at


async def run(name: str, at: Desk, seed: int, *, long: bool = False) -> Found:
    """One campaign, with callers beside. That servers are not the same at the end is in what it answers."""
    found, before, serial = Found(name, seed=seed), sessions(at), at.project.ledger.accepted.serial
    ended = asyncio.Event()
    callers = [asyncio.create_task(_call(at, number, found, ended)) for number in range(CALLERS)]
    try:
        await CAMPAIGNS[name](at, found, random.Random(seed), long=long)
    finally:
        ended.set()
        await asyncio.gather(*callers)
    after = sessions(at)
    found.changed = [server for server, session in before.items() if after.get(server) != session]
    found.applies = at.project.ledger.accepted.serial - serial
    if found.applies > MOST_APPLIES[name]:
        found.failed.append(f"{found.applies} applies")
    return found


def sessions(at: Desk) -> dict[str, tuple[Any, ...]]:
    """Process and session of each server that is live, and how often it was started anew."""
    rows = at.rows().values()
    return {row["id"]: (row["pid"], row["instance"], row["restarts"]) for row in rows if row["status"] == "connected"}


async def _call(at: Desk, caller: int, found: Found, ended: asyncio.Event) -> None:
    """Call one server after the other, some of them for a while, until it is over."""
    number = caller
    while not ended.is_set():
        server = f"s{number % SERVERS:02}"
        tool, arguments, answer = ("sleep", {"ms": 40}, "slept") if number % 3 else ("echo", {"text": "hi"}, "hi")
        try:
            said = await at.call(server, tool, **arguments)
        except Exception as error:  # whatever it is, it is what is counted
            said = repr(error)
        found.calls += 1
        if said != answer:
            found.failed.append(f"{server}: {said}")
        number += CALLERS
        await asyncio.sleep(0.01)


# The campaigns


async def damaged(at: Desk, found: Found, chance: random.Random, *, long: bool) -> None:
    """Between one and six damages, then a text that means what it meant before."""
    (at.folder / "scratch").mkdir()
    whole = at.file.read_bytes()
    while found.saves < (500 if long else 60) or (long and found.calls < 1000):
        for _ in range(chance.randint(1, 6)):
            await _damage(at, whole, found, chance)
        whole = mended(whole, chance) if chance.random() < 0.3 else whole
        chance.choice(SAVES)(at.file, whole)
        found.saves += 1
        found.back.append(await _until(lambda: at.project.followed.held is None))


async def _damage(at: Desk, whole: bytes, found: Found, chance: random.Random) -> None:
    """Damage it once, and wait until that is told."""
    while True:
        kind = chance.choice(DAMAGES)
        text = kind(whole, chance)
        sentence = expected(at.folder / "scratch", whole, text)
        if sentence and sentence not in (at.project.followed.held or ""):
            break
        found.edits += sentence is None
    chance.choice(SAVES)(at.file, text)
    found.saves += 1
    found.kinds[kind.__name__] = found.kinds.get(kind.__name__, 0) + 1
    found.told.append(await _until(lambda: sentence in (at.project.followed.held or "")))


def expected(scratch: Path, whole: bytes, text: bytes) -> str | None:
    """What must be told about a text that is saved over another one, with its place. Nothing where it means the same;
    None where it is a valid file of another meaning."""
    verdict = judge(whole, text, renamed=True, quiet=LATEST)
    line, column = verdict.at
    if verdict.kind == "hold":
        return f"reconciler.yaml:{line}:{column}: {verdict.why}"
    known, now = (_reading(scratch, each) for each in (whole, text))
    for wrong in errors(now.problems):
        return f"{wrong.place}: {wrong.detail}"
    return "" if now.written == known.written else None


def _reading(scratch: Path, text: bytes) -> Any:
    file = scratch / "reconciler.yaml"
    file.write_bytes(text)
    return read_sources(Sources(file, (), scratch)).reading


async def _until(holds: Callable[[], bool]) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    await come_true(holds, LATEST)
    return time.monotonic() - began


async def seen(at: Desk, found: Found, chance: random.Random, *, long: bool) -> None:
    for number in range(1000 if long else 6):
        chance.choice(SAVES)(at.file, document(f"edit {number:05}"))
        found.saves += 1
        found.back.append(await _live(at, f"edit {number:05}"))


async def _live(at: Desk, mark: str) -> float:
    """How many seconds it took until the first server's description was accepted to be that."""
    return await _until(lambda: at.project.ledger.document.servers["s00"]["description"] == mark)


async def races(at: Desk, found: Found, chance: random.Random, *, long: bool) -> None:
    """Each save is applied once, whoever comes first; the others find nothing to do. Nobody else gets in."""
    for number in range(1000 if long else 10):
        serial = at.project.ledger.accepted.serial
        chance.choice(SAVES)(at.file, document(f"race {number:05}"))
        found.saves += 1
        applies = [apply_file(at.project, Consent(f"caller {each}", None), lambda _: None) for each in (1, 2)]
        results = await asyncio.gather(_second_engine(at), *applies, return_exceptions=True)
        found.back.append(await _live(at, f"race {number:05}"))
        odd = [result for result in results if not isinstance(result, StateBusy | Applied)]
        if odd or at.project.ledger.accepted.serial != serial + 1:
            found.failed.append(f"race {number}: serial {serial}, {results}")


async def _second_engine(at: Desk) -> None:
    await Host().add(at.project.sources, at.project.state.path.parent)


async def flood(at: Desk, found: Found, _: random.Random, *, long: bool) -> None:
    """Somebody else saves, who does not wait for anything."""
    words = (sys.executable, "-m", "tests.rig.saves", "--flood", str(at.file), "10" if long else "1")
    began, used = time.monotonic(), time.process_time()
    saving = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, cwd=ROOT)
    said, _errors = await saving.communicate()
    found.saves, last = json.loads(said)
    found.cpu = round((time.process_time() - used) / (time.monotonic() - began), 2)
    found.back.append(await _live(at, last))


def _flood(file: Path, seconds: float) -> None:
    """Save 500 times a second, and say how many it were and which was the last."""
    began = time.monotonic()
    number = 0
    while time.monotonic() < began + seconds:
        (rename_over, write_in_place)[number // 50 % 2](file, document(f"edit {number:05}"))
        number += 1
        time.sleep(max(began + number / 500 - time.monotonic(), 0))
    print(json.dumps([number, f"edit {number - 1:05}"]))


Campaign: TypeAlias = Callable[..., Awaitable[None]]
CAMPAIGNS: dict[str, Campaign] = {"damaged": damaged, "seen": seen, "races": races, "flood": flood}
MOST_APPLIES = {"damaged": 0, "seen": 1000, "races": 1000, "flood": 20}


async def run_all(names: Sequence[str], seed: int, *, long: bool) -> bool:
    """Run campaigns on one engine and say what they came to. Whether all is as it must be."""
    well = True
    with tempfile.TemporaryDirectory() as folder:
        async with living(Path(folder)) as at:
            for name in names:
                found = await run(name, at, seed, long=long)
                print(json.dumps(found.to_json()), flush=True)
                well = well and found.well and max([*found.told, *found.back]) < IN_TIME
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CAMPAIGNS, action="append")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--flood", nargs=2, metavar=("FILE", "SECONDS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flood:
        _flood(Path(given.flood[0]), float(given.flood[1]))
        return
    well = asyncio.run(run_all(given.only or [*CAMPAIGNS], given.seed, long=given.long))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
