"""A parsed file: plain values together with where each of them stands. Both readers (YAML, JSON) make these nodes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from reconciler.problems import Place


class Mark(NamedTuple):
    """A position in the text, counted in characters from 0."""

    line: int
    column: int
    offset: int


class Lines:
    """A text and its lines. Nodes keep offsets; a line and a column are worked out only where people see them."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text

    @cached_property
    def starts(self) -> list[int]:
        """The offset at which each line starts; a byte order mark stands before the first one."""
        first = 1 if self.text.startswith("\ufeff") else 0
        starts = [first]
        while (end := self.text.find("\n", starts[-1])) >= 0:
            starts.append(end + 1)
        return starts

    def mark(self, offset: int) -> Mark:
        """The position of the character at `offset`."""
        line = max(bisect_right(self.starts, offset) - 1, 0)
        return Mark(line, max(offset - self.starts[line], 0), offset)

    def place(self, first: int, last: int) -> Place:
        """The characters from `first` up to `last` (exclusive), for people."""
        return place_of(self.file, self.mark(first), self.mark(last))


class Span:
    """Where a node stands: the characters from `first` up to `last` (exclusive) of its text."""

    __slots__ = ("first", "last", "lines")

    lines: Lines
    first: int
    last: int

    @property
    def start(self) -> Mark:
        return self.lines.mark(self.first)

    @property
    def end(self) -> Mark:
        return self.lines.mark(self.last)

    @property
    def place(self) -> Place:
        return self.lines.place(self.first, self.last)


class Scalar(Span):
    """A leaf. `style` is the YAML style character (`'`, `"`, `|`, `>`), or "" for an unquoted word."""

    __slots__ = ("anchor", "style", "value")

    def __init__(
        self, value: Any, lines: Lines, first: int, last: int, style: str = "", anchor: str | None = None
    ) -> None:
        self.value, self.lines, self.first, self.last = value, lines, first, last
        self.style, self.anchor = style, anchor


class Mapping(Span):
    """An object. `keys` and `children` have the same keys, in file order; `value` is the plain dict."""

    __slots__ = ("anchor", "children", "flow", "keys", "value")

    def __init__(self, lines: Lines, first: int, *, flow: bool, anchor: str | None = None) -> None:
        self.lines, self.first, self.last, self.flow, self.anchor = lines, first, first, flow, anchor
        self.keys: dict[str, Scalar] = {}
        self.children: dict[str, Node] = {}
        self.value: dict[str, Any] = {}


class Sequence(Span):
    """An array; `value` is the plain list."""

    __slots__ = ("anchor", "flow", "items", "value")

    def __init__(self, lines: Lines, first: int, *, flow: bool, anchor: str | None = None) -> None:
        self.lines, self.first, self.last, self.flow, self.anchor = lines, first, first, flow, anchor
        self.items: list[Node] = []
        self.value: list[Any] = []


class Alias(Span):
    """A YAML `*name`: the value of `target`, standing somewhere else."""

    __slots__ = ("anchor", "target", "value")

    def __init__(self, target: Scalar | Mapping | Sequence, lines: Lines, first: int, last: int) -> None:
        self.target, self.lines, self.first, self.last, self.anchor = target, lines, first, last, None
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
    if not isinstance(parent, Mapping) or not path or not isinstance(path[-1], str):
        return None
    return parent.keys.get(path[-1])


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
