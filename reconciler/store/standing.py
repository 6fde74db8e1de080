"""Where a file stands, whatever the host swaps beneath it: what the identity of a project hangs on."""

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
    absolute = path.absolute()
    rest, links = [*reversed(absolute.parts[1:])], 0
    stands = lies = Path(absolute.anchor)  # they differ from `..data` on
    while rest:
        part = rest.pop()
        if part == "..":
            stands, lies = stands.parent, lies.parent
        elif part == _SWAPPED and _target(lies / part) is not None:
            lies /= part
        elif (target := _target(lies / part)) is None:
            stands, lies = stands / part, lies / part
        elif (links := links + 1) > _MOST_LINKS:
            return Path(os.path.realpath(path))
        else:
            stands, lies = stands / target.anchor, lies / target.anchor
            rest.extend(reversed(target.relative_to(target.anchor).parts))
    return stands


def _target(path: Path) -> Path | None:
    """Where a link leads; None for what is no link, or not there."""
    try:
        return path.readlink()
    except OSError:
        return None
