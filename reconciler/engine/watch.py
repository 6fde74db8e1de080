"""Notice that a configuration file changed, however it was saved, and decide when its text may be believed.

Events are only a hint: the parent directories of every file and link are watched, and every tick compares signatures.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import watchfiles

Signature: TypeAlias = tuple[int, int, int, int, int, str] | None
TICK_MS = 1000
POLL_SECONDS = 0.5
SETTLE_RENAMED = 0.03
SETTLE_WRITTEN = 0.15
SETTLE_SHRUNK = 2.0
_CONFLICT = (b"<<<<<<< ", b">>>>>>> ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a saved text: `apply`, `wait` so many seconds more and look again, or `hold` and say why."""

    kind: Literal["apply", "wait", "hold"]
    seconds: float = 0.0
    why: str = ""


def judge(before: bytes, now: bytes, *, renamed: bool, quiet: float) -> Verdict:
    """Whether a text that has not changed for `quiet` seconds is believed. `before` is the last valid text."""
    if not now.strip():
        return Verdict("hold", why="it is empty")
    if all(any(line.startswith(sign) for line in now.splitlines()) for sign in _CONFLICT):
        return Verdict("hold", why="it has conflict markers")
    if before.startswith(now) and now != before:
        return Verdict("hold", why="it is the beginning of what it was, as an unfinished save is")
    settle = SETTLE_SHRUNK if len(now) < len(before) else SETTLE_RENAMED if renamed else SETTLE_WRITTEN
    return Verdict("apply") if quiet >= settle else Verdict("wait", settle - quiet)


def signature(path: Path) -> Signature:
    """What tells one state of a file from another without reading it; None while it is not there."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return (
        facts.st_mtime_ns,
        facts.st_size,
        facts.st_ino,
        facts.st_dev,
        facts.st_nlink,
        os.path.realpath(path),
    )


def replaced_by_host(path: Path) -> bool:
    """Whether a single-file bind mount shows a file that the host has replaced: it can never change again."""
    with suppress(OSError):
        return path.stat().st_nlink == 0
    return False


def directories(paths: Iterable[Path]) -> set[Path]:
    """The existing parent directories of every path and of every link on the way to it."""
    found: set[Path] = set()
    for path in paths:
        for link in _chain(path.absolute()):
            if link.parent.is_dir():
                found.add(link.parent)
    return found


def _chain(path: Path) -> Iterable[Path]:
    """The path, and what it and each link in its directories point to."""
    seen: set[Path] = set()
    todo = [path]
    while todo:
        current = todo.pop()
        if current in seen or len(seen) > 40:
            continue
        seen.add(current)
        yield current
        for part in (current, *current.parents):
            if part.is_symlink():
                target = part.parent / part.readlink()
                todo.append(Path(os.path.normpath(target / current.relative_to(part))))


async def changes(paths: Callable[[], Iterable[Path]], *, poll: bool = False) -> AsyncIterator[dict[Path, Signature]]:
    """The signatures of `paths()`, at once and again whenever one of them differs. Never ends by itself."""
    last: dict[Path, Signature] = {}
    async for _ in _hints(paths, poll=poll):
        now = {path: signature(path) for path in paths()}
        if now != last:
            last = now
            yield now


async def _hints(paths: Callable[[], Iterable[Path]], *, poll: bool) -> AsyncIterator[None]:
    """A moment to look: after every event, and at the latest after a tick."""
    while True:
        folders = directories(paths())
        if poll or not folders:
            yield None
            await asyncio.sleep(POLL_SECONDS)
            continue
        with suppress(OSError, RuntimeError):  # a folder vanished: watch what is there now
            yield None
            async for _ in watchfiles.awatch(
                *folders,
                recursive=False,
                watch_filter=None,
                step=10,
                debounce=50,
                rust_timeout=TICK_MS,
                yield_on_timeout=True,
            ):
                yield None
                if directories(paths()) != folders:
                    break
        await asyncio.sleep(0)
