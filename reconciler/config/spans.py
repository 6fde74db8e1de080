"""Where content ends in a YAML text, and which comment lines belong to an entry. Offsets in, offsets out."""

from __future__ import annotations

import re
from bisect import bisect_right

from reconciler.config.tree import Lines, Mapping, Node, Scalar, Sequence

_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*[ \t]*)*")
_BLOCK_HEADER = re.compile(r"[|>][-+0-9]*")
_TO_DASH = re.compile(r"(?:\s|#[^\n]*\n)*-")
MODELINE = re.compile(r"#\s*(?:yaml-language-server:|\$schema:)")


def content_end(node: Node, lines: Lines) -> int:
    """The offset after the last character of `node` itself: before trailing blanks, comments and the line's end."""
    if isinstance(node, Mapping) and not node.flow:
        return content_end(node.children[next(reversed(node.children))], lines)
    if isinstance(node, Sequence) and not node.flow:
        return content_end(node.items[-1], lines)
    if isinstance(node, Scalar) and node.style in ("|", ">"):
        return _block_scalar_end(node, lines)
    return node.last


def _block_scalar_end(node: Scalar, lines: Lines) -> int:
    """Blank lines below a block scalar are its content only where its header says `+` (YAML 1.2.2, 8.1.1.2)."""
    text = lines.text
    if "+" not in text[after_properties(node, text) : header_end(node, text)]:
        return node.first + len(text[node.first : node.last].rstrip())
    start = line_start(lines, node.last)
    if text[start : node.last].strip():
        return node.last
    return start - (2 if text.endswith("\r\n", 0, start) else 1)


def after_properties(node: Node, text: str) -> int:
    """The offset after the anchor and the tag of `node`, with the spaces behind them."""
    match = _PROPERTIES.match(text, node.first)
    return match.end() if match else node.first


def header_end(node: Scalar, text: str) -> int:
    """The offset after the `|-` of a block scalar."""
    start = after_properties(node, text)
    match = _BLOCK_HEADER.match(text, start)
    return match.end() if match else start


def next_dash(text: str, offset: int) -> int:
    """The offset of the next `-` of a block sequence, behind blanks and comments."""
    match = _TO_DASH.match(text, offset)
    return match.end() - 1 if match else offset


def line_start(lines: Lines, offset: int) -> int:
    """Where the line of `offset` starts."""
    return lines.starts[max(bisect_right(lines.starts, offset) - 1, 0)]


def next_line(lines: Lines, offset: int) -> int:
    """Where the line after that of `offset` starts: the end of the text after the last one, its start for -1."""
    if offset < 0:
        return 0
    end = lines.text.find("\n", offset)
    return len(lines.text) if end < 0 else end + 1


def before(lines: Lines, offset: int) -> str:
    """What stands on the line of `offset` before it."""
    return lines.text[line_start(lines, offset) : offset]


def rest_of_line(lines: Lines, offset: int) -> str:
    """What stands on the line from `offset` on, without the line end."""
    return lines.text[offset : next_line(lines, offset)].rstrip("\r\n")


def is_blank(lines: Lines, start: int) -> bool:
    """Whether the line that starts at `start` holds nothing but spaces; never beyond the end of the text."""
    return start < len(lines.text) and not rest_of_line(lines, start).strip()


def lead(lines: Lines, start: int, floor: int, column: int | None) -> int:
    """Where the comment lines directly above `start` begin, else where its own line starts.

    Nothing above the line after `floor` is looked at. Comments deeper than `column` belong to what stands above.
    """
    begin, lowest = line_start(lines, start), next_line(lines, floor)
    while begin > lowest:
        above = line_start(lines, begin - 1)
        words = rest_of_line(lines, above)
        comment = words.lstrip()
        too_deep = column is not None and len(words) - len(comment) > column
        if not comment.startswith("#") or too_deep or MODELINE.match(comment):
            break
        begin = above
    return begin


def foot(lines: Lines, end: int, column: int) -> int:
    """Where the line after `end` starts, behind the comment lines below that are deeper than `column`."""
    accepted = start = next_line(lines, end)
    while start < len(lines.text):
        words = rest_of_line(lines, start)
        comment = words.lstrip()
        start = next_line(lines, start)
        if comment and not (comment.startswith("#") and len(words) - len(comment) > column):
            break
        accepted = start if comment else accepted
    return accepted
