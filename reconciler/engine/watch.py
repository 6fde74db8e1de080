"""Notice that a configuration file changed, however it was saved, and decide when its text may be believed.

Events are only a hint: the parent directories of every file and link are watched, and every tick compares signatures.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import watchfiles

Signature: TypeAlias = tuple[int, int, int, int, int, str] | None
Folders: TypeAlias = dict[Path, tuple[int, int]]
TICK_MS = 1000
POLL_SECONDS = 0.5
SETTLE_RENAMED = 0.03
SETTLE_WRITTEN = 0.15
SETTLE_SHRUNK = 1.2
SETTLE_OPEN = 1.6
"""For a text that shrank and whose end is no end of a line: more may be on its way."""
LATEST_LOOK = 0.1
"""Seconds after a save within which its event has come, nearly always."""
UNTOLD = 3
"""So many changes in a row of which no event told: events do not arrive."""
FRESH_NS = 20_000_000
"""File systems count time in steps of up to 10 ms: two writes within one step leave the same time."""
LONGEST_CHAIN = 40
_CONFLICT = (b"<<<<<<< ", b">>>>>>> ")
_WHOLE_ENDS = (b"\n", b"}")
Hint: TypeAlias = Literal["look", "event", "named", "tick"]
"""Why to look: once in a while, an event of a folder, one that names a file of ours, nothing for a while."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a saved text: `apply`, `wait` so many seconds more and look again, or `hold` and say why and
    at which line and column."""

    kind: Literal["apply", "wait", "hold"]
    seconds: float = 0.0
    why: str = ""
    at: tuple[int, int] = (1, 1)


def judge(before: bytes, now: bytes, *, renamed: bool, quiet: float) -> Verdict:
    """Whether a text that has not changed for `quiet` seconds is believed. `before` is the last valid text."""
    if not now.strip():
        return Verdict("hold", why="it is empty")
    if (line := _conflict(now)) is not None:
        return Verdict("hold", why="it has conflict markers", at=(line, 1))
    if before.startswith(now) and now.rstrip() != before.rstrip():
        line, column = _end(now)
        why = f"it ends in line {line} of {_end(before)[0]} of what it was, as an unfinished save does"
        return Verdict("hold", why=why, at=(line, column))
    settle = _settle(before, now, renamed)
    return Verdict("apply") if quiet >= settle else Verdict("wait", settle - quiet)


def _settle(before: bytes, now: bytes, renamed: bool) -> float:
    """How long a text must not change before it is believed."""
    if len(now) < len(before):
        return SETTLE_SHRUNK if now.endswith(_WHOLE_ENDS) else SETTLE_OPEN
    return SETTLE_RENAMED if renamed else SETTLE_WRITTEN


def _conflict(text: bytes) -> int | None:
    """The line of the first marker of a merge conflict; None where there is no conflict."""
    begin, end = _CONFLICT
    lines = text.splitlines() if begin in text and end in text else []
    begun = [number for number, line in enumerate(lines, 1) if line.startswith(begin)]
    return begun[0] if begun and any(line.startswith(end) for line in lines) else None


def _end(text: bytes) -> tuple[int, int]:
    """Line and column behind the last character that is no space."""
    lines = text.rstrip().splitlines()
    return len(lines), len(lines[-1].decode("utf-8", "replace")) + 1


def signature(path: Path) -> Signature:
    """What tells one state of a file from another without reading it; None while it is not there."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return (
        facts.st_mtime_ns,
        facts.st_size,
        facts.st_ino,
        facts.st_dev,
        facts.st_nlink,
        os.path.realpath(path),
    )


def quiet_for(paths: Iterable[Path], now: int) -> float:
    """Seconds from when any of the files was written or renamed until `now`, in nanoseconds since 1970. Ask after
    reading them: what came later counts too.

    No program can set this time of a file, but it may be another machine's, as the disk is: one that is in the future,
    or further back than LATEST_LOOK, says nothing, and the answer is 0.
    """
    times = [0]
    for path in paths:
        with suppress(OSError, ValueError):
            times.append(path.stat().st_ctime_ns)
    quiet = (now - max(times)) / 1e9
    return quiet if 0 < quiet <= LATEST_LOOK else 0.0


