"""Edit `{}` and `[]` in a draft, within themselves: YAML flow collections and all of JSON."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

from reconciler.config.compare import Changes, compare
from reconciler.config.draft import Draft, Removal, refuse_alias
from reconciler.config.print import YamlFlow
from reconciler.config.spans import after_properties, before, lead, line_start, next_line, rest_of_line
from reconciler.config.tree import Mapping, Node, Scalar, Sequence
from reconciler.merge_patch import equal

_COMMA_OR_COMMENT = re.compile(r"#[^\n]*|,")
_TRAILING_COMMENT = re.compile(r"[ \t]*#[^\r\n]*")


class Printer(Protocol):
    """Writes values between brackets; `indent` is the white space before the line on which they start."""

    @property
    def comma(self) -> str: ...

    def value(self, value: Any, indent: str = "", style: str = "") -> str: ...

    def member(self, key: str, value: Any, indent: str = "") -> str: ...


class Part(NamedTuple):
    """A member or item between brackets, up to where the comma and the comment on its line end (`tail`)."""

    first: int
    last: int
    comma: int | None
    tail: int
    floor: int
    starts_line: bool
    ends_line: bool
    node: Node
    key: Scalar | None


def holds_entries(draft: Draft, node: Node) -> bool:
    """Whether `node` is a pair of brackets with something in it."""
    if not isinstance(node, Mapping | Sequence) or not node.flow or not node.value:
        return False
    return draft.lines.text[after_properties(node, draft.lines.text)] in "{["


def change_flow(draft: Draft, node: Mapping | Sequence, want: Any, printer: Printer) -> None:
    """Make what `node` holds between its brackets `want`, of the same kind as it is."""
    changes = compare(node, want)
    parts = _parts(draft, node)
    if isinstance(printer, YamlFlow) and isinstance(node, Mapping):
        printer = YamlFlow(quoted=all(key.style == '"' for key in node.keys.values()))
    if len(changes.removed) == len(parts):
        draft.dropped.append(node)
        draft.replace(
            after_properties(node, draft.lines.text), node.last, printer.value(want, _indent(draft, node.first))
        )
        return
    for index, value in changes.changed:
        _change_value(draft, parts[index], value, printer)
    if changes.removed:
        _remove(draft, parts, changes)
    for after, added in changes.added.items():
        _add(draft, parts, after, added, followed=after < _last_kept(parts, changes), printer=printer)


def _change_value(draft: Draft, part: Part, want: Any, printer: Printer) -> None:
    node = part.node
    if equal(node.value, want):
        return
    refuse_alias(node, want)
    if isinstance(node, Mapping | Sequence) and type(node.value) is type(want) and want and holds_entries(draft, node):
        draft.entered.append(node)
        change_flow(draft, node, want, printer)
        return
    draft.dropped.append(node)
    style = node.style if isinstance(node, Scalar) else ""
    text = printer.value(want, _indent(draft, part.first), style)
    if node.first == node.last:
        text = _colon_before(draft, part) + text
    draft.replace(node.first, node.last, text)


def _colon_before(draft: Draft, part: Part) -> str:
    """What has to stand before the value of a key that had none."""
    between = draft.lines.text[part.key.last : part.node.first] if part.key else ": "
    return "" if between.endswith(" ") else " " if between.endswith(":") else ": "


def _indent(draft: Draft, offset: int) -> str:
    """The white space before the line of `offset`."""
    line = rest_of_line(draft.lines, line_start(draft.lines, offset))
    return line[: len(line) - len(line.lstrip())]


def _parts(draft: Draft, node: Mapping | Sequence) -> list[Part]:
    text = draft.lines.text
    spans: list[tuple[int, int, Node, Scalar | None]]
    if isinstance(node, Mapping):
        pairs = [(node.keys[key], value) for key, value in node.children.items()]
        spans = [(key.first, max(key.last, value.last), value, key) for key, value in pairs]
    else:
        spans = [(item.first, item.last, item, None) for item in node.items]
    floor = after_properties(node, text) + 1
    parts = []
    for (first, last, value, key), end in zip(spans, [*(span[0] for span in spans[1:]), node.last - 1], strict=True):
        comma, tail = _behind(text, last, end)
        starts_line = not before(draft.lines, first).strip()
        ends_line = not rest_of_line(draft.lines, tail).strip()
        parts.append(Part(first, last, comma, tail, floor, starts_line, ends_line, value, key))
        floor = tail
    return parts


def _behind(text: str, last: int, end: int) -> tuple[int | None, int]:
    """The comma between `last` and `end`, and where it and a comment on its line end."""
    comma = next((match.start() for match in _COMMA_OR_COMMENT.finditer(text, last, end) if match.group() == ","), None)
    tail = last if comma is None else comma + 1
    comment = _TRAILING_COMMENT.match(text, tail, end)
    return comma, comment.end() if comment else tail


def _remove(draft: Draft, parts: list[Part], changes: Changes) -> None:
    kept = _last_kept(parts, changes)
    for index in changes.removed:
        part = parts[index]
        draft.dropped.append(part.node)
        begin = lead(draft.lines, part.first, part.floor, None) if part.starts_line else part.first
        if part.starts_line and part.ends_line:
            end = next_line(draft.lines, part.tail)
            draft.removals.append(Removal(begin, end, part.floor, index == 0, index == len(parts) - 1))
            continue
        draft.cuts.append((begin, begin + len(draft.lines.text[begin : part.first].rstrip(" \t"))))
        draft.cuts.append(_cut_behind(draft, parts, index) if index > kept else _cut_before(parts, index))
    comma = parts[kept].comma
    adds_lines = kept in changes.added and parts[kept].starts_line and parts[kept].ends_line
    if comma is not None and kept < len(parts) - 1 and parts[-1].comma is None and not adds_lines:
        draft.cuts.append((comma, comma + 1))


def _cut_before(parts: list[Part], index: int) -> tuple[int, int]:
    """What goes with a part that is followed by one that stays, or that goes for itself."""
    part = parts[index]
    return part.first, part.tail if part.ends_line else parts[index + 1].first


def _cut_behind(draft: Draft, parts: list[Part], index: int) -> tuple[int, int]:
    """What goes with a part behind the last one that stays: the space before it, too, unless a comment ends there."""
    part = parts[index]
    between = draft.lines.text[parts[index - 1].last : part.first]
    return part.first if "#" in between else part.floor, part.tail


def _last_kept(parts: list[Part], changes: Changes) -> int:
    return max(set(range(len(parts))) - set(changes.removed))


def _add(
    draft: Draft, parts: list[Part], after: int, added: list[tuple[str, Any]], *, followed: bool, printer: Printer
) -> None:
    """Put `added` behind the part `after` (-1: before all); `followed`: another part stays behind that one."""
    part = parts[max(after, 0)]
    indent = before(draft.lines, part.first) if part.starts_line else _indent(draft, part.first)
    texts = [printer.member(key, value, indent) if part.key else printer.value(value, indent) for key, value in added]
    if not part.starts_line:
        _add_inline(draft, part, texts, printer.comma, first=after < 0)
    elif after < 0:
        at = lead(draft.lines, part.first, part.floor, None)
        draft.insert_lines(at, [f"{indent}{text}," for text in texts])
    elif part.ends_line:
        _add_lines(draft, part, [indent + text for text in texts], comma=followed or parts[-1].comma is not None)
    else:
        _add_inline(draft, part, texts, "," + draft.style.eol + indent, first=False)


def _add_inline(draft: Draft, part: Part, texts: list[str], comma: str, *, first: bool) -> None:
    if first:
        draft.inserts.append((part.first, "".join(text + comma for text in texts)))
    else:
        draft.inserts.append((part.last, "".join(comma + text for text in texts)))


def _add_lines(draft: Draft, part: Part, texts: list[str], *, comma: bool) -> None:
    """New lines below the one that `part` ends; `comma`: one follows the last of them, too."""
    if part.comma is None:
        draft.inserts.append((part.last, ","))
    draft.insert_lines(
        next_line(draft.lines, part.tail), [*(text + "," for text in texts[:-1]), texts[-1] + "," * comma]
    )
