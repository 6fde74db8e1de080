"""Characters that no configuration may hold as they are: found before any parser sees the text."""

from __future__ import annotations

import re

from reconciler.config.codes import problem
from reconciler.config.tree import Lines
from reconciler.problems import Problem

# YAML 1.2.2 section 5.1, without the line ends that only YAML 1.1 knew, and without half line ends and half characters
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]|\r(?!\n)")
_HALF = re.compile("[\ud800-\udfff]")
_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|>{7})(?=[ \r\n]|\Z)|^={7}(?=\r?$)", re.MULTILINE)
_MOST = 20


def unreadable(lines: Lines) -> list[Problem]:
    """Why a YAML text should not be parsed at all: bad characters (the first twenty), or a merge conflict."""
    return _bad_characters(lines, _NEVER) or _conflict(lines)


def unreadable_json(lines: Lines) -> list[Problem]:
    """The same for JSON, whose grammar names every other character that it does not allow."""
    return _bad_characters(lines, _HALF) or _conflict(lines)


def _bad_characters(lines: Lines, never: re.Pattern[str]) -> list[Problem]:
    return [_bad_character(lines, match) for match, _ in zip(never.finditer(lines.text), range(_MOST), strict=False)]


def _conflict(lines: Lines) -> list[Problem]:
    match = _CONFLICT.search(lines.text) if "<<<<<<<" in lines.text else None
    if match is None:
        return []
    detail = "this line was written by a merge that stopped half way"
    hint = "choose one of the two sides and delete the marker lines"
    return [problem("merge-conflict", detail, lines.place(*match.span()), hint)]


def _bad_character(lines: Lines, match: re.Match[str]) -> Problem:
    character = match.group()
    detail = f"U+{ord(character):04X} may not stand in a configuration as it is"
    hint = "save the file with line ends LF or CRLF" if character == "\r" else "delete it, or save the file as UTF-8"
    return problem("bad-character", detail, lines.place(*match.span()), hint)
