"""What may be shown of a line when the file could not be parsed: our own words, and nothing that may be a value."""

from __future__ import annotations

import re

from reconciler.model.secret import secrets_in
from reconciler.model.written import SERVER_FIELDS, WrittenDocument

_KNOWN = SERVER_FIELDS.keys() | WrittenDocument.model_fields.keys()
_PLAIN = _KNOWN - {"env", "headers", "oauth", "azure", "mock", "metadata", "tools", "mcpServers", "groups"}
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,{}\[\]\"']+|\s+|.")
_HARMLESS = re.compile(r"true|false|null|[0-9]{1,4}|-+|[:?|>+-]{1,2}|[\s,{}\[\]]+")
_MARKER = re.compile(r"(?:<{7}|={7}|>{7}|\|{7}|---|\.\.\.|%YAML\b)")
_COLON = re.compile(r"\s*:")
_NOT_SPACE = re.compile(r"[^\s\"',{}\[\]]")


def line_hidden(line: str) -> str:
    """`line` with stars for every word that is not a key, a value of a harmless field of ours, or plainly no secret."""
    if line.lstrip().startswith(("#", "//", "/*")):
        return comment_hidden(line)
    if _MARKER.match(line):
        return line
    shown, field, first = [], "", True
    for match in _TOKEN.finditer(line):
        token = match.group()
        word = _key(token, line, match.end())
        if word is not None:
            field = word
        keep = word in _KNOWN or (first and word is not None) or (word is None and field in _PLAIN)
        shown.append(token if keep or _HARMLESS.fullmatch(token) else _NOT_SPACE.sub("*", token))
        first = first and (token.isspace() or token == "-")
    return guesses_hidden("".join(shown))


def _key(token: str, line: str, end: int) -> str | None:
    """The word of a key, where `token`, which ends at `end`, is one."""
    if token[0] in "\"'":
        return token.strip("\"'") if _COLON.match(line, end) else None
    return token[:-1] if token.endswith(":") and len(token) > 1 else None


def comment_hidden(comment: str) -> str:
    """A comment may hold a line that somebody took out: nothing after a `:` or `=` is shown."""
    words, sign, rest = re.split(r"([:=]|\Z)", comment, maxsplit=1)
    return guesses_hidden(words) + sign + _NOT_SPACE.sub("*", rest)


def guesses_hidden(text: str) -> str:
    """`text` with stars for what looks like a secret."""
    shown, last = [], 0
    for start, end in secrets_in(text):
        shown += [text[last:start], "*" * (end - start)]
        last = end
    return "".join([*shown, text[last:]])
