"""Take a YAML document apart for printing: entries with the comments and blank lines that belong to each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.config.comments import Comment, Marginalia, floor_of, stands_apart
from reconciler.config.spans import after_properties, before, content_end, next_dash
from reconciler.config.tree import Lines, Mapping, Node, Scalar, Sequence


class Note(NamedTuple):
    """A comment on a line of its own; `apart`: with a blank line above."""

    text: str
    apart: bool


@dataclass(slots=True)
class Item:
    """An entry: comments above it, its value, the comment on its line, and deeper ones below."""

    key: Scalar | None
    node: Node
    above: list[Note]
    apart: bool
    behind: str = ""
    inner: Block | None = None
    below: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class Block:
    """The entries of a collection that is printed over several lines, and the comments before and after them all."""

    items: list[Item]
    top: list[Note] = field(default_factory=list)
    bottom: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    lines: Lines
    margin: Marginalia
    left: deque[Comment]

    def take(self, wanted: Callable[[Comment], bool]) -> list[Comment]:
        """The next comments, as long as they are `wanted`."""
        taken = []
        while self.left and wanted(self.left[0]):
            taken.append(self.left.popleft())
        return taken

    def take_until(self, offset: int) -> list[Comment]:
        return self.take(lambda comment: comment.first < offset)

    def take_line(self, limit: int) -> list[Comment]:
        """The comments behind something, up to `limit`."""
        return self.take(lambda comment: not comment.alone and comment.first < limit)


def read_block(root: Mapping, lines: Lines, margin: Marginalia, start: int) -> Block:
    """`root` with all comments from the offset `start` on."""
    reader = _Reader(lines, margin, deque(comment for comment in margin.comments if comment.first >= start))
    if root.children:
        block = _block(reader, root, len(lines.text), -1)
    else:
        block = Block([], top=_notes(reader.take_until(root.first)))
    block.bottom += _notes(list(reader.left))
    return block


def stands_wide(node: Node, lines: Lines) -> bool:
    """Whether `node` is printed over several lines: a block, or brackets that are over several already."""
    if not isinstance(node, Mapping | Sequence) or not node.value:
        return False
    return not node.flow or "\n" in lines.text[node.first : node.last]


def _block(reader: _Reader, node: Mapping | Sequence, limit: int, outer: int) -> Block:
    """`limit` is where the next entry around it starts, `outer` the column of the entry that holds it."""
    entries = _entries(node, reader.lines)
    starts = [first for first, _, _ in entries]
    column = None if node.flow else len(before(reader.lines, starts[0]))
    items = [
        _item(reader, first, key, child, end, column)
        for (first, key, child), end in zip(entries, [*starts[1:], node.last if node.flow else limit], strict=True)
    ]
    if column is None:
        return Block(items, bottom=_notes(reader.take_until(node.last)))
    bottom = reader.take(lambda found: found.first < limit and found.column >= column and found.column > outer)
    return Block(items, bottom=_notes(bottom))


def _entries(node: Mapping | Sequence, lines: Lines) -> list[tuple[int, Scalar | None, Node]]:
    if isinstance(node, Mapping):
        return [(node.keys[key].first, node.keys[key], child) for key, child in node.children.items()]
    if node.flow:
        return [(item.first, None, item) for item in node.items]
    entries: list[tuple[int, Scalar | None, Node]] = []
    floor = after_properties(node, lines.text)
    for item in node.items:
        entries.append((next_dash(lines.text, floor), None, item))
        floor = content_end(item, lines)
    return entries


def _item(reader: _Reader, first: int, key: Scalar | None, node: Node, limit: int, column: int | None) -> Item:
    above = reader.take_until(first)
    starts_line = not before(reader.lines, first).strip()
    apart = starts_line and stands_apart(reader.lines, first, floor_of(reader.margin, first))
    item = Item(key, node, _notes(above), apart)
    if isinstance(node, Mapping | Sequence) and stands_wide(node, reader.lines):
        _read_wide(reader, item, node, limit, -1 if column is None else column)
    else:
        _read_leaf(reader, item, limit)
    if column is not None:
        item.below = _notes(reader.take(lambda found: found.first < limit and found.alone and found.column > column))
    return item


def _read_wide(reader: _Reader, item: Item, node: Mapping | Sequence, limit: int, column: int) -> None:
    early = reader.take_line(_entries(node, reader.lines)[0][0])
    item.inner = _block(reader, node, limit, column)
    late = reader.take_line(limit) if node.flow else []
    item.behind, *others = [comment.text for comment in [*early, *late]] or [""]
    item.inner.bottom += [Note(text, apart=False) for text in others]
    if not item.key and after_properties(node, reader.lines.text) == node.first:
        _raise_comments(item, item.inner.items[0])


def _raise_comments(item: Item, first: Item) -> None:
    """Put what stands between a dash and the entry behind it above the dash, as both are printed on one line."""
    item.above += [Note(text, apart=False) for text in [item.behind] if text] + first.above
    item.behind, first.above = "", []


def _read_leaf(reader: _Reader, item: Item, limit: int) -> None:
    inside = reader.take_until(content_end(item.node, reader.lines))
    found = [*inside, *reader.take_line(limit)]
    if found and not found[-1].alone:
        item.behind = found.pop().text
    item.above += [Note(comment.text, apart=False) for comment in found]


def _notes(comments: list[Comment]) -> list[Note]:
    return [Note(comment.text, comment.apart) for comment in comments]
