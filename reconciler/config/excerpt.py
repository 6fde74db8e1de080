"""A problem as lines of text: where it is, the line it is in, a caret under it and the way out. No colour."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from reconciler.config.shown_broken import guesses_hidden
from reconciler.config.visible import visible
from reconciler.problems import Place, Problem

_WIDTH = 100
_TAB = "    "


def render_problem(problem: Problem, text: str | None) -> list[str]:
    """The lines for one problem; `text` is its file's, or None when there is none to show.

    Give `Reading.shown(file)` as `text`: there the literals of secret fields are already hidden.
    """
    place = problem.place
    head = f"{problem.severity}[{problem.code}]: {visible(problem.detail)}"
    if place:
        head = f"{visible(place.file)}:{place.line}:{place.column}: {head}"
    lines = _lines(text) if text is not None and place else ()
    if place is None or place.line > len(lines):
        return [head, f"      = {visible(problem.hint)}"] if problem.hint else [head]
    before, marked, after = _window(guesses_hidden(lines[place.line - 1]), place)
    caret = " " * _columns(before) + "^" * max(_columns(marked), 1)
    gutter = max(5, len(str(place.line)))
    return [
        head,
        f"{place.line:>{gutter}} | {before}{marked}{after}".rstrip(),
        f"{'':>{gutter}} | {caret} {visible(problem.hint or '')}".rstrip(),
    ]


@lru_cache(maxsize=8)  # many problems are shown from few files
def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _window(line: str, place: Place) -> tuple[str, str, str]:
    """The line cut around the place: what stands before it, in it, and after it, all made visible."""
    start = min(place.column - 1, len(line))
    end = min(max(place.end_column - 1, start + 1), len(line))
    first, last = max(0, min(start - 10, len(line) - _WIDTH)), len(line)
    if len(line) > _WIDTH:
        last = min(len(line), first + _WIDTH)
    before, marked, after = line[first:start], line[start : min(end, last)], line[min(end, last) : last]
    cut = ("..." if first else "", "..." if last < len(line) else "")
    return cut[0] + _shown(before), _shown(marked), _shown(after) + cut[1]


def _shown(text: str) -> str:
    return visible(text.replace("\t", _TAB))


def _columns(text: str) -> int:
    """How many terminal columns `text` takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
