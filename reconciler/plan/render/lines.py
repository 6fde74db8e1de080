"""What a rendering consists of: lines of spans with roles. A face gives a role its colour, or none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role = Literal["plain", "heading", "add", "change", "remove", "launch", "warning", "muted", "place"]


@dataclass(frozen=True, slots=True)
class Span:
    """Some text of one role. The text holds nothing that a terminal would act upon."""

    text: str
    role: Role = "plain"


Line: TypeAlias = tuple[Span, ...]


def text_of(lines: Iterable[Line]) -> str:
    """The lines as plain text, each ended; no line has blanks at its end."""
    return "".join("".join(span.text for span in line).rstrip() + "\n" for line in lines)


def width(line: Line) -> int:
    """How many characters a line has."""
    return sum(len(span.text) for span in line)


@dataclass(frozen=True, slots=True)
class Row:
    """A line with the place it speaks of, which is set in a column of its own."""

    line: Line
    place: str = ""


def with_places(rows: Iterable[Row], *, at_most: int = 72) -> list[Line]:
    """The rows with their places in one column, `at_most` characters to the right; a longer row moves its own."""
    rows = list(rows)
    column = max((width(row.line) for row in rows if row.place and width(row.line) <= at_most), default=0) + 4
    return [_with_place(row, column) if row.place else row.line for row in rows]


def _with_place(row: Row, column: int) -> Line:
    gap = max(column - width(row.line), 2)
    return (*row.line, Span(" " * gap), Span(row.place, "place"))
