"""A problem as lines of text: where it is, the line it is in, a caret under it and the way out. No colour."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from reconciler.model.secret import secrets_in
from reconciler.problems import Place, Problem

HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e007f]"
)
_WIDTH = 100
_TAB = "    "


def render_problems(problems: Iterable[Problem], shown: Callable[[str], str | None]) -> list[str]:
    """The lines for all problems; `shown` is `Reading.shown`."""
    files: dict[str, list[str] | None] = {}
    rendered: list[str] = []
    for problem in problems:
        file = problem.place.file if problem.place else ""
        if file not in files:
            text = shown(file)
            files[file] = None if text is None else _lines(text)
        rendered += _rendered(problem, files[file])
    return rendered


def render_problem(problem: Problem, text: str | None) -> list[str]:
    """The lines for one problem; `text` is its file's, or None when there is none to show.

    Give `Reading.shown(file)` as `text`: there the literals of secret fields are already hidden.
    """
    return _rendered(problem, None if text is None else _lines(text))


def _rendered(problem: Problem, lines: list[str] | None) -> list[str]:
    place = problem.place
    head = f"{problem.severity}[{problem.code}]: {visible(problem.detail)}"
    line = lines[place.line - 1] if lines and place and place.line <= len(lines) else None
    if place is None or line is None:
        where = [f"{visible(place.file)}:{place.line}:{place.column}: {head}"] if place else [head]
        return where + ([f"      = {visible(problem.hint)}"] if problem.hint else [])
    before, marked, after = _window(_secrets_hidden(line), place)
    caret = " " * _columns(before) + "^" * max(_columns(marked), 1)
    gutter = max(5, len(str(place.line)))
    return [
        f"{visible(place.file)}:{place.line}:{place.column}: {head}",
        f"{place.line:>{gutter}} | {before}{marked}{after}".rstrip(),
        f"{'':>{gutter}} | {caret} {visible(problem.hint or '')}".rstrip(),
    ]


def visible(text: str) -> str:
    """`text` with control, invisible and direction-changing characters written as escapes."""
    return HOSTILE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _lines(text: str) -> list[str]:
    return [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]


def _secrets_hidden(line: str) -> str:
    for start, end in secrets_in(line):
        line = line[:start] + "*" * (end - start) + line[end:]
    return line


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
