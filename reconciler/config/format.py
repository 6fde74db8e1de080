"""The normal form of a configuration file: 2 spaces, fields in the schema's order, quotes only where needed."""

from __future__ import annotations

import re
from collections import Counter

from reconciler.config.comments import read_comments
from reconciler.config.edit import EditRefused, parse
from reconciler.config.format_json import json_lines
from reconciler.config.format_read import read_block
from reconciler.config.format_yaml import document_lines
from reconciler.config.layout import line_end
from reconciler.config.tree import Lines, Mapping, Node
from reconciler.merge_patch import equal
from reconciler.problems import errors

_DOCUMENT_START = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)


def format_text(text: str, *, file: str) -> str:
    """`text` in its normal form; a `file` that ends in `.json` is JSON, any other YAML.

    Comments stay with what they belong to, lists and servers keep their order, and there is at most one blank line in
    a row, where there was one. Formatting twice gives the same as once. Raises EditRefused where the text cannot be
    read, or where its normal form would not say exactly the same.
    """
    root, problems = parse(text, file)
    wrong = errors(problems)
    if wrong:
        raise EditRefused(f"{file} cannot be read, so it cannot be formatted: {wrong[0].summary}", problems=wrong)
    if not isinstance(root, Mapping):
        raise EditRefused(f"{file} does not hold an object at its top, so there is nothing to format")
    lines = Lines(file, text)
    formatted = json_lines(root, text) if file.endswith(".json") else _yaml_lines(root, lines)
    eol = line_end(text)
    result = eol.join(formatted) + eol
    _check(root, text, result, file)
    return result


def _yaml_lines(root: Mapping, lines: Lines) -> list[str]:
    start = _document_start(lines.text, root.first)
    head = [line.rstrip() for line in lines.text[:start].removeprefix("\ufeff").splitlines() if line.strip()]
    block = read_block(root, lines, read_comments(root, lines), start)
    return [*head, *document_lines(block, lines)]


def _document_start(text: str, first: int) -> int:
    """The offset behind the `---` before the root; 0 without one."""
    match = _DOCUMENT_START.search(text, 0, first)
    return match.end() if match else 0


def _check(root: Node, text: str, result: str, file: str) -> None:
    """The law of the formatter: the same value, and the same comments."""
    after, problems = parse(result, file)
    same = not errors(problems) and after is not None and equal(after.value, root.value)
    if not same or (not file.endswith(".json") and _comments(after, result) != _comments(root, text)):
        raise EditRefused(f"{file}: the normal form would not mean the same, so the text stays as it is")


def _comments(root: Node | None, text: str) -> Counter[str]:
    return Counter(comment.text for comment in read_comments(root, Lines("", text)).comments)
