"""What has to happen to the entries of a collection so that it becomes another value of its kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from reconciler.config.tree import Mapping, Sequence

_MOST_PAIRS = 1_000_000


class Changes(NamedTuple):
    """Entries by index: new values, those that go, and what comes after one that stays (-1: before all)."""

    changed: list[tuple[int, Any]]
    removed: list[int]
    added: dict[int, list[tuple[str, Any]]]


def compare(node: Mapping | Sequence, want: dict[str, Any] | list[Any]) -> Changes:
    """How `node` becomes `want`: an object where it is one, else an array, whose items are told by their values."""
    return _compare_members(node, dict(want)) if isinstance(node, Mapping) else _compare_items(node.value, list(want))


def _compare_members(node: Mapping, want: dict[str, Any]) -> Changes:
    changed = [(index, want[key]) for index, key in enumerate(node.children) if key in want]
    removed = [index for index, key in enumerate(node.children) if key not in want]
    added = [(key, value) for key, value in want.items() if key not in node.children]
    return Changes(changed, removed, {changed[-1][0] if changed else -1: added} if added else {})


def _compare_items(have: list[Any], want: list[Any]) -> Changes:
    changes = Changes([], [], {})
    for first, last, start, end in _different(have, want):
        paired = min(last - first, end - start)
        changes.changed.extend((first + step, want[start + step]) for step in range(paired))
        changes.removed.extend(range(first + paired, last))
        if start + paired < end:
            changes.added[first + paired - 1] = [("", value) for value in want[start + paired : end]]
    return changes


def _different(have: list[Any], want: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    """The stretches of `have` that become stretches of `want`, each up to an exclusive end."""
    if len(have) * len(want) > _MOST_PAIRS:
        yield 0, len(have), 0, len(want)
        return
    matcher = SequenceMatcher(None, list(map(_word, have)), list(map(_word, want)), autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        if kind != "equal":
            yield first, last, start, end


def _word(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
