"""Under which paths a directory of state is known: it stays a project's when a link takes the place of its file, or the
file that of a link. The directories of state stand side by side in `base`.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path

from reconciler.store.standing import standing, way

USED_FOR = "file"
"""In a directory of state: a link to the file it was last used for, by the path that was named."""
_KNOWN = ".known"
"""Beside them: links to them by the marks of paths under which they are known, besides that of their own name."""


def directories_of(main: Path, base: Path) -> list[Path]:
    """The directories of state that may be meant by `main`: that of the place where the file stands comes first, that
    of the path that was named last. Nearly always one at most."""
    places = [*reversed(way(main))]
    swapped = Path(os.path.realpath(main))  # as directories were named before links of the host were told apart
    named = _by_mark(base)
    found = (_known(place, places[0], base, named) for place in dict.fromkeys((places[0], swapped, *places[1:])))
    return list(dict.fromkeys(one for one in found if one is not None))


def free_mark(main: Path, base: Path) -> str:
    """The end of the name of a directory for `main` where it has none: 12 hex of where the file stands."""
    named, stands = _by_mark(base), standing(main)
    return next(mark for mark in _marks(stands) if mark not in named)


def remember(directory: Path, main: Path) -> None:
    """From now on `directory` is that of `main`, and of each place on the way to it that is nobody else's.

    What the disk refuses is not remembered.
    """
    path, base = way(main), directory.parent
    new = [place for place in path if not _is_noted(place, directory)]
    with suppress(OSError):
        changed = _lead(directory / USED_FOR, path[0])
        named = _by_mark(base) if new else {}
        for place in new:
            if place == path[0] or _known(place, path[-1], base, named) in (None, directory):
                changed |= _lead(_link(place, base), Path("..", directory.name))
        if changed:
            _forget_others(directory, {_link(place, base) for place in path})


def forget(main: Path, base: Path) -> None:
    """No directory is known as that of the place where `main` stands, but by its own name."""
    _link(standing(main), base).unlink(missing_ok=True)


def was_used(directory: Path) -> bool:
    """Whether it says for which file."""
    return _leads_to(directory / USED_FOR) is not None


def _is_noted(place: Path, directory: Path) -> bool:
    """Whether it is found for that place first of all."""
    known = _leads_to(_link(place, directory.parent))
    return directory.name.endswith(next(_marks(place))) if known is None else known.name == directory.name


def _known(place: Path, stands: Path, base: Path, named: Mapping[str, list[str]]) -> Path | None:
    """The directory of a place on the way to a file that stands at `stands`, None where there is none."""
    for directory in _claiming(place, base, named):
        if _is_of(stands, directory) or (directory.name in _named_for(place, named) and _is_left(directory, named)):
            return directory
    return None


def _is_of(stands: Path, directory: Path) -> bool:
    """Whether it was last used for a path that leads there now, or is no more, or did not say for which."""
    last = _leads_to(directory / USED_FOR)
    return last is None or not os.path.lexists(last) or os.path.realpath(last) == os.path.realpath(stands)


def _is_left(directory: Path, named: Mapping[str, list[str]]) -> bool:
    """Whether it did not go along with the path that it was last used for: where that leads, another is known."""
    last = _leads_to(directory / USED_FOR)
    return last is not None and next(_claiming(standing(last), directory.parent, named), directory) != directory


def _claiming(place: Path, base: Path, named: Mapping[str, list[str]]) -> Iterator[Path]:
    known = _leads_to(_link(place, base))
    if known is not None and (base / known.name).is_dir():
        yield base / known.name
    yield from (base / name for name in _named_for(place, named))


def _named_for(place: Path, named: Mapping[str, list[str]]) -> list[str]:
    return [name for mark in takewhile(named.__contains__, _marks(place)) for name in named[mark]]


def _marks(place: Path) -> Iterator[str]:
    """What the names of directories of a place end in. Each but the first is used when one before it went away with
    its file."""
    for again in count():
        yield hashlib.sha256(os.fsencode(place) + b"\0" * again).hexdigest()[:12]


def _by_mark(base: Path) -> dict[str, list[str]]:
    """The names of all directories by what they end in."""
    found: dict[str, list[str]] = {}
    with suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) or os.path.isdir(entry):  # noqa: PTH112 a circle of links is none
                found.setdefault(entry.name.rpartition("-")[2], []).append(entry.name)
    return {mark: sorted(names) for mark, names in found.items()}


def _link(place: Path, base: Path) -> Path:
    return base / _KNOWN / next(_marks(place))


def _leads_to(link: Path) -> Path | None:
    with suppress(OSError):
        return link.readlink()
    return None


def _lead(link: Path, target: Path) -> bool:
    """Have the link lead there, and there whole; whether it did not yet."""
    if _leads_to(link) == target:
        return False
    link.parent.mkdir(mode=0o700, exist_ok=True)
    made = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    made.symlink_to(target)
    try:
        made.replace(link)
    except BaseException:
        made.unlink()
        raise
    return True


def _forget_others(directory: Path, links: set[Path]) -> None:
    """Drop what else leads to it: that it is not known by any more."""
    for link in (directory.parent / _KNOWN).glob("*"):
        leads_to = _leads_to(link)
        if link not in links and leads_to is not None and leads_to.name == directory.name:
            link.unlink()
