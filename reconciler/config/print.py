"""Values as YAML text: quoted wherever a YAML 1.1 or 1.2 reader would take the plain word for something else."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_WORDS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", "-", "---", "..."})
_NUMBER_LIKE = re.compile(r"(?:[-+]?\.?[0-9]|[-+.]+_)[-+0-9a-fxo_.:tz ]*|[-+]?\.(?:inf|nan)", re.IGNORECASE)
_INDICATOR = re.compile(r"[?:,\[\]{}#&*!|>'\"%@`]|- |--- |\.\.\. ")
_INSIDE = re.compile(r": | #|:\Z")
_FLOW_INDICATOR = re.compile(r"[?,\[\]{}]")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_ESCAPED = re.compile('[\\\\"]|' + _UNPRINTABLE.pattern)
_SHORT_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is laid out: its line end, the spaces of a level, and those before the dashes of a list."""

    eol: str = "\n"
    indent: int = 2
    dash: int = 2
    short_lists: bool = False
    """Whether a list without objects and lists in it stands on one line, in brackets."""
    literals: bool = True
    """Whether text of several lines may be a `|` block."""


def scalar_text(value: Any, style: str = "", *, flow: bool = False) -> str:
    """A string, number, boolean or null on one line; a string keeps the quote `style` (`'` or `"`) where it can."""
    match value:
        case str():
            return string_text(value, style, flow=flow)
        case float():
            word = json.dumps(value)
            return word.replace("e", ".0e") if "e" in word and "." not in word else word  # YAML 1.1 wants the dot
        case _:
            return json.dumps(value)


def string_text(text: str, style: str = "", *, flow: bool = False) -> str:
    """`text` plain where that is safe and no quote `style` is asked for, else quoted."""
    if style not in ("'", '"') and is_plain(text, flow=flow):
        return text
    return quoted(text, style)


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether every reader takes the unquoted `text` for exactly this string, as a key too."""
    if text.lower() in _WORDS or text != text.strip() or _UNPRINTABLE.search(text):
        return False
    if _NUMBER_LIKE.fullmatch(text) or _INDICATOR.match(text) or _INSIDE.search(text):
        return False
    return not (flow and _FLOW_INDICATOR.search(text))


def quoted(text: str, style: str = "") -> str:
    """`text` in quotes: those of `style`, else double ones unless single ones spare it backslashes."""
    single = style == "'" or (style != '"' and ('"' in text or "\\" in text))
    if single and not _UNPRINTABLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


@dataclass(frozen=True, slots=True)
class YamlFlow:
    """Values inside `{}` and `[]`, all on one line. `quoted`: keys and strings in double quotes, as in JSON."""

    quoted: bool = False
    comma: str = ", "

    def value(self, value: Any, indent: str = "", style: str = "") -> str:
        match value:
            case dict():
                return "{" + self.comma.join(self.member(key, member) for key, member in value.items()) + "}"
            case list():
                return "[" + self.comma.join(map(self.value, value)) + "]"
            case _:
                return scalar_text(value, '"' if self.quoted else style, flow=True)

    def member(self, key: str, value: Any, indent: str = "") -> str:
        return f"{self.value(key)}: {self.value(value)}"


def member_lines(key: str, value: Any, column: int, style: Style) -> list[str]:
    """A member of a block mapping at `column`, as lines without line ends."""
    inline, lines = member_parts(value, column, style)
    return [f"{' ' * column}{string_text(key)}:{inline}", *lines]


def item_lines(value: Any, column: int, style: Style) -> list[str]:
    """An item of a block sequence whose dashes stand at `column`, as lines without line ends."""
    inline, lines = item_parts(value, column, style)
    return [f"{' ' * column}-{inline}", *lines]


def member_parts(value: Any, column: int, style: Style) -> tuple[str, list[str]]:
    """What stands behind the colon of a key at `column`, and the lines below it."""
    if isinstance(value, dict) and value:
        return "", _block(value, column + style.indent, style)
    if isinstance(value, list) and value and not (style.short_lists and is_short(value)):
        return "", _block(value, column + style.dash, style)
    return _leaf_parts(value, column + style.indent, style)


def item_parts(value: Any, column: int, style: Style) -> tuple[str, list[str]]:
    """What stands behind a dash at `column`, and the lines below it."""
    if isinstance(value, dict | list) and value and not (style.short_lists and is_short(value)):
        first, *others = _block(value, column + 2, style)
        return first[column + 1 :], others
    return _leaf_parts(value, column + 2, style)


def _block(value: dict[str, Any] | list[Any], column: int, style: Style) -> list[str]:
    if isinstance(value, dict):
        return [line for key, member in value.items() for line in member_lines(key, member, column, style)]
    return [line for item in value for line in item_lines(item, column, style)]


def _leaf_parts(value: Any, column: int, style: Style) -> tuple[str, list[str]]:
    if style.literals and isinstance(value, str) and _is_literal(value):
        lines = [" " * column + line if line else "" for line in value.removesuffix("\n").split("\n")]
        return (" |" if value.endswith("\n") else " |-"), lines
    return " " + (YamlFlow().value(value) if isinstance(value, dict | list) else scalar_text(value)), []


def is_short(value: dict[str, Any] | list[Any]) -> bool:
    """Whether `value` is a list of leaves."""
    return isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)


def _is_literal(text: str) -> bool:
    """Whether `text` reads well as a `|` block: several lines that no editor's trimming can change."""
    lines = text.removesuffix("\n").split("\n")
    if "\n" not in text or not lines[0] or not lines[-1] or lines[0].startswith(" "):
        return False
    return not any(line != line.rstrip() or _UNPRINTABLE.search(line) for line in lines)
