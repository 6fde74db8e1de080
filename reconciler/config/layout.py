"""How a file is laid out, so that what is added looks like what is there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from reconciler.config.print import Style
from reconciler.config.print_json import JsonFlow
from reconciler.config.tree import Lines, Mapping, Node, Sequence, walk

_LOOK_AT = 100


def line_end(text: str) -> str:
    """The line end most lines of `text` have."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def yaml_style(root: Node | None, text: str) -> Style:
    """Line end, indentation and way of writing lists, as the first of each shows in a YAML file."""
    depths = list(islice(_depths(root), _LOOK_AT)) if root else []
    indent = next((depth for depth, child in depths if isinstance(child, Mapping)), 2)
    lists = [(depth, child) for depth, child in depths if isinstance(child, Sequence)]
    dash = next((depth for depth, child in lists if not child.flow), indent)
    return Style(line_end(text), indent, dash, short_lists=bool(lists) and lists[0][1].flow)


def _depths(node: Node) -> Iterator[tuple[int, Mapping | Sequence]]:
    """Collections under keys, and how many columns deeper than its key each stands; in flow style there are none."""
    if isinstance(node, Mapping) and not node.flow:
        for key, child in node.children.items():
            column = node.keys[key].start.column
            if isinstance(child, Mapping) and not child.flow:
                yield next(iter(child.keys.values())).start.column - column, child
            elif isinstance(child, Sequence) and child.items and not child.anchor:
                yield child.start.column - column, child
        for child in node.children.values():
            yield from _depths(child)
    elif isinstance(node, Sequence) and not node.flow:
        for item in node.items:
            yield from _depths(item)


def json_layout(root: Mapping, lines: Lines) -> JsonFlow:
    """Indentation, spaces and line end of a JSON file, as its first members and its first list show them."""
    text, key = lines.text, next(iter(root.keys.values()))
    before = text[root.first + 1 : key.first]
    unit = before.rpartition("\n")[2] if "\n" in before else ""
    colon = ":" if text[root.children[key.value].first - 1] == ":" else ": "
    lists = (node for _, node in walk(root) if isinstance(node, Sequence) and node.items)
    first_list = next(lists, None)
    short = first_list is None or "\n" not in text[first_list.first : first_list.last]
    return JsonFlow(unit, line_end(text), colon, ", " if colon == ": " else ",", short)
