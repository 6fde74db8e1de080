"""What changed between two definitions: member by member, word by word, and what cannot be seen in them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, Final, Literal, TypeAlias

from reconciler.merge_patch import equal
from reconciler.model.pins import KEYS, Drifted, ServerPins, Surface
from reconciler.plan.lock import compare
from reconciler.plan.pointers import Path, pointer

_GAP: Final = object()
"""Stands for a member that is not there."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 2_000
_DEEPEST = 64

Piece: TypeAlias = tuple[Literal["same", "gone", "new"], str]
HIDDEN: Mapping[str, re.Pattern[str]] = {
    "tag characters": re.compile("[\U000e0000-\U000e007f]"),
    "changes of direction": re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"),
    "zero-width characters": re.compile(
        "[\xad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\ufeff\uffa0]"
    ),
    "terminal controls": re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"),
    "variation selectors": re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]"),
    "private characters": re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]"),
}
"""What a reader does not see and a model reads all the same, by what it is called."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One member that differs; `path` is a JSON pointer. A new one has no `before`, one that is gone no `after`."""

    path: str
    state: Literal["changed", "new", "gone"]
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, with what changed in it and what is hidden in it now."""

    drifted: Drifted
    changes: tuple[Changed, ...] = ()
    hidden: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """`{"kind", "name", "state", "changes": [{"path", "state", "before", "after"}], "hidden": {...}}`."""
        drifted = self.drifted
        changes = [{"path": c.path, "state": c.state, "before": c.before, "after": c.after} for c in self.changes]
        named = {"kind": drifted.kind, "name": drifted.name or None, "state": drifted.state}
        return {**named, "changes": changes, "hidden": dict(self.hidden)}


@dataclass(frozen=True, slots=True)
class LockChange:
    """How the lock of one server differs from that of the base."""

    server: str
    differences: tuple[Difference, ...]


def differences(before: ServerPins | None, after: ServerPins | None) -> tuple[Difference, ...]:
    """Everything in which two entries of a lock differ, but for what a server only says of itself."""
    if after is None:
        return (Difference(Drifted("server", "", "gone")),) if before else ()
    entries = {kind: [pin.definition for pin in after.of(kind).values()] for kind in KEYS}
    verdicts = compare(before, Surface(entries, after.instructions, after.launch))
    return tuple(_difference(each, before, after) for each in verdicts.drift)


def _difference(drifted: Drifted, before: ServerPins | None, after: ServerPins) -> Difference:
    kind = next((kind for kind in KEYS if kind == drifted.kind), None)
    if kind is None:
        return Difference(drifted)
    old, new = before.of(kind).get(drifted.name) if before else None, after.of(kind).get(drifted.name)
    now = new.definition if new else None
    return Difference(drifted, tuple(definition_changes(old.definition if old else None, now)), hidden_in(now))


def definition_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Changed]:
    """Every member that differs, in order of their paths; a definition that is not there has none."""
    return list(_changes((), before or {}, after or {}))


def _changes(path: Path, before: Any, after: Any) -> Iterator[Changed]:
    if isinstance(before, Mapping) and isinstance(after, Mapping) and len(path) < _DEEPEST:
        for key in sorted(before.keys() | after.keys()):
            yield from _member((*path, key), before.get(key, _GAP), after.get(key, _GAP))
    elif isinstance(before, list) and isinstance(after, list) and len(path) < _DEEPEST:
        for index, (old, new) in enumerate(zip_longest(before, after, fillvalue=_GAP)):
            yield from _member((*path, index), old, new)
    elif not equal(before, after):
        yield Changed(pointer(path), "changed", before, after)


def _member(path: Path, before: Any, after: Any) -> Iterator[Changed]:
    if before is _GAP:
        yield Changed(pointer(path), "new", None, after)
    elif after is _GAP:
        yield Changed(pointer(path), "gone", before, None)
    else:
        yield from _changes(path, before, after)


def word_changes(before: str, after: str) -> list[Piece]:
    """A text as pieces that stayed, went and came. Very long texts are compared but for what differs as a whole."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    head, tail = old[:start], old[len(old) - end :]
    middle = _middle(old[start : len(old) - end], new[start : len(new) - end])
    pieces: list[Piece] = [("same", "".join(head)), *middle, ("same", "".join(tail))]
    return [piece for piece in pieces if piece[1]]


def _common(old: list[str], new: list[str]) -> int:
    """How many words at the beginning are the same."""
    return next(
        (i for i, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )


def _middle(old: list[str], new: list[str]) -> Iterator[Piece]:
    if len(old) > _MOST_WORDS or len(new) > _MOST_WORDS or len(old) * len(new) > _MOST_WORDS * 500:
        yield from (("gone", "".join(old)), ("new", "".join(new)))
        return
    for same, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if same == "equal":
            yield "same", "".join(old[first:last])
        else:
            yield from (("gone", "".join(old[first:last])), ("new", "".join(new[start:end])))


def hidden_in(value: Any) -> dict[str, int]:
    """How many unseen characters of which kind stand in the texts and names of a value."""
    counts: dict[str, int] = {}
    for text in _texts(value, 0):
        if not text.isascii() or not text.isprintable():
            for kind, pattern in HIDDEN.items():
                found = len(pattern.findall(text))
                if found:
                    counts[kind] = counts.get(kind, 0) + found
    return counts


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth < 2 * _DEEPEST:
        for key, member in value.items():
            yield from (key, *_texts(member, depth + 1))
    elif isinstance(value, list | tuple) and depth < 2 * _DEEPEST:
        for item in value:
            yield from _texts(item, depth + 1)
