"""Which directory of state is a file's: the one that was used for it last, wherever links lead, else the one named
after where it stands. All directories of state stand side by side in `base`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from reconciler.store.standing import standing, way

USED_FOR = "file"
"""In a directory of state: a link to the file that it was used for last, by the path that was named."""


def directories_of(main: Path, base: Path) -> list[Path]:
    """The directories of state of a file: first what was used for the very place where it stands, then for the path
    that is named, then for others that lead there. Nearly always one at most."""
    path, names = way(main), _names(base)
    found = dict(_named(path, base, names))

    def rank(directory: Path) -> tuple[bool, bool, bool]:
        """What is used for the place comes first, of that what says so itself, then what is used for the path named."""
        last = found[directory]
        return last != path[-1], last != used_for(directory), last != path[0]

    if len(path) > 1 or all(used_for(directory) is None for directory in found):
        found.update(_used(path, base, names))  # one that a link led to, or leads to from elsewhere
    return sorted(found, key=rank)


def free_mark(main: Path, base: Path) -> str:
    """The end of the name of a directory for a file that has none: 12 hex of where it stands."""
    names = _names(base)
    return next(mark for mark in _marks(standing(main)) if not _ending(mark, names))


def remember(directory: Path, main: Path) -> None:
    """From now on `directory` is that of the path of `main`, and no other is, as far as the disk allows."""
    named = way(main)[0]
    if used_for(directory) != named:
        with suppress(OSError):
            _lead(directory / USED_FOR, named)
            _forget(named, set(directories_of(main, directory.parent)) - {directory})


def forget(main: Path, base: Path) -> None:
    """No directory is any more that of the path of `main`, but what is named after it."""
    path, names = way(main), _names(base)
    _forget(path[0], {directory for directory, _ in _used(path, base, names)} - set(_named_for(path[-1], base, names)))


def used_for(directory: Path) -> Path | None:
    """The path that a directory was used for last; None where it does not say."""
    with suppress(OSError):
        return (directory / USED_FOR).readlink()
    return None


def _named(path: list[Path], base: Path, names: Collection[str]) -> Iterator[tuple[Path, Path]]:
    """Directories that are named after a place on the way, each with what it was used for, else that place."""
    real = os.path.realpath(path[-1])  # as directories were named before links of the host were told apart
    for place in dict.fromkeys((*reversed(path), Path(real))):
        there = [(each, _last(each, place, path)) for each in _named_for(place, base, names)]
        here = [(each, last or place) for each, last in there if last or _stayed(each, base, names)]
        yield from [(each, last) for each, last in here if used_for(each) == last] or here


def _last(directory: Path, place: Path, path: list[Path]) -> Path | None:
    """What a directory that is named after `place` was used for, that place where nothing says so; None where that
    leads elsewhere now: then it went along, as that of `mcp.yaml` does, whose file was moved to `dot/` with a link left
    behind, when another file comes to where it was."""
    used = used_for(directory)
    if used is None or not os.path.lexists(used):
        return place
    same = used in path or os.path.realpath(used) == os.path.realpath(path[-1])  # a host swaps between two looks
    return used if same else None


def _stayed(directory: Path, base: Path, names: Collection[str]) -> bool:
    """Whether it did not go along with what it was used for, since there is one already where that leads: the link
    `mcp.yaml` led to `work.yaml` when this was used, and leads to `home.yaml` now, which has its own."""
    used = used_for(directory)
    there = standing(used) if used else None
    if there is None or there == used:
        return False
    others = (other for other in _named_for(there, base, names) if other != directory)
    return any(_last(other, there, [there]) == there for other in others)


def _used(path: list[Path], base: Path, names: Collection[str]) -> Iterator[tuple[Path, Path]]:
    """Directories that were used for a path that leads to the file, each with that path."""
    ways, facts, real = {os.fspath(place) for place in path}, _facts(path[-1]), os.path.realpath(path[-1])
    for name in names:
        with suppress(OSError):
            last = os.readlink(f"{base}/{name}/{USED_FOR}")  # noqa: PTH115 of a thousand, Path takes its time
            if last in ways or (facts and _facts(last) == facts and os.path.realpath(last) == real):
                yield base / name, Path(last)


def _named_for(place: Path, base: Path, names: Collection[str]) -> Iterator[Path]:
    for mark in _marks(place):
        there = _ending(mark, names)
        if not there:
            return
        yield from (base / name for name in sorted(there))


def _ending(mark: str, names: Collection[str]) -> list[str]:
    return [name for name in names if name.endswith(f"-{mark}")]


def _marks(place: Path) -> Iterator[str]:
    """What the names of directories of a place end in. Each but the first is used when one before it went away with
    its file."""
    for again in count():
        yield hashlib.sha256(os.fsencode(place) + b"\0" * again).hexdigest()[:12]


def _names(base: Path) -> list[str]:
    with suppress(OSError), os.scandir(base) as entries:
        return [entry.name for entry in entries if _is_directory(entry)]
    return []


def _is_directory(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry)  # noqa: PTH112 a circle of links is none


def _facts(path: Path | str) -> tuple[int, int] | None:
    with suppress(OSError, ValueError):
        facts = os.stat(path)  # noqa: PTH116 as above
        return facts.st_dev, facts.st_ino
    return None


def _lead(link: Path, target: Path) -> None:
    """Have the link lead there, whole or as it was."""
    made = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    made.symlink_to(target)
    try:
        made.replace(link)
    except BaseException:
        made.unlink()
        raise


def _forget(named: Path, directories: Collection[Path]) -> None:
    for directory in directories:
        if used_for(directory) == named:
            (directory / USED_FOR).unlink()
