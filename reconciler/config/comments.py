"""The comments of a YAML text: everything behind a `#` that no scalar holds."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.config.spans import before, content_end, header_end, is_blank, line_start, next_line
from reconciler.config.tree import Lines, Mapping, Node, Scalar, Sequence, walk

_COMMENT = re.compile(r"#[^\r\n]*")


class Comment(NamedTuple):
    """One comment. `alone`: nothing else is on its line; `apart`: a blank line stands above it."""

    first: int
    column: int
    text: str
    alone: bool
    apart: bool


@dataclass(frozen=True, slots=True)
class Marginalia:
    """The comments of a text in order, and where each of its scalars ends, to tell blank lines from content."""

    comments: list[Comment]
    ends: list[int]


def read_comments(root: Node | None, lines: Lines) -> Marginalia:
    """The comments around `root`, the document in `lines`."""
    held = sorted(_held(root, lines)) if root else []
    gaps = zip([0, *(last for _, last in held)], [*(first for first, _ in held), len(lines.text)], strict=True)
    comments = []
    for floor, ceiling in gaps:
        for match in _COMMENT.finditer(lines.text, floor, ceiling):
            alone = not before(lines, match.start()).strip()
            apart = alone and stands_apart(lines, match.start(), floor)
            column = match.start() - line_start(lines, match.start())
            comments.append(Comment(match.start(), column, match.group().rstrip(), alone, apart))
    return Marginalia(comments, [last for _, last in held])


def _held(root: Node, lines: Lines) -> list[tuple[int, int]]:
    """The spans of all scalars and aliases, keys included; a block scalar's header and its text are two."""
    held: list[tuple[int, int]] = []
    for _, node in walk(root):
        if isinstance(node, Mapping):
            held += [(key.first, key.last) for key in node.keys.values()]
        elif isinstance(node, Scalar) and node.style in ("|", ">"):
            below = next_line(lines, node.first)
            held.append((node.first, header_end(node, lines.text)))
            held.append((below, max(below, content_end(node, lines))))
        elif not isinstance(node, Sequence):
            held.append((node.first, node.last))
    return held


def stands_apart(lines: Lines, first: int, floor: int) -> bool:
    """Whether the line above that of `first` is blank, and not content that ends at `floor`."""
    start = line_start(lines, first)
    above = line_start(lines, start - 1) if start > 0 else 0
    return start > above > floor and is_blank(lines, above)


def floor_of(marginalia: Marginalia, first: int) -> int:
    """Where the last scalar before `first` ends."""
    index = bisect_right(marginalia.ends, first)
    return marginalia.ends[index - 1] if index else 0
