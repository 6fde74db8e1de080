"""What the YAML parser says when it gives up, with a way out."""

from __future__ import annotations

import yaml

from reconciler.config.codes import problem
from reconciler.config.tree import Lines
from reconciler.problems import Problem

_WAYS_OUT = {
    "mapping values are not allowed": "quote a value that holds `: `, and give each key its own line",
    "did not find expected ',' or ']'": "close the list with `]`, or write a comma",
    "did not find expected ',' or '}'": "close the map with `}`, or write a comma",
    "did not find expected key": "indent this line like the keys around it",
    "did not find expected '-'": "indent this line like the items around it",
    "could not find expected ':'": "write `: ` after the key",
    "cannot start any token": "quote the text",
    "unexpected end of stream": "close the quotes",
    "unknown escape character": r"write `\\` for a backslash, or use single quotes",
    "did not find expected <document start>": "indent this line, or delete it",
}


def yaml_syntax(error: yaml.MarkedYAMLError, lines: Lines) -> Problem:
    """The Problem where libyaml stopped. Its words never repeat the text."""
    mark = error.problem_mark or error.context_mark
    offset = mark.index if mark else 0
    at = lines.mark(offset)
    words = [error.context, error.problem] if error.context else [error.problem]
    detail = ", ".join(word for word in words if word)
    if error.context_mark and lines.mark(error.context_mark.index).line < at.line:
        detail += f" (it begins in line {lines.mark(error.context_mark.index).line + 1})"
    if "\t" in lines.text[offset - at.column : offset + 1]:
        hint = "indent with spaces"
    else:
        hint = next((way for words, way in _WAYS_OUT.items() if words in detail), "check indentation and quotes here")
    return problem("yaml-syntax", detail, lines.place(offset, offset), hint)
