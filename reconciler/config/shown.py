"""A file's text as it may be shown: the literals of secret fields are stars, length for length, so columns stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from reconciler.config.overlays import Path
from reconciler.config.shown_broken import comment_hidden, guesses_hidden, line_hidden
from reconciler.config.tree import Alias, Mapping, Node, Scalar, Sequence
from reconciler.model.secret import tells_secret
from reconciler.model.written import SERVER_FIELDS

_Piece: TypeAlias = tuple[int, int, str]
_SECRET_KEYS = {"env", "headers"}
_STARRED = re.compile(r"(\$\{(?:(?:env|file|secret):)?[A-Za-z0-9_./-]+)((?::-[^{}]*)?)(\})|[^\s\"']")
_COMMENT = re.compile(r"(?:#|//).*|/\*[\s\S]*?(?:\*/|\Z)")


def hidden_text(text: str, tree: Node | None) -> str:
    """`text` without the literals of secret fields; of a text that could not be parsed only the harmless stays."""
    if tree is None:
        return "\n".join(map(line_hidden, text.split("\n")))
    done, end = [], 0
    for first, last, shown in sorted(set(_pieces(tree, (), secret=False))):
        if first >= end:
            done += [_COMMENT.sub(_comment, text[end:first]), shown]
            end = last
    return "".join(done) + _COMMENT.sub(_comment, text[end:])


def _comment(match: re.Match[str]) -> str:
    return comment_hidden(match.group())


def _pieces(node: Node, path: Path, *, secret: bool) -> Iterator[_Piece]:
    """Every key and leaf with what may be shown of it; what stands between them is punctuation and comments."""
    if isinstance(node, Alias):
        yield node.first, node.last, node.lines.text[node.first : node.last]
        node = node.target
    if isinstance(node, Mapping):
        for key, member in node.children.items():
            yield _piece(node.keys[key], (*path, key), is_name=True, secret=False)
            yield from _pieces(member, (*path, key), secret=secret or _holds_secrets(path, key, member))
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _pieces(item, (*path, index), secret=secret)
    else:
        yield _piece(node, path, is_name=path[-2:-1] == ("env",) and isinstance(path[-1], int), secret=secret)


def _piece(node: Scalar, path: Path, *, is_name: bool, secret: bool) -> _Piece:
    raw = node.lines.text[node.first : node.last]
    if is_name and "env" in path:
        name, equals, value = raw.partition("=")
        return node.first, node.last, name + equals + _stars(value)
    return node.first, node.last, _stars(raw) if secret else guesses_hidden(raw)


def _holds_secrets(path: Path, key: str, member: Node) -> bool:
    if key in _SECRET_KEYS:
        return isinstance(member.value, dict)
    unknown = len(path) == 2 and path[0] == "mcpServers" and key not in SERVER_FIELDS
    return tells_secret(key) or (unknown and isinstance(member.value, dict | list))


def _stars(raw: str) -> str:
    return _STARRED.sub(lambda match: match[1] + "*" * len(match[2]) + match[3] if match[1] else "*", raw)
