"""The files of a project laid over each other (RFC 7396), and which of them set what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler import merge_patch
from reconciler.config.tree import Alias, Mapping, Node, Step, child, find, key_of
from reconciler.problems import Place

Path: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """The parsed files, the main one first; every root is an object."""

    trees: tuple[Node, ...]

    def merged(self) -> dict[str, Any]:
        """The value of all files together. A null in an overlay removes; one in the main file counts as not there."""
        main, *overlays = self.trees
        value: Any = main.value if next(nulls(main), None) is None else merge_patch.apply({}, main.value)
        for overlay in overlays:
            value = merge_patch.apply(value, overlay.value)
        return value  # type: ignore[no-any-return]  # every root is an object

    def place(self, path: Path) -> Place | None:
        """Where the key (or the list item) stands that gave `path` its value.

        The last file that sets it wins. What is not there has the place of its nearest parent; what an overlay
        removed has none.
        """
        found = self._setter(path)
        if found is None:
            return None
        tree, depth = found
        path = path[:depth]
        return (key_of(tree, path) or find(tree, path) or tree).place if path else _beginning(self.trees[0])

    def sets(self, path: Path) -> bool:
        """Whether some file gives `path` a value that the files after it leave there."""
        found = self._setter(path)
        return found is not None and found[1] == len(path)

    def split(self, patch: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """The patch of each file: what a file decides changes there, what none sets in the main one.

        What is removed goes from every file that has it.
        """
        parts: tuple[dict[str, Any], ...] = tuple({} for _ in self.trees)
        for path, value in self._leaves(patch, ()):
            for index in self._deciding(path, value):
                inner = parts[index]
                for step in path[:-1]:
                    inner = inner.setdefault(step, {})
                inner[path[-1]] = value
        return parts

    def _leaves(self, patch: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        for key, value in patch.items():
            here = (*path, key)
            if isinstance(value, dict) and any(isinstance(_value_at(tree, here), dict) for tree in self.trees):
                yield from self._leaves(value, here)
            else:
                yield here, value

    def _deciding(self, path: Path, value: Any) -> list[int]:
        if value is None:
            return [index for index, tree in enumerate(self.trees) if _value_at(tree, path) is not None]
        found = self._setter(path)
        decides = found is not None and found[1] == len(path)
        return [next(i for i, tree in enumerate(self.trees) if found and tree is found[0]) if decides else 0]

    def value_place(self, path: Path) -> Place | None:
        """Like `place`, but of the value itself where there is one."""
        node = self._node(path) if path else None
        return node.place if node else self.place(path)

    def source_text(self, path: Path) -> str:
        """The value at `path` as it stands in its file; "" when nothing stands there."""
        node = self._node(path)
        return node.lines.text[node.first : node.last] if node else ""

    def part_place(self, path: Path, part: str) -> Place | None:
        """Where `part` stands inside the value at `path`, if it stands there as it is."""
        node, offset = self._node(path), self.source_text(path).find(part)
        return node.lines.place(node.first + offset, node.first + offset + len(part)) if node and offset >= 0 else None

    def _node(self, path: Path) -> Node | None:
        found = self._setter(path)
        return find(found[0], path) if found else None

    def _setter(self, path: Path) -> tuple[Node, int] | None:
        """The file that decides `path`, and how many steps of it exist there."""
        best: tuple[Node, int] | None = None
        for tree in reversed(self.trees):
            depth, node = _reach(tree, path)
            if node.value is None and tree is not self.trees[0]:
                return best  # removed here
            if depth == len(path):
                return tree, depth
            if best is None or depth >= best[1]:
                best = tree, depth
            if not isinstance(node.value, dict):
                return best  # replaced whole here
        return best


def _reach(tree: Node, path: Path) -> tuple[int, Node]:
    node = tree
    for depth, step in enumerate(path):
        found = child(node, step)
        if found is None:
            return depth, node
        node = found
    return len(path), node


def _value_at(tree: Node, path: Path) -> Any:
    node = find(tree, path)
    return None if node is None else node.value


def _beginning(tree: Node) -> Place:
    mark = tree.start
    return Place(tree.lines.file, mark.line + 1, mark.column + 1)


def nulls(node: Node, path: Path = ()) -> Iterator[Path]:
    """The paths of all null members, outside arrays (inside an array a null is a value like any other)."""
    if isinstance(node, Alias):
        node = node.target
    if isinstance(node, Mapping):
        for key, member in node.children.items():
            if member.value is None:
                yield (*path, key)
            elif isinstance(member.value, dict):
                yield from nulls(member, (*path, key))
