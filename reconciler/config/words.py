"""How problems name things: a path as words, a value's type as a word, the nearest known word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from reconciler.config.overlays import Path

_LONGEST = 60


def quoted(word: str) -> str:
    """The word in quotes, cut when it is long."""
    return f'"{word}"' if len(word) <= _LONGEST else f'"{word[:_LONGEST]}..."'


def named(path: Path) -> str:
    """`("mcpServers", "a", "env", "X")` -> `"env.X" of server "a"`."""
    match path:
        case ():
            return "the file"
        case ("mcpServers", str(server), *rest):
            return _part(rest, f"server {quoted(server)}")
        case ("groups", str(group), *rest):
            return _part(rest, f"group {quoted(group)}")
        case _:
            return quoted(_dotted(path))


def _part(rest: Iterable[str | int], owner: str) -> str:
    inner = _dotted(rest)
    return f"{quoted(inner)} of {owner}" if inner else owner


def _dotted(path: Iterable[str | int]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def type_word(value: Any) -> str:
    """What people call the type of a JSON value."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return "nothing"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return _nearest(word, tuple(known))


@lru_cache(maxsize=1024)  # the same slip in ten thousand servers is looked up once
def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower().replace("_", "").replace("-", ""), by_lower, n=1, cutoff=0.65)
    return by_lower[close[0]] if close else None


def either(choices: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def did_you_mean(word: str | None) -> str | None:
    return f"did you mean {quoted(word)}?" if word else None
