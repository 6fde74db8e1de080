"""Any JSON value as short harmless text: files and servers may be hostile, so nothing that is unseen survives."""

from __future__ import annotations

import json
import unicodedata
from bisect import bisect
from itertools import accumulate
from typing import Any

from reconciler.plan.pointers import FORWARDED, tokens

LIMIT = 60
_AS_JSON = json.JSONEncoder(ensure_ascii=False).encode
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(0xFE00 + i) for i in range(16)}


def visible(text: str, *, ascii_only: bool = False) -> str:
    """`text` with control, bidirectional, zero-width and other unseen characters as JSON escapes."""
    return "".join(_cells(text, ascii_only))


def shown(value: Any, *, ascii_only: bool = False, whole: bool = False) -> str:
    """A JSON value on one line: text in quotes, the middle left out beyond 60 characters unless `whole`."""
    if value == FORWARDED:
        return "(forwarded)"
    text = _AS_JSON(value)
    cells = _cells(text, ascii_only)
    return "".join(cells) if whole else _elided(cells, ascii_only)


def label(path: str, *, ascii_only: bool = False) -> str:
    """A JSON pointer as people write it: `/args/1` is `args[1]`, `/env/NAME` is `env.NAME`."""
    first, *rest = tokens(path)
    text = first + "".join(f"[{token}]" if token.isdecimal() else f".{token}" for token in rest)
    return "".join(_elided(_cells(text, ascii_only), ascii_only))


def _cells(text: str, ascii_only: bool) -> list[str]:
    """One piece of text per character, so that leaving some out never cuts an escape in two."""
    if text.isascii() and text.isprintable():
        return list(text)
    return [char if _is_plain(char, ascii_only) else json.dumps(char)[1:-1] for char in text]


def _is_plain(char: str, ascii_only: bool) -> bool:
    if " " <= char <= "~":
        return True
    if ascii_only or char in _INVISIBLE or unicodedata.category(char) in _INVISIBLE_CATEGORIES:
        return False
    return not (char.isspace() or 0xE0100 <= ord(char) <= 0xE01EF)


def _elided(cells: list[str], ascii_only: bool) -> str:
    if sum(map(len, cells)) <= LIMIT:
        return "".join(cells)
    gap = "..." if ascii_only else "…"
    room = (LIMIT - len(gap)) // 2
    end = _fitting(cells[::-1], room)[::-1]
    return "".join([*_fitting(cells, room), gap, *end])


def _fitting(cells: list[str], room: int) -> list[str]:
    """As many of the first cells as have at most `room` characters together."""
    return cells[: bisect(list(accumulate(map(len, cells))), room)]
