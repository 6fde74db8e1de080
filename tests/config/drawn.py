"""Documents drawn with Hypothesis: values, patches for them, and YAML text in all the ways people lay it out."""

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Path = tuple[str, ...]
AWKWARD = [
    "", "no", "on", "y", "010", "0x1F", "1e3", "12:30", "1_000", ".5", ".inf", "2001-12-14", "~", "null", "true",
    "=", "<<", "- x", "-", "---", "-y", "? x", ": x", "a: b", "a:", "a #b", "#c", "&a", "*a", "!t", "|", ">", "%d",
    "@x/y", "`c`", "{a}", "[a]", "a, b", "${env:TOKEN}", "'", '"', "it's", 'say "x"', "back\\slash", " lead", "trail ",
    "tab\there", "é", "日本", "\U0001f600", "two\nlines", "two\nlines\n", "end\n", "\n", "\n\n", " a\nb", "a\n\nb",
    "a \nb", "a\n b\n", "x\u2028y", "nel\x85", "\x07", "\ufeff",
]  # fmt: skip
KEYS = ["a", "b", "c", "command", "env", "x-y", "on", "1", "a b", "a: b", "", "#k", "é", "{"]
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./]*")
_RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

leaves = st.one_of(
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
keys = st.one_of(st.sampled_from(KEYS), st.text(st.characters(exclude_categories=["Cs"]), max_size=5))
values = st.recursive(
    st.none() | leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, max_size=5)


@st.composite
def patches(draw: st.DrawFn, value: dict[str, Any]) -> dict[str, Any]:
    """A merge patch that touches some of the members of `value` and adds some."""
    patch: dict[str, Any] = draw(st.dictionaries(keys, values, max_size=2))
    for key, member in value.items():
        match draw(st.sampled_from(["leave", "leave", "remove", "replace", "inside"])):
            case "remove":
                patch[key] = None
            case "replace":
                patch[key] = draw(values)
            case "inside" if isinstance(member, dict):
                patch[key] = draw(patches(member))
            case "inside" if isinstance(member, list):
                patch[key] = draw(_changed_lists(member))
    return patch


@st.composite
def _changed_lists(draw: st.DrawFn, items: list[Any]) -> list[Any]:
    result = list(items)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(result)))
        result[at : at + draw(st.integers(0, 2))] = draw(st.lists(values, max_size=2))
    return result


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a drawn text; `path` is the entry that it belongs to. `closed`: the whole value stands on it."""

    path: Path
    text: str
    closed: bool


@dataclass(slots=True)
class Writer:
    """Writes a value as YAML, each comment with a number of its own."""

    dice: random.Random
    indent: int
    dash: int
    lines: list[Line] = field(default_factory=list)
    comments: int = 0
    needs_end: bool = False
    """Whether the last line needs its line end, for the sake of a `|` block."""

    def chance(self, one_in: int) -> bool:
        return self.dice.randrange(one_in) == 0

    def put(self, path: Path, text: str, *, closed: bool = True) -> None:
        self.lines.append(Line(path, text, closed))

    def comment(self) -> str:
        self.comments += 1
        return f"#{self.dice.choice([' ', ''])}comment {self.comments}."

    def above(self, path: Path, around: Path, column: int) -> None:
        """Sometimes a blank line, sometimes a comment; with a blank line below it is one of `around`."""
        if self.chance(5):
            self.put((), "", closed=False)
        if self.chance(12):
            self.put(around, " " * column + self.comment(), closed=False)
            self.put((), "", closed=False)
        if self.chance(4):
            self.put(path, " " * column + self.comment())

    def trailing(self) -> str:
        return self.dice.choice([" ", "   "]) + self.comment() if self.chance(4) else ""

    def anchor(self) -> str:
        """Sometimes an anchor that no alias uses."""
        if not self.chance(20):
            return ""
        self.comments += 1
        return f"&anchor{self.comments} "

    def mapping(self, value: dict[str, Any], column: int, path: Path, *, compact: str = "") -> None:
        for index, (key, member) in enumerate(value.items()):
            if not compact or index:
                self.above((*path, key), path, column)
            start = compact if compact and not index else " " * column
            self.entry(start + self.scalar(key, one_line=True) + ":", member, column, (*path, key), self.indent)
        if self.chance(8):
            self.put(path, " " * column + self.comment(), closed=False)

    def sequence(self, value: list[Any], column: int, path: Path, *, compact: str = "") -> None:
        for index, item in enumerate(value):
            if not compact or index:
                self.above(path, path, column)
            start = compact if compact and not index else " " * column
            if isinstance(item, dict) and item and self.chance(2):
                self.mapping(item, column + 2, path, compact=start + "- ")
            elif isinstance(item, list) and item and self.chance(3):
                self.sequence(item, column + 2, path, compact=start + "- ")
            else:
                self.entry(start + "-", item, column, path, 2)

    def entry(self, head: str, value: Any, column: int, path: Path, indent: int) -> None:
        """`head`, which ends with a colon or a dash, and its value behind or below it."""
        if isinstance(value, dict | list) and value:
            self.collection(head, value, column, path, indent)
        elif isinstance(value, str) and self.is_literal(value) and self.chance(2):
            chomp = "" if value.endswith("\n") else "-"
            self.needs_end = self.needs_end or not chomp
            self.put(path, f"{head} |{chomp}{self.trailing()}")
            for line in value.removesuffix("\n").split("\n"):
                self.put(path, " " * (column + indent) + line if line else "")
        elif value is None and self.chance(2):
            self.put(path, head + self.trailing())
        elif self.chance(12):
            self.put(path, head + self.trailing())
            self.put(path, " " * (column + indent) + self.leaf(value) + self.trailing())
        else:
            space = self.dice.choice([" ", " ", "    "])
            self.put(path, f"{head}{space}{self.anchor()}{self.leaf(value)}{self.trailing()}")
            if self.chance(12):
                self.put(path, " " * (column + indent) + self.comment())

    def collection(self, head: str, value: Any, column: int, path: Path, indent: int) -> None:
        if self.chance(3):
            self.put(path, f"{head} {self.anchor()}{self.flow(value)}{self.trailing()}")
        elif self.chance(5):
            self.wide_flow(head, value, column, path)
        elif isinstance(value, dict):
            self.put(path, f"{head} {self.anchor()}".rstrip() + self.trailing(), closed=False)
            self.mapping(value, column + indent, path)
        else:
            self.put(path, f"{head} {self.anchor()}".rstrip() + self.trailing(), closed=False)
            self.sequence(value, column + (self.dash if head.endswith(":") else 2), path)

    def wide_flow(self, head: str, value: Any, column: int, path: Path) -> None:
        """A collection in brackets over several lines."""
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        pad = " " * (column + 4)
        self.put(path, f"{head} {opening}{self.trailing()}")
        last = self.dice.choice(["", ","])
        parts = [self.member(*pair) for pair in value.items()] if isinstance(value, dict) else map(self.flow, value)
        for index, part in enumerate(parts):
            if self.chance(6):
                self.put(path, pad + self.comment())
            comma = "," if index < len(value) - 1 else last
            self.put(path, pad + part + comma + self.trailing())
        self.put(path, " " * (column + 2) + closing + self.trailing())

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            space = self.dice.choice(["", " "])
            return "{" + space + ", ".join(self.member(*pair) for pair in value.items()) + space + "}"
        if isinstance(value, list):
            return "[" + self.dice.choice([", ", ","]).join(map(self.flow, value)) + "]"
        return self.leaf(value)

    def member(self, key: str, value: Any) -> str:
        return f"{self.scalar(key, one_line=True)}: {self.flow(value)}"

    def leaf(self, value: Any) -> str:
        return self.scalar(value) if isinstance(value, str) else self.number(value)

    def number(self, value: Any) -> str:
        if value is None:
            return self.dice.choice(["null", "~"])
        return json.dumps(value)

    def scalar(self, value: str, *, one_line: bool = False) -> str:
        if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED and not self.chance(3):
            return value
        if value.isprintable() and self.chance(2):
            return "'" + value.replace("'", "''") + "'"
        return '"' + "".join(_escaped(character) for character in value) + '"'

    def is_literal(self, value: str) -> bool:
        lines = value.removesuffix("\n").split("\n")
        clean = all(line.isprintable() and line == line.strip() and not line.startswith("#") for line in lines)
        return "\n" in value and clean and bool(lines[0]) and bool(lines[-1])


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A text and what it says, line by line."""

    value: dict[str, Any]
    text: str
    lines: list[Line]
    eol: str


@st.composite
def texts(draw: st.DrawFn) -> Drawn:
    """A drawn YAML text: 2 or 4 spaces, LF or CRLF, with or without a last line end."""
    value = draw(documents)
    indent = draw(st.sampled_from([2, 4]))
    writer = Writer(draw(st.randoms(use_true_random=False)), indent, draw(st.sampled_from([0, 2, indent])))
    if value:
        writer.mapping(value, 0, ())
    else:
        writer.put((), "{}")
    eol = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    end = eol if writer.needs_end else draw(st.sampled_from([eol, eol, ""]))
    text = eol.join(line.text for line in writer.lines) + end
    return Drawn(value, text, writer.lines, eol if eol in text else "\n")


def comments_in(text: str) -> list[str]:
    """The numbers of the comments in a drawn text, sorted."""
    return sorted(re.findall(r"# ?comment (\d+)\.", text))
