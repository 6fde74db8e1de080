"""JSON (RFC 8259) with positions: the same nodes, guards and Problems as `events` makes of YAML.

libyaml refuses the escapes of surrogate pairs, and people put comments and trailing commas into JSON; those are told
apart here, and reading goes on after them. Time is linear in the text.
"""

from __future__ import annotations

import json
import re
from typing import Any

from reconciler.config.builder import MAX_DEPTH, MAX_NODES
from reconciler.config.characters import unreadable_json
from reconciler.config.codes import problem
from reconciler.config.events import duplicate_key, empty
from reconciler.config.scalars import NotPlain, floating, integer
from reconciler.config.tree import Lines, Mapping, Node, Scalar, Sequence
from reconciler.problems import Problem

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<string>"(?:[^"\\\x00-\x1f]|\\.)*+")
    | (?P<mark>[\[\]{},:])
    | (?P<number>-?(?:0|[1-9][0-9]*+)(?P<fraction>(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)(?![\w.+]))
    | (?P<word>(?:true|false|null|NaN|-?Infinity)(?![\w]))
    | (?P<comment>//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}
_HALF = re.compile("[\ud800-\udfff]")
_COLON = re.compile(r"[ \t\r\n]*:")
_NEXT = re.compile(r"[ \t\r\n]*(\S[^\s,:\[\]{}\"]{0,30})?")


class _Stop(Exception):
    """Nothing more can be read."""


class _Reader:
    """The tokens of one text, and what was wrong with them."""

    __slots__ = ("end", "first", "kind", "last", "lines", "nodes", "problems", "token")

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.problems: list[Problem] = []
        self.end, self.nodes = 1 if lines.text.startswith("\ufeff") else 0, 0
        self.kind, self.token, self.first, self.last = "", "", 0, 0

    def advance(self) -> None:
        """Take the next token that is no comment: its kind and text; a mark is its own kind."""
        while True:
            match = _TOKEN.match(self.lines.text, self.end)
            if match is None:
                raise _no_token(self)
            kind: Any = match.lastgroup if match.lastgroup != "fraction" else "number"
            self.first, self.last = match.span(kind) if kind != "end" else self._end_of_text()
            self.end, self.token = self.last, match[kind]
            self.kind = self.token if kind == "mark" else kind
            if kind != "comment":
                return
            _refuse_comment(self)

    def _end_of_text(self) -> tuple[int, int]:
        """Just behind the last character that is to be seen."""
        end = len(self.lines.text.rstrip())
        return end, end

    def refuse(self, code: str, detail: str, hint: str | None = None) -> None:
        place = self.lines.place(self.first, self.last)
        self.problems.append(problem(code, detail, place, hint))

    def stop(self, code: str, detail: str, hint: str | None = None) -> _Stop:
        """Refuse, and give what to raise."""
        self.refuse(code, detail, hint)
        return _Stop()


def parse_json(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The value in `text`. The node is None when it is empty or cannot be parsed; then a Problem says why."""
    reader = _Reader(Lines(file, text))
    if refused := unreadable_json(reader.lines):
        return None, refused
    try:
        reader.advance()
        if reader.kind == "end":
            return None, reader.problems or [empty(file)]
        root = _value(reader, 0)
        reader.advance()
        if reader.kind != "end":
            raise reader.stop("json-syntax", "something stands after the end of the value", "delete it")
    except _Stop:
        return None, reader.problems
    return root, reader.problems


def _value(reader: _Reader, depth: int) -> Node:
    """The value that starts with the current token; its last token is the current one afterwards."""
    reader.nodes += 1
    if reader.nodes > MAX_NODES:
        raise reader.stop("too-many-values", f"more than {MAX_NODES} values")
    match reader.kind:
        case "string":
            return Scalar(_text(reader), reader.lines, reader.first, reader.last, '"')
        case "number" | "word":
            return Scalar(_literal(reader), reader.lines, reader.first, reader.last)
        case "{" | "[":
            if depth >= MAX_DEPTH:
                raise reader.stop("too-deep", f"more than {MAX_DEPTH} levels")
            return (_object if reader.kind == "{" else _array)(reader, depth)
        case _:
            raise reader.stop("json-syntax", f"a value is missing before {_found(reader)}", "write the value")


def _object(reader: _Reader, depth: int) -> Mapping:
    node = Mapping(reader.lines, reader.first, flow=True)
    reader.advance()
    while reader.kind != "}":
        key = _key(reader)
        reader.advance()
        if reader.kind != ":":
            raise reader.stop("json-syntax", f"a colon is missing before {_found(reader)}", "write `:` after the key")
        reader.advance()
        member = _value(reader, depth + 1)
        if key.value in node.keys:
            reader.problems.append(duplicate_key(node.keys[key.value], key))
        else:
            node.keys[key.value], node.children[key.value], node.value[key.value] = key, member, member.value
        _separate(reader, "}")
    node.last = reader.last
    return node


def _key(reader: _Reader) -> Scalar:
    if reader.kind == "string":
        return Scalar(_text(reader), reader.lines, reader.first, reader.last, '"')
    if reader.kind in ("number", "word"):
        raise reader.stop("key-not-text", f"{reader.token[:60]} is not text", f'quote it: "{reader.token[:60]}"')
    raise reader.stop("json-syntax", f"a key is missing before {_found(reader)}", "write a name in double quotes")


def _array(reader: _Reader, depth: int) -> Sequence:
    node = Sequence(reader.lines, reader.first, flow=True)
    reader.advance()
    while reader.kind != "]":
        item = _value(reader, depth + 1)
        node.items.append(item)
        node.value.append(item.value)
        _separate(reader, "]")
    node.last = reader.last
    return node


def _separate(reader: _Reader, closing: str) -> None:
    """Go on to the next member or to `closing`."""
    reader.advance()
    if reader.kind == closing:
        return
    if reader.kind != ",":
        _refuse_missing_comma(reader, closing)
        return
    comma = reader.first
    reader.advance()
    if reader.kind == closing:
        place = reader.lines.place(comma, comma + 1)
        reader.problems.append(problem("trailing-comma", f"nothing follows before `{closing}`", place, "delete it"))


def _refuse_missing_comma(reader: _Reader, closing: str) -> None:
    """Reading goes on where it is plain that only the comma is missing."""
    is_member = reader.kind == "string" and _COLON.match(reader.lines.text, reader.last)
    is_item = reader.kind in ("string", "number", "word", "{", "[")
    refused = reader.stop(
        "json-syntax",
        f"a comma or `{closing}` is missing before {_found(reader)}",
        "write a comma between two values" if is_item else f"close it with `{closing}`",
    )
    if not (is_member if closing == "}" else is_item and not is_member):
        raise refused


def _found(reader: _Reader) -> str:
    return "the end of the file" if reader.kind == "end" else f"`{reader.token}`" if len(reader.kind) == 1 else "this"


def _text(reader: _Reader) -> str:
    """The value of the current string token."""
    if "\\" not in reader.token:
        return reader.token[1:-1]
    try:
        text: str = json.loads(reader.token)
    except json.JSONDecodeError as error:
        reader.first += error.pos
        reader.last = reader.first + 1
        hint = r"write `\\` for a backslash"
        raise reader.stop("json-syntax", "this escape is none that JSON knows", hint) from error
    if _HALF.search(text):
        reader.refuse("bad-character", "half of a surrogate pair is no character", "write both halves, or none")
        return _HALF.sub("\ufffd", text)
    return text


def _literal(reader: _Reader) -> Any:
    """The value of the current number or word."""
    word = reader.token
    if reader.kind == "word" and word not in _WORDS:
        reader.refuse("not-json", f"{word} is not JSON", f'quote it: "{word}"')
        return word
    if reader.kind == "word":
        return _WORDS[word]
    try:
        return floating(word) if set(word) & set(".eE") else integer(word, 10)
    except NotPlain as error:
        reader.refuse(error.code, error.detail, error.hint)
        return word


def _refuse_comment(reader: _Reader) -> None:
    if reader.token.startswith("/*") and not (reader.token.endswith("*/") and len(reader.token) >= 4):
        raise reader.stop("json-syntax", "this comment has no end", "delete it, or rename the file to .yaml")
    hint = "delete it, or rename the file to .yaml and begin it with `#`"
    reader.refuse("comment-in-json", "JSON has no comments", hint)


def _no_token(reader: _Reader) -> _Stop:
    """Say what stands where no token starts."""
    found = _NEXT.match(reader.lines.text, reader.end)
    word = found[1] if found and found[1] else ""
    reader.first = found.end() - len(word) if found else reader.end
    reader.last = reader.first + max(len(word), 1)
    if word.startswith('"'):
        reader.last = reader.first + 1
        return reader.stop(
            "json-syntax", "this text has no end on its line", 'close it with `"`; write a line end as `\\n`'
        )
    if word.startswith("'"):
        reader.last = reader.first + 1
        return reader.stop("json-syntax", "text stands in double quotes", "write `\"` instead of `'`")
    if re.match(r"[-+.0-9]", word):
        return reader.stop(
            "json-syntax", "this is not a number that JSON knows", "write it as in 1, -2 or 3.5, or quote it"
        )
    return reader.stop(
        "json-syntax", "this is neither text, number, true, false nor null", 'put text into double quotes `"`'
    )
