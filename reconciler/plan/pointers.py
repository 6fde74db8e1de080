"""JSON pointers (RFC 6901) and the leaves in which two JSON values differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from reconciler.merge_patch import equal

Path: TypeAlias = tuple[str | int, ...]
FORWARDED = {"forward": True}
"""What stands in `env` for a name that is handed on (`Document.facts`): one value, not a map to look into."""


def pointer(path: Path) -> str:
    """`("env", "A/B")` -> `/env/A~1B`; the empty path is the empty text."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


def tokens(text: str) -> tuple[str, ...]:
    """The members and indices a JSON pointer goes through, as text."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])


def at(value: Any, path: Path) -> Any:
    """What stands in `value` at `path`; None when nothing does. Indices may be text, as in a pointer."""
    for token in path:
        if isinstance(value, Mapping):
            value = value.get(token)
        elif isinstance(value, list) and str(token).isdecimal() and int(token) < len(value):
            value = value[int(token)]
        else:
            return None
    return value


def differing(before: Any, after: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Where two values differ, as small as can be named: path, before, after; None stands for absent.

    The index in a path into a list that grew counts in `after`, into one that shrank in `before`.
    """
    if _is_map(before, after) and _is_map(after, before):
        before, after = before or {}, after or {}
        for key in [*after, *(key for key in before if key not in after)]:
            if not equal(before.get(key), after.get(key)):
                yield from differing(before.get(key), after.get(key), (*path, key))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _differing_items(before, after, path)
    else:
        yield path, before, after


def _is_map(value: Any, other: Any) -> bool:
    if value is None:
        return bool(other)
    return isinstance(value, dict) and value != FORWARDED


def _differing_items(before: list[Any], after: list[Any], path: Path) -> Iterator[tuple[Path, Any, Any]]:
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if not equal(before[i], after[i])), shorter)
    same = range(1, shorter - start + 1)
    end = next((i - 1 for i in same if not equal(before[-i], after[-i])), shorter - start)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    for offset in range(max(len(old), len(new))):
        left = old[offset] if offset < len(old) else None
        right = new[offset] if offset < len(new) else None
        if not equal(left, right):
            yield from differing(left, right, (*path, start + offset))
