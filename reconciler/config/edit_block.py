"""Edit block mappings and sequences in a draft: the lines that must change, and the comments that go with an entry."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from reconciler.config.draft import CannotEdit, Changes, Draft, Entry, Removal, compare, refuse_alias
from reconciler.config.edit_flow import change_flow, holds_entries
from reconciler.config.print import YamlFlow, item_lines, item_parts, member_lines, member_parts, scalar_text
from reconciler.config.spans import (
    after_properties,
    before,
    content_end,
    foot,
    header_end,
    is_blank,
    lead,
    line_start,
    next_dash,
    next_line,
    rest_of_line,
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
            _cut(draft, root.first, root.last)
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
        _write_anew(draft, entry, want)


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
    moves_first = 0 in changes.removed or (changes.added and changes.after < 0)
    if moves_first and before(draft.lines, entries[0].first).strip():
        return False
    _change_entries(draft, entries, changes)
    if not want:
        draft.inserts.append((entry.head, " {}" if isinstance(node, Mapping) else " []"))
    return True


def block_entries(draft: Draft, node: Mapping | Sequence, floor: int) -> list[Entry]:
    """The entries of a block collection; `floor` is where the content before it ends."""
    lines, entries = draft.lines, []
    if isinstance(node, Mapping):
        for key, value in node.children.items():
            name = node.keys[key]
            column = node.keys[next(iter(node.keys))].start.column
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
    match = _COLON.match(draft.lines.text, key.last)
    if not match:
        raise CannotEdit(f"the key in line {key.start.line + 1} is written with `?`")
    return match.end()


def _change_entries(draft: Draft, entries: list[Entry], changes: Changes) -> None:
    for index, want in changes.changed:
        change_entry(draft, entries[index], want)
    for index in changes.removed:
        entry = entries[index]
        draft.dropped.append(entry.node)
        first, last = _lead_of(draft, entries, index), _foot_of(draft, entry)
        draft.removals.append(Removal(first, last, entry.floor, index == 0))
    if changes.added:
        _add(draft, entries, changes)


def _add(draft: Draft, entries: list[Entry], changes: Changes) -> None:
    after = changes.after
    at = _foot_of(draft, entries[after]) if after >= 0 else _lead_of(draft, entries, 0)
    apart = [""] if after > 0 and _stands_apart(draft, entries[after]) else []
    for key, value in changes.added:
        column = entries[0].column
        if entries[0].key:
            draft.insert_lines(at, apart + member_lines(key, value, column, draft.style))
        else:
            draft.insert_lines(at, apart + item_lines(value, column, draft.style))


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


def _foot_of(draft: Draft, entry: Entry) -> int:
    return foot(draft.lines, max(entry.head, content_end(entry.node, draft.lines)), entry.column)


def _write_anew(draft: Draft, entry: Entry, want: Any) -> None:
    inline, lines = _parts(draft, entry, want)
    node, text = entry.node, draft.lines
    is_block = isinstance(node, Mapping | Sequence) and not node.flow
    starts_below = "\n" in text.text[entry.head : node.first]
    if is_block:
        _replace_block(draft, entry, inline, lines, starts_below=starts_below)
    elif isinstance(node, Scalar) and node.style in ("|", ">"):
        draft.replace(entry.head, header_end(node, text.text), inline)
        draft.cuts.append((next_line(text, node.first), next_line(text, content_end(node, text))))
        draft.insert_lines(next_line(text, node.first), lines)
    elif starts_below and lines:
        draft.inserts.append((entry.head, inline))
        _cut(draft, node.first, node.last)
        draft.insert_lines(next_line(text, entry.head), lines)
    else:
        draft.replace(
            node.first if starts_below else entry.head, node.last, inline.lstrip() if starts_below else inline
        )
        draft.insert_lines(next_line(text, node.last), lines)


def _replace_block(draft: Draft, entry: Entry, inline: str, lines: list[str], *, starts_below: bool) -> None:
    """Write other text in place of a block collection, with the comments of its entries."""
    node, text = entry.node, draft.lines
    if starts_below:
        below = next_line(text, entry.head)
        draft.inserts.append((entry.head, inline))
        draft.cuts.append((below, _foot_of(draft, entry)))
    elif node.anchor or after_properties(node, text.text) > node.first:
        below = next_line(text, node.first)
        draft.replace(entry.head, after_properties(node, text.text), inline + " ")
        draft.cuts.append((below, _foot_of(draft, entry)))
    else:
        below = next_line(text, content_end(node, text))
        draft.replace(entry.head, content_end(node, text), inline)
    draft.insert_lines(below, lines)


def _parts(draft: Draft, entry: Entry, want: Any) -> tuple[str, list[str]]:
    """What stands behind the colon or dash of `entry` once its value is `want`, and the lines below."""
    node = entry.node
    if isinstance(want, str) and isinstance(node, Scalar) and node.style in ("'", '"'):
        return " " + scalar_text(want, node.style), []
    if isinstance(want, dict | list) and (holds_entries(draft, node) or (isinstance(node, Sequence) and node.flow)):
        return " " + YamlFlow().value(want), []
    style = replace(draft.style, literals=not _comments_below(draft, entry))
    return (member_parts if entry.key else item_parts)(want, entry.column, style)


def _comments_below(draft: Draft, entry: Entry) -> bool:
    """Whether comments would end up inside a block scalar that takes the place of the value."""
    end = max(entry.head, content_end(entry.node, draft.lines))
    starts_below = "\n" in draft.lines.text[entry.head : entry.node.first]
    return starts_below or _foot_of(draft, entry) > next_line(draft.lines, end)


def _cut(draft: Draft, first: int, last: int) -> None:
    """Cut a value that stands on lines of its own, with these lines where nothing else is on them."""
    text = draft.lines
    if before(text, first).strip() or rest_of_line(text, last).strip():
        draft.cuts.append((first, last))
    else:
        draft.cuts.append((line_start(text, first), next_line(text, last)))
