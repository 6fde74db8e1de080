"""Long requests, read with the text of their arguments: what is passed on unchanged need not be written anew. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from reconciler.sessions.frames import Verbatim

Scan: TypeAlias = Callable[[str, int], tuple[Any, int]]
"""A JSON value at a place in a text, and where it ends. Raises ValueError."""
_NAME = re.compile(r'[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*')
_NEXT = re.compile(r"[ \t\r\n]*([,}])")
_OPEN = re.compile(r"[ \t\r\n]*\{")
_END = re.compile(r"[ \t\r\n]*")
_KEPT = ("params", "arguments")


def read_long(text: str, scan: Scan) -> dict[str, Any] | None:
    """The request, with `params.arguments` as Verbatim where that can be sent on as it is.

    None for whatever is not plainly so: it is for a reader that says what is wrong. Raises what `scan` raises.
    """
    begin = _OPEN.match(text)
    found = _object(text, begin.end(), scan, _KEPT) if begin else None
    if found is None or not _END.fullmatch(text, found[1]):
        return None
    return found[0]


def _object(text: str, at: int, scan: Scan, kept: tuple[str, ...]) -> tuple[dict[str, Any], int] | None:
    """The object whose members begin at `at`, and where it ends; the member that `kept` names is looked into."""
    members: dict[str, Any] = {}
    while True:
        name = _NAME.match(text, at)
        if name is None or name[1] in members:
            return None
        start = name.end()
        if name[1] == kept[0] and len(kept) > 1 and text.startswith("{", start):
            inner = _object(text, start + 1, scan, kept[1:])
            if inner is None:
                return None
            value, end = inner
        else:
            value, end = scan(text, start)
            if name[1] == kept[0] and isinstance(value, dict):
                value = _with_text(value, text[start:end])
        members[name[1]] = value
        following = _NEXT.match(text, end)
        if following is None:
            return None
        at = following.end()
        if following[1] == "}":
            return members, at


def _with_text(value: dict[str, Any], text: str) -> dict[str, Any]:
    """A text goes on as it is only where it is one line of ASCII: then it is the same for every reader of lines."""
    if not text.isascii() or "\n" in text or "\r" in text:
        return value
    return Verbatim(value, text.encode("ascii"))
