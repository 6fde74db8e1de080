"""Many deciders, callers and clocks at one call: it runs at most once, and never after a no that counted.

`python -m tests.gate.races [COUNT] [SEED]`: real records in a temporary directory; ends with 1 when a race was lost.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from anyio.lowlevel import checkpoint

from reconciler.gate.approvals import ARMED, Decision, NotDecided
from reconciler.gate.principal import Refused
from reconciler.gate.turn import Patience
from tests.gate.desk import CLIENT, NONE, Desk, desk

EIGHT_HOURS = 8 * 3600.0
SHORT = Patience(whole=1, tick=0.005)


async def race(at: Desk, number: int, chance: random.Random) -> str:
    """One call with a few deciders; answers what became of it. Raises AssertionError when the race was lost."""
    before = len(at.seen)
    arguments = {"race": number}
    at.gate.patience = NONE
    await at.gate.call(CLIENT, "asks", "echo", arguments)
    call_id = (await at.waiting())[-1].id
    at.gate.patience = SHORT
    counted: list[str] = []
    deciders = [
        _decide(at, call_id, chance.random() < 0.7, counted, chance.choice([0, chance.random() / 200]))
        for _ in range(chance.randint(1, 4))
    ]
    callers = [_call(at, arguments, call_id, back=chance.random() < 0.5) for _ in range(chance.randint(1, 3))]
    clocks = [_later(at, chance.choice([ARMED, EIGHT_HOURS]))] if chance.random() < 0.2 else []
    works = [*deciders, *callers, *clocks]
    chance.shuffle(works)
    tasks = [asyncio.create_task(work) for work in works]
    if chance.random() < 0.1:
        tasks[chance.randrange(len(tasks))].cancel()
    await asyncio.wait(tasks, timeout=0.5)
    await _quietly(at.approvals.decide(call_id, Decision(False, "the end")))
    await asyncio.wait(tasks)
    row = await at.approvals.get(call_id)
    assert row is not None
    for again in await at.waiting():
        await at.approvals.decide(again.id, Decision(False, "the end"))
    ran = sum(params["arguments"] == arguments for _, params, _ in at.seen[before:])
    assert ran <= 1, f"race {number}: it ran {ran} times"
    assert counted.count("allow") <= 1, f"race {number}: {counted}"
    assert not (ran and "deny" in counted), f"race {number}: it ran although a no counted: {counted}"
    assert not (ran and row.state in ("denied", "expired", "waiting", "allowed")), f"race {number}: {row.state}"
    assert ran == (row.state in ("done", "failed", "unknown")) or row.state == "unknown", f"{number}: {row.state}"
    return row.state


async def _decide(at: Desk, call_id: str, allow: bool, counted: list[str], after: float) -> None:
    await asyncio.sleep(after)
    try:
        await at.approvals.decide(call_id, Decision(allow, "somebody"))
        counted.append("allow" if allow else "deny")
    except NotDecided:
        return


async def _call(at: Desk, arguments: dict[str, int], call_id: str, *, back: bool) -> None:
    """A caller that comes back for the call, or makes it again. Made again after its end, it is another call."""
    try:
        if back:
            await at.gate.result(CLIENT, call_id)
        else:
            await at.gate.call(CLIENT, "asks", "echo", arguments)
    except Refused:
        return


async def _later(at: Desk, seconds: float) -> None:
    await checkpoint()
    at.time.pass_by(seconds)


async def _quietly(work: object) -> None:
    try:
        await work  # type: ignore[misc]  # a coroutine whose result nobody needs
    except NotDecided:
        return


async def run(folder: Path, count: int, seed: int) -> Counter[str]:
    """How the calls of `count` races ended."""
    chance = random.Random(seed)
    ended: Counter[str] = Counter()
    async with desk(folder, patience=SHORT) as at:
        for number in range(count):
            ended[await race(at, number, chance)] += 1
            at.seen.clear()
    return ended


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        ended = asyncio.run(run(Path(folder), count, seed))
    print(f"{count} races, seed {seed}: {dict(sorted(ended.items()))}; none ran twice, none after a no")
    return 0


if __name__ == "__main__":
    sys.exit(main())
