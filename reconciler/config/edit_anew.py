"""Write the value of a block entry anew: other text in its place, the comments around it kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.config.draft import Draft, Entry
from reconciler.config.edit_flow import holds_entries
from reconciler.config.print import YamlFlow, item_parts, member_parts, scalar_text
from reconciler.config.spans import (
    after_properties,
    before,
    content_end,
    foot,
    header_end,
    line_start,
    next_line,
    rest_of_line,
)
from reconciler.config.tree import Mapping, Scalar, Sequence


def write_anew(draft: Draft, entry: Entry, want: Any) -> None:
    """Put `want` in place of the value of `entry`."""
    inline, lines = _parts(draft, entry, want)
    node, text = entry.node, draft.lines
    if isinstance(node, Mapping | Sequence) and not node.flow:
        _replace_block(draft, entry, inline, lines)
    elif lines and _starts_below(draft, entry):
        draft.inserts.append((entry.head, inline))
        cut_lines(draft, node.first, content_end(node, text))
        draft.insert_lines(next_line(text, entry.head), lines)
    elif isinstance(node, Scalar) and node.style in ("|", ">"):
        _replace_leaf(draft, entry, header_end(node, text.text), inline, lines)
        draft.cuts.append((next_line(text, node.first), next_line(text, content_end(node, text))))
        draft.insert_lines(next_line(text, node.first), lines)
    else:
        _replace_leaf(draft, entry, node.last, inline, lines)
        draft.insert_lines(next_line(text, node.last), lines)


def _replace_leaf(draft: Draft, entry: Entry, last: int, inline: str, lines: list[str]) -> None:
    """The spaces before a value stay, but not before the first of several lines behind a dash."""
    if inline and entry.node.first < last and (entry.key or not lines):
        draft.replace(entry.node.first, last, inline.lstrip())
    else:
        draft.replace(entry.head, last, inline)


def _replace_block(draft: Draft, entry: Entry, inline: str, lines: list[str]) -> None:
    """Other text in place of a block collection; the comments of its entries go with them."""
    node, text = entry.node, draft.lines
    if before(text, node.first).strip() and after_properties(node, text.text) == node.first:
        below = next_line(text, content_end(node, text))
        draft.replace(entry.head, content_end(node, text), inline)
    else:
        below = next_line(text, entry.head)
        last = entry.head if _starts_below(draft, entry) else behind_properties(draft, entry)
        draft.replace(entry.head, last, inline)
        draft.cuts.append((below, foot_of(draft, entry)))
    draft.insert_lines(below, lines)


def _parts(draft: Draft, entry: Entry, want: Any) -> tuple[str, list[str]]:
    """What stands behind the colon or dash of `entry` once its value is `want`, and the lines below."""
    node = entry.node
    if isinstance(want, str) and isinstance(node, Scalar) and node.style in ("'", '"'):
        return " " + scalar_text(want, node.style), []
    if isinstance(want, dict | list) and (holds_entries(draft, node) or (isinstance(node, Sequence) and node.flow)):
        return " " + YamlFlow().value(want), []
    style = replace(draft.style, literals=draft.style.literals and not _comments_below(draft, entry))
    return (member_parts if entry.key else item_parts)(want, entry.column, style)


def _comments_below(draft: Draft, entry: Entry) -> bool:
    """Whether comments would end up inside a block scalar that takes the place of the value."""
    end = max(entry.head, content_end(entry.node, draft.lines))
    return _starts_below(draft, entry) or foot_of(draft, entry) > next_line(draft.lines, end)


def _starts_below(draft: Draft, entry: Entry) -> bool:
    return "\n" in draft.lines.text[entry.head : entry.node.first]


def behind_properties(draft: Draft, entry: Entry) -> int:
    """The offset behind the colon or dash, and behind an anchor or tag on its line."""
    text, node = draft.lines.text, entry.node
    properties = text[node.first : after_properties(node, text)].rstrip()
    return node.first + len(properties) if properties else entry.head


def foot_of(draft: Draft, entry: Entry) -> int:
    """Where the line after `entry` starts, behind the comments below that belong to it."""
    return foot(draft.lines, max(entry.head, content_end(entry.node, draft.lines)), entry.column)


def cut_lines(draft: Draft, first: int, last: int) -> None:
    """Cut a value, with its lines where nothing else is on them; a comment behind it takes its place."""
    text = draft.lines
    rest = rest_of_line(text, last)
    if before(text, first).strip():
        draft.cuts.append((first, last))
    elif rest.strip():
        draft.cuts.append((first, last + len(rest) - len(rest.lstrip())))
    else:
        draft.cuts.append((line_start(text, first), next_line(text, last)))
