"""Colour and shape on a terminal; the only module that knows colour. Whatever others wrote passes `safe` first."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from reconciler.config.visible import visible
from reconciler.plan.render.lines import Line
from reconciler.plan.render.values import visible as visible_in_ascii

_CODES = {
    "plain": "",
    "heading": "1",
    "add": "32",
    "change": "33",
    "remove": "31",
    "launch": "1;33",
    "warning": "33",
    "muted": "2",
    "place": "2",
    "good": "32",
    "bad": "31",
    "busy": "33",
}
"""Role -> SGR parameters (ECMA-48 section 8.3.117)."""


@dataclass(frozen=True, slots=True)
class Painter:
    """How text looks on one stream: with colour or without, `width` columns or as many as it takes."""

    colour: bool = False
    ascii_only: bool = False
    width: int | None = None

    @property
    def on_terminal(self) -> bool:
        """Whether a person looks at it, so that it can be drawn anew."""
        return self.width is not None

    def role(self, text: str, role: str) -> str:
        """`text` in the colour of its role."""
        code = _CODES[role]
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text

    def lines(self, lines: Iterable[Line]) -> str:
        """A rendering, each line ended."""
        return "".join("".join(self.role(span.text, span.role) for span in line).rstrip() + "\n" for line in lines)

    def safe(self, text: str) -> str:
        """One line of text by somebody else, with nothing in it that a terminal would act upon."""
        return visible_in_ascii(text, ascii_only=True) if self.ascii_only else visible(text)

    def safe_lines(self, text: str) -> list[str]:
        """The lines of a text by somebody else; tabs become blanks."""
        return [self.safe(line) for line in text.expandtabs(4).replace("\r\n", "\n").split("\n")]

    def either(self, sign: str, plain: str) -> str:
        """`sign`, or `plain` where only ASCII may be shown."""
        return plain if self.ascii_only else sign

    def cut(self, text: str, used: int) -> str:
        """`text` cut to what is left of the line after `used` columns."""
        if self.width is None or len(text) <= self.width - used:
            return text
        return text[: max(self.width - used - 3, 0)] + "..."

    def table(self, head: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]) -> str:
        """Columns under a head, cells given as text and role; the last column takes what is left of the line."""
        cells = [[(text, "muted") for text in head], *([*row] for row in rows)]
        widths = [max(len(row[column][0]) for row in cells) for column in range(len(head) - 1)]
        return "".join(self._row(row, widths) + "\n" for row in cells)

    def _row(self, row: Sequence[tuple[str, str]], widths: Sequence[int]) -> str:
        *first, (text, role) = row
        padded = [self.role(cell.ljust(width), own) for (cell, own), width in zip(first, widths, strict=True)]
        last = self.cut(text, sum(widths) + 2 * len(widths))
        return "  ".join([*padded, self.role(last, role)]).rstrip()


def painter(stream: TextIO, *, no_colour: bool, ascii_only: bool) -> Painter:
    """What fits a stream: colour and a width only on a terminal, no colour where NO_COLOR is set."""
    terminal = stream.isatty()
    dull = no_colour or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    unable = not (stream.encoding or "").lower().startswith("utf")
    width = shutil.get_terminal_size().columns if terminal else None
    return Painter(terminal and not dull, ascii_only or unable, width)


@contextmanager
def redrawn(stream: TextIO) -> Iterator[Callable[[list[str], list[str]], None]]:
    """A place on the terminal that is drawn anew: call with lines that stay above it and the lines that stand in it."""
    from rich.console import Console  # a door: only what draws pays for it
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=False)

    def draw(above: list[str], inside: list[str]) -> None:
        for line in above:
            live.console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis")
        live.update(Text.from_ansi("\n".join(inside), no_wrap=True, overflow="ellipsis"), refresh=True)

    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        yield draw


def standard_painters(*, no_colour: bool, ascii_only: bool) -> tuple[Painter, Painter]:
    """The painters of standard output and standard error."""
    return (
        painter(sys.stdout, no_colour=no_colour, ascii_only=ascii_only),
        painter(sys.stderr, no_colour=no_colour, ascii_only=ascii_only),
    )