def replaced_by_host(path: Path) -> bool:
    """Whether a single-file bind mount shows a file that the host has replaced: it can never change again."""
    with suppress(OSError):
        return path.stat().st_nlink == 0
    return False


def directories(paths: Iterable[Path]) -> Folders:
    """The existing parent directories of every path and of every link on the way to it, told apart by inode too."""
    found: Folders = {}
    for path in paths:
        for link in _chain(path.absolute()):
            with suppress(OSError):  # it vanished between two looks
                facts = link.parent.stat()
                if stat.S_ISDIR(facts.st_mode):
                    found[link.parent] = (facts.st_dev, facts.st_ino)
    return found


def _chain(path: Path) -> Iterator[Path]:
    """The path, each link on the way to it, and what these point to."""
    seen: set[Path] = set()
    todo = [path]
    while todo and len(seen) < LONGEST_CHAIN:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        for part in (current, *current.parents):
            with suppress(OSError):  # no link, or no more
                target = Path(os.path.realpath(part.parent), part.readlink(), current.relative_to(part))
                todo.append(Path(os.path.normpath(target)))
                yield part


async def changes(
    paths: Callable[[], Iterable[Path]], *, poll: bool = False, told: Callable[[bool], None] = lambda _: None
) -> AsyncIterator[dict[Path, Signature]]:
    """The signatures of `paths()`, at once and again whenever one of them differs. Never ends by itself.

    A file that was written just now is told twice: what is written next may leave the same signature. So is one that an
    event names and that is as it was: it may have come and gone. `told` is called with False when events do not arrive
    although files change, and with True when one does.
    """
    last: dict[Path, Signature] = {}
    fresh, untold = False, 0
    async with aclosing(_hints(paths, poll=poll)) as hints:
        async for hint in hints:
            if hint in ("event", "named"):
                untold = 0
                told(True)
            now = {path: signature(path) for path in paths()}
            if now != last and hint == "tick":
                untold += 1
                if untold == UNTOLD:
                    told(False)
            if now != last or fresh or hint == "named":
                last, fresh = now, _any_fresh(now)
                yield now


def _any_fresh(signatures: Mapping[Path, Signature]) -> bool:
    return any(map(is_fresh, signatures.values()))


def is_fresh(facts: Signature) -> bool:
    """Whether the file was written just now: what is written next may leave the same signature."""
    return facts is not None and abs(time.time_ns() - facts[0]) < FRESH_NS


async def _hints(paths: Callable[[], Iterable[Path]], *, poll: bool) -> AsyncGenerator[Hint, None]:
    """A moment to look: at once, after every event, and at the latest after a tick."""
    while True:
        yield "look"
        folders = directories(paths())
        if poll or not folders:
            await asyncio.sleep(POLL_SECONDS)
            continue
        try:
            async with aclosing(_events(folders)) as events:
                async for event in events:
                    yield _hint_of(event, paths())
                    if directories(paths()) != folders:
                        break
        except (OSError, RuntimeError):  # a folder vanished, or the system has no more watches to give
            await asyncio.sleep(POLL_SECONDS)


def _hint_of(event: set[watchfiles.main.FileChange], paths: Iterable[Path]) -> Hint:
    if not event:
        return "tick"
    names = {link.name for path in paths for link in _chain(path.absolute())}
    return "named" if any(os.path.basename(path) in names for _, path in event) else "event"  # noqa: PTH119


def _events(folders: Iterable[Path]) -> AsyncGenerator[set[watchfiles.main.FileChange], None]:
    return watchfiles.awatch(
        *folders,
        recursive=False,
        watch_filter=None,
        step=20,
        debounce=50,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
    )
