"""What globs of tool names have in common. Answers are cautious: unsure means the answer that asks a person."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_WILD = re.compile(r"[*?\[]")


def is_glob(pattern: str) -> bool:
    """Whether `pattern` can select more than the tool of that name."""
    return _WILD.search(pattern) is not None


def fits(tool: str, pattern: str) -> bool:
    """Whether `pattern` selects the tool of this name."""
    return fnmatchcase(tool, pattern)


def specificity(pattern: str) -> tuple[bool, int, str]:
    """Greater decides: a name beats every glob, then more fixed characters, then the text (as the gate decides)."""
    wild = len(_WILD.findall(pattern))
    return (wild == 0, len(pattern) - wild, pattern)


def contains(glob: str, pattern: str) -> bool:
    """Whether every tool that `pattern` selects is surely selected by `glob`."""
    if glob == pattern or glob == "*":
        return True
    if not is_glob(pattern):
        return fits(pattern, glob)
    # Beyond `*`, one glob's wildcards are only contained in another's when that is plain from the text.
    return not re.search(r"[?\[]", glob + pattern) and fnmatchcase(pattern, glob)


def may_overlap(one: str, other: str) -> bool:
    """Whether some tool could be selected by both globs: not when their fixed beginnings or ends differ."""
    return _agree(_beginning(one), _beginning(other)) and _agree(_beginning(one[::-1]), _beginning(other[::-1]))


def _beginning(pattern: str) -> str:
    """The fixed text before the first wildcard; a `]` counts as one because texts are also read backwards."""
    return re.split(r"[*?\[\]]", pattern, maxsplit=1)[0]


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
