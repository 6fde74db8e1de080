"""Characters that no configuration may hold as they are: found before any parser sees the text."""

from __future__ import annotations

import re

from reconciler.config.codes import problem
from reconciler.config.tree import Lines
from reconciler.problems import Problem

# YAML 1.2.2 section 5.1, without the line ends that only YAML 1.1 knew, and without half line ends and half characters
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]|\r(?!\n)")
_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|>{7})(?=[ \r\n]|\Z)|^={7}(?=\r?$)", re.MULTILINE)
_MOST = 20


def unreadable(lines: Lines) -> list[Problem]:
    """Why `lines` should not be parsed at all: bad characters (the first twenty), or an unresolved merge conflict."""
    found = [_bad_character(lines, match) for match, _ in zip(_NEVER.finditer(lines.text), range(_MOST), strict=False)]
    if not found and "<<<<<<<" in lines.text and (match := _CONFLICT.search(lines.text)):
        detail = "this line was written by a merge that stopped half way"
        hint = "choose one of the two sides and delete the marker lines"
        found = [problem("merge-conflict", detail, lines.place(*match.span()), hint)]
    return found


def _bad_character(lines: Lines, match: re.Match[str]) -> Problem:
    character = match.group()
    detail = f"U+{ord(character):04X} may not stand in a configuration as it is"
    hint = "save the file with line ends LF or CRLF" if character == "\r" else "delete it, or save the file as UTF-8"
    return problem("bad-character", detail, lines.place(*match.span()), hint)
