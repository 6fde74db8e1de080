"""A text being edited: what is cut and what is put in, kept apart until the end so that marks stay true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.config.print import Style
from reconciler.config.spans import is_blank, line_start, next_line
from reconciler.config.tree import Alias, Lines, Mapping, Node, Scalar, Sequence
from reconciler.merge_patch import equal


class CannotEdit(Exception):
    """The change has no careful edit of this text; the message is a sentence for people."""


class Entry(NamedTuple):
    """A member or an item: it starts at `first`; behind `head`, its colon or dash, stands `node`."""

    first: int
    head: int
    node: Node
    key: Scalar | None
    floor: int
    """Where the content before it ends."""
    column: int


class Removal(NamedTuple):
    """Whole lines that go with an entry. `opening`: nothing stays before them in their collection."""

    first: int
    last: int
    floor: int
    opening: bool


@dataclass(slots=True)
class Draft:
    lines: Lines
    """The text, ending with a line end."""
    style: Style
    cuts: list[tuple[int, int]] = field(default_factory=list)
    inserts: list[tuple[int, str]] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    entered: list[Node] = field(default_factory=list)
    """Collections with a change inside."""
    dropped: list[Node] = field(default_factory=list)
    """Values that go or are written anew."""

    def replace(self, first: int, last: int, text: str) -> None:
        self.cuts.append((first, last))
        self.inserts.append((first, text))

    def insert_lines(self, at: int, lines: list[str]) -> None:
        """Put whole lines in where a line starts; those put in first at one place come first."""
        if lines:
            self.inserts.append((at, "".join(line + self.style.eol for line in lines)))

    def result(self) -> str:
        """The text with all of it done. What is put in where something is cut stays."""
        edits = [(at, at, text) for at, text in self.inserts]
        edits += [(first, last, "") for first, last in [*self.cuts, *self._removed_with_blanks()]]
        parts: list[str] = []
        position = 0
        for first, last, text in sorted(edits, key=lambda edit: edit[0]):
            parts += [self.lines.text[position:first], text]
            position = max(position, last)
        return "".join([*parts, self.lines.text[position:]])

    def _removed_with_blanks(self) -> list[tuple[int, int]]:
        """The removed lines, with the blank lines that would pile up around them."""
        occupied = {at for at, _ in self.inserts}
        merged: list[Removal] = []
        for removal in sorted(self.removals):
            if merged and self._below(merged[-1].last, occupied) == removal.first:
                merged[-1] = merged[-1]._replace(last=removal.last)
            else:
                merged.append(removal)
        return [self._with_blanks(removal, occupied) for removal in merged]

    def _with_blanks(self, removal: Removal, occupied: set[int]) -> tuple[int, int]:
        above, below = self._above(removal, occupied), self._below(removal.last, occupied)
        if below == len(self.lines.text) and below not in occupied:
            return above, below
        return removal.first, below if removal.opening or above < removal.first else removal.last

    def _above(self, removal: Removal, occupied: set[int]) -> int:
        start, lowest = removal.first, next_line(self.lines, removal.floor)
        while start > lowest and start not in occupied and is_blank(self.lines, line_start(self.lines, start - 1)):
            start = line_start(self.lines, start - 1)
        return start

    def _below(self, start: int, occupied: set[int]) -> int:
        while start not in occupied and is_blank(self.lines, start):
            start = next_line(self.lines, start)
        return start


class Changes(NamedTuple):
    """What has to happen to the entries of a collection, by index; `added` come after the entry `after` (-1: first)."""

    changed: list[tuple[int, Any]]
    removed: list[int]
    added: list[tuple[str, Any]]
    after: int


def compare(node: Mapping | Sequence, want: dict[str, Any] | list[Any]) -> Changes:
    """How `node` becomes `want`, an object or array as it is one; items keep their place from both ends."""
    if isinstance(node, Mapping):
        assert isinstance(want, dict)
        indexes = {key: index for index, key in enumerate(node.children)}
        changed = [(index, want[key]) for key, index in indexes.items() if key in want]
        removed = [index for key, index in indexes.items() if key not in want]
        added = [(key, value) for key, value in want.items() if key not in indexes]
        return Changes(changed, removed, added, len(indexes) - 1)
    return _compare_items(node.value, list(want))


def _compare_items(have: list[Any], want: list[Any]) -> Changes:
    shorter = min(len(have), len(want))
    head = next((i for i in range(shorter) if not equal(have[i], want[i])), shorter)
    tail = next((i for i in range(shorter - head) if not equal(have[-1 - i], want[-1 - i])), shorter - head)
    middle = shorter - tail
    changed = [(index, want[index]) for index in range(head, middle)]
    removed = list(range(middle, len(have) - tail))
    added = [("", value) for value in want[middle : len(want) - tail]]
    return Changes(changed, removed, added, middle - 1)


def refuse_alias(node: Node, want: Any) -> None:
    """Fields cannot be set through an alias: they would change its anchor, too."""
    if isinstance(node, Alias) and isinstance(node.value, dict) and isinstance(want, dict):
        line = node.start.line + 1
        raise CannotEdit(f"line {line} takes its fields from an alias, so none of them can be changed there alone")
