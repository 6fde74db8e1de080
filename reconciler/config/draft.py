"""A text being edited: what is cut and what is put in, kept apart until the end so that marks stay true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.config.print import Style
from reconciler.config.spans import is_blank, line_start, next_line
from reconciler.config.tree import Alias, Lines, Node, Scalar


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
    """Whole lines that go with an entry, which was the first (`opening`) or last (`closing`) of its collection."""

    first: int
    last: int
    floor: int
    opening: bool
    closing: bool


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
                merged[-1] = merged[-1]._replace(last=removal.last, closing=removal.closing)
            else:
                merged.append(removal)
        return [self._with_blanks(removal, occupied) for removal in merged]

    def _with_blanks(self, removal: Removal, occupied: set[int]) -> tuple[int, int]:
        above, below = self._above(removal, occupied), self._below(removal.last, occupied)
        if removal.closing:
            return above, removal.last
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


def refuse_alias(node: Node, want: Any) -> None:
    """Fields cannot be set through an alias: they would change its anchor, too."""
    if isinstance(node, Alias) and isinstance(node.value, dict) and isinstance(want, dict):
        line = node.start.line + 1
        raise CannotEdit(f"line {line} takes its fields from an alias, so none of them can be changed there alone")
