"""Print a YAML document that was taken apart, in its normal form."""

from __future__ import annotations

from reconciler.config.format_read import Block, Item, Note
from reconciler.config.order import in_order
from reconciler.config.print import quoted, string_text
from reconciler.config.spans import MODELINE, after_properties, content_end, header_end, next_line
from reconciler.config.tree import Alias, Lines, Mapping, Node, Scalar

Path = tuple[str, ...]


def document_lines(block: Block, lines: Lines) -> list[str]:
    """The lines of the whole document, without line ends."""
    return _block(block, lines, 0, ())


def _block(block: Block, lines: Lines, column: int, path: Path) -> list[str]:
    _sort(block, path)
    printed = _notes(block.top, column)
    for item in block.items:
        entry = _item(item, lines, column, (*path, item.key.value if item.key else ""))
        printed += [*_notes(item.above, column), *([""] if item.apart else []), *entry]
    if not block.items:
        printed.append("{}")
    printed += _notes(block.bottom, column)
    return printed[1:] if printed[0] == "" else printed


def _notes(notes: list[Note], column: int) -> list[str]:
    return [line for note in notes for line in ([""] if note.apart else []) + [" " * column + note.text]]


def _sort(block: Block, path: Path) -> None:
    """Bring the items into the order of the schema; what stands above all of them stays there."""
    items = {item.key.value: item for item in block.items if item.key}
    names = in_order(items, path)
    if names == list(items):
        return
    block.top, gap = _split(block.items[0])
    block.items = [items[name] for name in names]
    _set_gap(block.items[0], gap)


def _split(first: Item) -> tuple[list[Note], bool]:
    """Take from the first item the comments that belong to all of them; tells whether a blank line came after."""
    above, edges = first.above, [index for index, note in enumerate(first.above) if note.apart and index]
    if first.apart:
        edges.append(len(above))
    modelines = next((index for index, note in enumerate(above) if not MODELINE.match(note.text)), len(above))
    edge = edges[-1] if edges else modelines
    first.above = above[edge:]
    _set_gap(first, False)
    return above[:edge], bool(edges) and edge > 0


def _set_gap(item: Item, gap: bool) -> None:
    if item.above:
        item.above[0] = item.above[0]._replace(apart=gap)
    else:
        item.apart = gap


def _item(item: Item, lines: Lines, column: int, path: Path) -> list[str]:
    head = " " * column + (f"{_scalar(item.key, lines, flow=False)}:" if item.key else "-")
    deeper = column + 2
    if item.inner:
        properties = _properties(item.node, lines.text)
        inner = _block(item.inner, lines, deeper, path)
        if item.key or properties:
            printed = [" ".join(filter(None, [head, properties])) + _behind(item), *inner]
        else:
            printed = [f"{head} {inner[0][deeper:]}", *inner[1:]]
    else:
        first, *others = _leaf(item.node, lines, deeper, path)
        printed = [f"{head} {first}".rstrip() + _behind(item), *others]
        deeper -= 1 if others else 0  # as deep as the text of a block scalar a comment would be part of it
    return printed + _notes(item.below, deeper)


def _behind(item: Item) -> str:
    return f"  {item.behind}" if item.behind else ""


def _leaf(node: Node, lines: Lines, column: int, path: Path) -> list[str]:
    if isinstance(node, Scalar) and node.style in ("|", ">"):
        return _block_scalar(node, lines, column)
    return [_flow(node, lines, path) if not isinstance(node, Scalar) else _scalar(node, lines, flow=False)]


def _block_scalar(node: Scalar, lines: Lines, column: int) -> list[str]:
    properties, text = _properties(node, lines.text), lines.text
    header = text[after_properties(node, text) : header_end(node, text)]
    content = text[next_line(lines, node.first) : content_end(node, lines)].replace("\r\n", "\n").split("\n")
    first = next((line for line in content if line.strip()), "")
    if not first or any(character.isdigit() for character in header):
        return [" ".join(filter(None, [properties, quoted(node.value)]))]
    if not node.value.endswith("\n"):
        header = header[0] + "-"
    margin = len(first) - len(first.lstrip(" "))
    texts = [line[margin:] for line in content]
    return [" ".join(filter(None, [properties, header])), *(" " * column + line if line else "" for line in texts)]


def _flow(node: Node, lines: Lines, path: Path) -> str:
    """A value on one line."""
    match node:
        case Alias():
            return lines.text[node.first : node.last]
        case Scalar():
            return _scalar(node, lines, flow=True)
        case Mapping():
            names = in_order(node.children, path)
            parts = [
                f"{_scalar(node.keys[name], lines, flow=True)}: {_flow(node.children[name], lines, (*path, name))}"
                for name in names
            ]
            body = "{" + ", ".join(parts) + "}"
        case _:
            body = "[" + ", ".join(_flow(item, lines, (*path, "")) for item in node.items) + "]"
    return " ".join(filter(None, [_properties(node, lines.text), body]))


def _scalar(node: Scalar, lines: Lines, *, flow: bool) -> str:
    """A scalar on one line; what is no text stays as it is written."""
    properties = _properties(node, lines.text)
    written = lines.text[after_properties(node, lines.text) : node.last]
    if isinstance(node.value, str) and ("!" not in properties or "\n" in written):
        written = string_text(node.value, flow=flow)
    return " ".join(filter(None, [properties, written])) or ("null" if flow else "")


def _properties(node: Node, text: str) -> str:
    """The anchor and the tag of `node`."""
    return text[node.first : after_properties(node, text)].strip()
