"""A JSON document in its normal form: 2 spaces, every member on a line of its own."""

from __future__ import annotations

from reconciler.config.order import in_order
from reconciler.config.tree import Mapping, Node, Sequence


def json_lines(root: Node, text: str) -> list[str]:
    """The lines of `root`, the document in `text`; words, numbers and strings stay as they are written."""
    return _lines(root, text, ())


def _lines(node: Node, text: str, path: tuple[str, ...]) -> list[str]:
    if isinstance(node, Mapping) and node.children:
        members = [(name, node.keys[name], node.children[name]) for name in in_order(node.children, path)]
        parts = [
            _behind(f"{text[key.first : key.last]}: ", _lines(child, text, (*path, name)))
            for name, key, child in members
        ]
        return ["{", *_inside(parts), "}"]
    if isinstance(node, Sequence) and node.items and not _is_short(node, text):
        return ["[", *_inside([_lines(item, text, (*path, "")) for item in node.items]), "]"]
    return ["".join(_flat(node, text))]


def _behind(head: str, lines: list[str]) -> list[str]:
    return [head + lines[0], *lines[1:]]


def _inside(parts: list[list[str]]) -> list[str]:
    """The lines of all parts, indented, with commas between the parts."""
    with_commas = [[*part[:-1], part[-1] + ","] for part in parts[:-1]]
    return ["  " + line for part in [*with_commas, parts[-1]] for line in part]


def _is_short(node: Sequence, text: str) -> bool:
    """Whether a list stands on one line and may stay there."""
    leaves = not any(isinstance(item, Mapping | Sequence) for item in node.items)
    return leaves and "\n" not in text[node.first : node.last]


def _flat(node: Node, text: str) -> str:
    match node:
        case Mapping():
            return "{}"
        case Sequence():
            return "[" + ", ".join(text[item.first : item.last] for item in node.items) + "]"
        case _:
            return text[node.first : node.last]
