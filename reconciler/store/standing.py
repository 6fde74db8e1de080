"""Where a file stands, whatever the host swaps beneath it, and by which links: the identity of a project."""

from __future__ import annotations

import os
from pathlib import Path

_SWAPPED = "..data"
_MOST_LINKS = 40  # as the kernel allows (path_resolution(7))


def standing(path: Path) -> Path:
    """The real path of `path`, but for a link that a host swaps.

    A mounted ConfigMap or Secret has `FILE -> ..data/FILE` and `..data -> ..2026_11_21_16_09_45.123`, and every update
    leads `..data` to another directory (kubernetes/pkg/volume/util/atomic_writer.go). What lies in `..data` stands in
    the directory that `..data` is in.
    """
    return way(path)[-1]


def way(path: Path) -> list[Path]:
    """`path` as it is named, what it is behind each link on the way, and last where it stands: its `standing`.

    Whatever precedes a link is real. Where nothing is a link, it is one path.
    """
    absolute = path.absolute()
    rest, passed = [*reversed(absolute.parts[1:])], list[Path]()
    stands = lies = Path(absolute.anchor)  # they differ from `..data` on
    while rest:
        part = rest.pop()
        if part == "..":
            stands, lies = stands.parent, lies.parent
        elif part == _SWAPPED and _target(lies / part) is not None:
            lies /= part
        elif (target := _target(lies / part)) is None:
            stands, lies = stands / part, lies / part
        elif len(passed) == _MOST_LINKS:
            return [passed[0], Path(os.path.realpath(path))]
        else:
            passed.append(stands.joinpath(part, *reversed(rest)))
            stands, lies = stands / target.anchor, lies / target.anchor
            rest.extend(reversed(target.relative_to(target.anchor).parts))
    return list(dict.fromkeys((*passed, stands)))


def _target(path: Path) -> Path | None:
    """Where a link leads; None for what is no link, or not there."""
    try:
        return path.readlink()
    except OSError:
        return None
