"""A parsed file: plain values together with where each of them stands. Both readers (YAML, JSON) make these nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from reconciler.problems import Place


class Mark(NamedTuple):
    """A position in the text, counted in characters from 0."""

    line: int
    column: int
    offset: int


class Scalar:
    """A leaf. `plain` tells an unquoted YAML scalar; `style` is the YAML style character (`'`, `"`, `|`, `>`) or ""."""

    __slots__ = ("anchor", "end", "start", "style", "value")

    def __init__(self, value: Any, start: Mark, end: Mark, style: str = "", anchor: str | None = None) -> None:
        self.value, self.start, self.end, self.style, self.anchor = value, start, end, style, anchor


class Mapping:
    """An object. `keys` and `children` have the same keys, in file order; `value` is the plain dict."""

    __slots__ = ("anchor", "children", "end", "flow", "keys", "start", "value")

    def __init__(self, start: Mark, *, flow: bool, anchor: str | None = None) -> None:
        self.start, self.end, self.flow, self.anchor = start, start, flow, anchor
        self.keys: dict[str, Scalar] = {}
        self.children: dict[str, Node] = {}
        self.value: dict[str, Any] = {}


class Sequence:
    """An array; `value` is the plain list."""

    __slots__ = ("anchor", "end", "flow", "items", "start", "value")

    def __init__(self, start: Mark, *, flow: bool, anchor: str | None = None) -> None:
        self.start, self.end, self.flow, self.anchor = start, start, flow, anchor
        self.items: list[Node] = []
        self.value: list[Any] = []


class Alias:
    """A YAML `*name`: the value of `target`, standing somewhere else."""

    __slots__ = ("anchor", "end", "start", "target", "value")

    def __init__(self, target: Scalar | Mapping | Sequence, start: Mark, end: Mark) -> None:
        self.target, self.start, self.end, self.anchor = target, start, end, None
        self.value: Any = target.value


Node: TypeAlias = Scalar | Mapping | Sequence | Alias
Step: TypeAlias = str | int


def child(node: Node, step: Step) -> Node | None:
    """The member or item of `node` at `step`; looks through an alias."""
    if isinstance(node, Alias):
        node = node.target
    if isinstance(node, Mapping) and isinstance(step, str):
        return node.children.get(step)
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def find(node: Node, path: tuple[Step, ...]) -> Node | None:
    """The node at `path`, or None."""
    for step in path:
        found = child(node, step)
        if found is None:
            return None
        node = found
    return node


def key_of(node: Node, path: tuple[Step, ...]) -> Scalar | None:
    """The key under which the last step of `path` stands, where it is a member of an object."""
    parent = find(node, path[:-1])
    parent = parent.target if isinstance(parent, Alias) else parent
    return parent.keys.get(path[-1]) if isinstance(parent, Mapping) and isinstance(path[-1], str) else None


def place_of(file: str, start: Mark, end: Mark | None = None) -> Place:
    """A Place for people (from 1); the end column is given only where the span stays on its line."""
    same_line = end is not None and end.line == start.line and end.column > start.column
    return Place(file, start.line + 1, start.column + 1, end.column + 1 if end and same_line else 0)


def walk(node: Node, path: tuple[Step, ...] = ()) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Every node with its path, parents first; aliases are leaves."""
    yield path, node
    if isinstance(node, Mapping):
        for key, member in node.children.items():
            yield from walk(member, (*path, key))
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from walk(item, (*path, index))
