"""A file's text as it may be shown: the literals of secret fields are stars, length for length, so columns stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

from reconciler.config.overlays import Path
from reconciler.config.tree import Alias, Mapping, Node, Scalar
from reconciler.model.secret import secrets_in, tells_secret
from reconciler.model.written import SERVER_FIELDS, WrittenDocument

_Piece: TypeAlias = tuple[int, int, str]
_SECRET_KEYS = {"env", "headers"}
_STARRED = re.compile(r"(\$\{(?:[A-Za-z]+:)?[A-Za-z0-9_./-]*)((?::-[^{}]*)?)(\})|[^\s\"']")
_HIDING_FIELDS = {"env", "headers", "oauth", "azure", "mock", "metadata", "tools"}
_PLAIN_FIELDS = (SERVER_FIELDS.keys() | WrittenDocument.model_fields.keys()) - _HIDING_FIELDS - {"mcpServers", "groups"}
_LINE = re.compile(r"^(\s*(?:- +)?[\"']?([^\s\"':]*)[\"']?\s*:)?(.*)$", re.MULTILINE)
_HARMLESS = re.compile(r"\s*(?:true|false|null|[0-9]{1,4})?[\s,{}\[\]]*|[<|=>]{7}.*")


def hidden_text(text: str, tree: Node | None) -> str:
    """`text` without the literals of secret fields; of a text that could not be parsed only the harmless stays."""
    if tree is None:
        return _LINE.sub(_line_hidden, text)
    done, end = [], 0
    for first, last, stars in sorted(set(_pieces(tree, (), secret=False))):
        if first >= end:
            done += [text[end:first], stars]
            end = last
    return "".join(done) + text[end:]


def _pieces(node: Node, path: Path, *, secret: bool) -> Iterator[_Piece]:
    """The spans to hide, and what stands there instead."""
    node = node.target if isinstance(node, Alias) else node
    if isinstance(node, Mapping):
        for key, member in node.children.items():
            yield from _pieces(member, (*path, key), secret=secret or _holds_secrets(path, key, member))
    elif isinstance(node, Scalar):
        raw = node.lines.text[node.first : node.last]
        hidden = _stars(raw) if secret else _names_kept(raw) if _is_name(path) else _guesses_hidden(raw)
        if hidden != raw:
            yield node.first, node.last, hidden
    else:
        for index, item in enumerate(node.items):
            yield from _pieces(item, (*path, index), secret=secret)


def _holds_secrets(path: Path, key: str, member: Node) -> bool:
    if key in _SECRET_KEYS:
        return isinstance(member.value, dict)
    unknown = len(path) == 2 and path[0] == "mcpServers" and key not in SERVER_FIELDS
    return tells_secret(key) or (unknown and isinstance(member.value, dict | list))


def _is_name(path: Path) -> bool:
    """Whether the scalar is an item of an `env` list."""
    return path[-2:-1] == ("env",)


def _names_kept(raw: str) -> str:
    name, equals, value = raw.partition("=")
    return name + equals + _stars(value)


def _stars(raw: str) -> str:
    return _STARRED.sub(lambda m: m[1] + "*" * len(m[2]) + m[3] if m[1] else "*", raw)


def _guesses_hidden(raw: str) -> str:
    for start, end in secrets_in(raw):
        raw = raw[:start] + "*" * (end - start) + raw[end:]
    return raw


def _line_hidden(match: re.Match[str]) -> str:
    key, name, rest = match[1] or "", match[2], match[3]
    if name in _PLAIN_FIELDS or _HARMLESS.fullmatch(rest):
        return key + _guesses_hidden(rest)
    return key + _stars(rest)
