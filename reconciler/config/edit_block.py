"""Edit block mappings and sequences in a draft: the lines that must change, and the comments that go with an entry."""

from __future__ import annotations

import re
from typing import Any

from reconciler.config.compare import Changes, compare
from reconciler.config.draft import CannotEdit, Draft, Entry, Removal, refuse_alias
from reconciler.config.edit_anew import behind_properties, cut_lines, foot_of, write_anew
from reconciler.config.edit_flow import change_flow, holds_entries
from reconciler.config.print import YamlFlow, item_lines, member_lines
from reconciler.config.spans import (
    after_properties,
    before,
    content_end,
    header_end,
    is_blank,
    lead,
    line_start,
    next_dash,
    next_line,
)
from reconciler.config.tree import Mapping, Node, Scalar, Sequence
from reconciler.merge_patch import equal

_COLON = re.compile(r"[ \t]*:")


def change_root(draft: Draft, root: Node | None, want: dict[str, Any]) -> None:
    """Make the document `want`, which differs from what it holds now."""
    match root:
        case None:
            draft.insert_lines(len(draft.lines.text), _members(draft, want, 0))
        case Mapping() if holds_entries(draft, root):
            draft.entered.append(root)
            change_flow(draft, root, want, YamlFlow())
        case Mapping(flow=False):
            _change_root_block(draft, root, want)
        case Mapping() | Scalar(value=None):
            cut_lines(draft, root.first, root.last)
            draft.insert_lines(next_line(draft.lines, root.last), _members(draft, want, 0))
        case _:
            raise CannotEdit("the file does not hold an object at its top")


def _change_root_block(draft: Draft, root: Mapping, want: dict[str, Any]) -> None:
    entries = block_entries(draft, root, -1)
    _change_entries(draft, entries, compare(root, want))
    if not want:
        draft.insert_lines(_lead_of(draft, entries, 0), ["{}"])


def _members(draft: Draft, want: dict[str, Any], column: int) -> list[str]:
    return [line for key, value in want.items() for line in member_lines(key, value, column, draft.style)]


def end_last_text(draft: Draft, root: Node | None) -> None:
    """A block scalar that ended with the file, without a line end, keeps its value when lines follow: `|` to `|-`."""
    node = root
    while isinstance(node, Mapping | Sequence) and node.value:
        node = node.children[next(reversed(node.children))] if isinstance(node, Mapping) else node.items[-1]
    text = draft.lines.text
    if not isinstance(node, Scalar) or node.style not in ("|", ">") or node in draft.dropped:
        return
    if str(node.value)[-1:] not in ("", "\n") and any(at == len(text) for at, _ in draft.inserts):
        first, last = after_properties(node, text), header_end(node, text)
        draft.replace(first, last, text[first:last].rstrip("+-") + "-")


def change_entry(draft: Draft, entry: Entry, want: Any) -> None:
    """Make the value of a block entry `want`."""
    node = entry.node
    if equal(node.value, want):
        return
    refuse_alias(node, want)
    if isinstance(node, Mapping | Sequence) and type(node.value) is type(want) and _change_inside(draft, entry, want):
        draft.entered.append(node)
    else:
        draft.dropped.append(node)
        write_anew(draft, entry, want)


def _change_inside(draft: Draft, entry: Entry, want: Any) -> bool:
    """Change the collection behind `entry` entry by entry; False where it has to be written anew."""
    node = entry.node
    assert isinstance(node, Mapping | Sequence)
    if node.flow:
        if not want or not holds_entries(draft, node):
            return False
        change_flow(draft, node, want, YamlFlow())
        return True
    entries, changes = block_entries(draft, node, entry.head), compare(node, want)
    moves_first = 0 in changes.removed or -1 in changes.added
    if moves_first and before(draft.lines, entries[0].first).strip():
        return False
    _change_entries(draft, entries, changes)
    if not want:
        draft.inserts.append((behind_properties(draft, entry), " {}" if isinstance(node, Mapping) else " []"))
    return True


def block_entries(draft: Draft, node: Mapping | Sequence, floor: int) -> list[Entry]:
    """The entries of a block collection; `floor` is where the content before it ends."""
    lines, entries = draft.lines, []
    if isinstance(node, Mapping):
        column = next(iter(node.keys.values())).start.column
        for key, value in node.children.items():
            name = node.keys[key]
            entries.append(Entry(name.first, _colon(draft, name), value, name, floor, column))
            floor = content_end(value, lines)
        return entries
    dash = next_dash(lines.text, after_properties(node, lines.text))
    column = len(before(lines, dash))
    for item in node.items:
        entries.append(Entry(dash, dash + 1, item, None, floor, column))
        floor = content_end(item, lines)
        dash = next_dash(lines.text, floor)
    return entries


def _colon(draft: Draft, key: Scalar) -> int:
    """The offset behind the colon of `key`; a key written with `?` has none behind it."""
    match = _COLON.match(draft.lines.text, key.last)
    return match.end() if match else key.last


def _change_entries(draft: Draft, entries: list[Entry], changes: Changes) -> None:
    for index, want in changes.changed:
        change_entry(draft, entries[index], want)
    for index in changes.removed:
        entry = entries[index]
        draft.dropped.append(entry.node)
        first, last = _lead_of(draft, entries, index), foot_of(draft, entry)
        draft.removals.append(Removal(first, last, entry.floor, index == 0, index == len(entries) - 1))
    for after, added in changes.added.items():
        _add(draft, entries, after, added)


def _add(draft: Draft, entries: list[Entry], after: int, added: list[tuple[str, Any]]) -> None:
    at = foot_of(draft, entries[after]) if after >= 0 else _lead_of(draft, entries, 0)
    first, column = entries[0], entries[0].column
    apart = [""] if first.key and after > 0 and _stands_apart(draft, entries[after]) else []
    for key, value in added:
        lines = member_lines(key, value, column, draft.style) if first.key else item_lines(value, column, draft.style)
        draft.insert_lines(at, apart + lines)


def _stands_apart(draft: Draft, entry: Entry) -> bool:
    """Whether a blank line stands between `entry` and the one before it."""
    start, first = next_line(draft.lines, entry.floor), line_start(draft.lines, entry.first)
    while start < first:
        if is_blank(draft.lines, start):
            return True
        start = next_line(draft.lines, start)
    return False


def _lead_of(draft: Draft, entries: list[Entry], index: int) -> int:
    entry = entries[index]
    return lead(draft.lines, entry.first, entry.floor, entry.column if index else None)
