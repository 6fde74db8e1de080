"""What the guards count while parser events become nodes: depth, values, anchors and what aliases would add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from reconciler.config.codes import problem
from reconciler.config.tree import Alias, Lines, Mapping, Node, Scalar, Sequence
from reconciler.problems import Problem

MAX_DEPTH = 32
MAX_NODES = 500_000
MAX_ALIAS_NODES = 100_000
MAX_ALIAS_CHARACTERS = 4 * 1024 * 1024

Collection: TypeAlias = Mapping | Sequence
_QUOTE_STAR = "write the value itself, or quote it if the `*` belongs to it"
_AFTER_ANCHOR = frozenset(" \t\r\n,[]{}")


class Weight(NamedTuple):
    """What an alias to a node adds: values, characters as they are written, and levels of nesting."""

    nodes: int
    characters: int
    levels: int


class Anchor(NamedTuple):
    """A node that has a name; `weight` is None while the collection is still open."""

    node: Scalar | Collection
    weight: Weight | None


class Stop(Exception):
    """A guard refused; nothing more is read."""


class Builder:
    """Counts as events become nodes. Every refusal is a Problem; only what has no end stops the reading."""

    def __init__(self, lines: Lines, next_event: Callable[[], Any]) -> None:
        self.lines, self.next = lines, next_event
        self.problems: list[Problem] = []
        self.anchors: dict[str, Anchor] = {}
        self.nodes = self.deepest = self.added_nodes = self.added_characters = 0

    def refuse(self, code: str, detail: str, at: Any, hint: str | None = None) -> None:
        place = self.lines.place(at.start_mark.index, at.end_mark.index)
        self.problems.append(problem(code, detail, place, hint))

    def stop(self, code: str, detail: str, at: Any) -> Stop:
        """Refuse, and give what to raise."""
        self.refuse(code, detail, at, "write less into one file" if code.startswith("too-") else _QUOTE_STAR)
        return Stop()

    def enter(self, event: Any, depth: int) -> None:
        """A collection at `depth` begins; raises Stop where it is too deep."""
        if depth >= MAX_DEPTH:
            raise self.stop("too-deep", f"more than {MAX_DEPTH} levels", event)
        self.count(event)
        self.deepest = max(self.deepest, depth + 1)

    def count(self, event: Any) -> None:
        """One more value; raises Stop where there are too many."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.stop("too-many-values", f"more than {MAX_NODES} values", event)

    def open_anchor(self, node: Collection, event: Any, depth: int) -> Weight:
        """Note that the anchor of `node` is open; answers the counters from before it."""
        before = Weight(self.nodes - 1, self.added_characters, self.deepest)
        self._name(event, Anchor(node, None))
        self.deepest = depth + 1
        return before

    def close_anchor(self, node: Collection, event: Any, depth: int, before: Weight) -> None:
        """Now the weight of the whole of `node` is known."""
        characters = node.last - node.first + self.added_characters - before.characters
        self.anchors[event.anchor] = Anchor(node, Weight(self.nodes - before.nodes, characters, self.deepest - depth))
        self.deepest = max(self.deepest, before.levels)

    def name_scalar(self, node: Scalar, event: Any) -> None:
        """Note the anchor of a scalar."""
        self._name(event, Anchor(node, Weight(1, len(event.value), 0)))

    def _name(self, event: Any, anchor: Anchor) -> None:
        """libyaml ends an anchor's name where YAML 1.2 goes on, and would take the rest for the value."""
        self.anchors[event.anchor] = anchor
        end = self.lines.text.find(f"&{event.anchor}", event.start_mark.index) + len(event.anchor) + 1
        if self.lines.text[end : end + 1] not in _AFTER_ANCHOR and end < len(self.lines.text):
            self.refuse("yaml-syntax", "an anchor's name has letters, digits, - and _ only", event, "rename the anchor")

    def alias(self, event: Any, depth: int) -> Node:
        """The node for `*name`; raises Stop inside its own anchor and beyond the limits."""
        first, last = event.start_mark.index, event.end_mark.index
        anchor = self.anchors.get(event.anchor)
        if anchor is None:
            self.refuse("unknown-anchor", "no anchor has this name", event, _QUOTE_STAR)
            return Scalar(None, self.lines, first, last)
        if anchor.weight is None:
            raise self.stop("recursive-alias", "it stands inside its own anchor", event)
        self._add(anchor.weight, event, depth)
        return Alias(anchor.node, self.lines, first, last)

    def _add(self, weight: Weight, event: Any, depth: int) -> None:
        """Count what an alias adds as if it were written out."""
        self.added_nodes += weight.nodes
        self.added_characters += weight.characters
        if self.added_nodes > MAX_ALIAS_NODES:
            raise self.stop("too-many-aliases", f"more than {MAX_ALIAS_NODES} values", event)
        if self.added_characters > MAX_ALIAS_CHARACTERS:
            raise self.stop("too-many-aliases", f"more than {MAX_ALIAS_CHARACTERS} characters", event)
        if depth + weight.levels > MAX_DEPTH:
            raise self.stop("too-deep", f"more than {MAX_DEPTH} levels", event)
        self.nodes += weight.nodes
        self.deepest = max(self.deepest, depth + weight.levels)
