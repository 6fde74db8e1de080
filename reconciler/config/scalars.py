"""Which unquoted words are booleans, numbers or null: the YAML 1.2 core schema (section 10.3), within what JSON has."""

from __future__ import annotations

import re
from typing import Any

MAX_INTEGER = 2**53 - 1

_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_NUMBER = 400
_TAGS: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}


class NotPlain(Exception):
    """A word that means a value which JSON cannot hold."""

    def __init__(self, code: str, detail: str, hint: str) -> None:
        super().__init__(detail)
        self.code, self.detail, self.hint = code, detail, hint


def plain_value(word: str) -> Any:
    """The value of an unquoted word. Raises NotPlain."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _NUMBER_START:
        return word
    if _INTEGER.fullmatch(word):
        return integer(word, 10)
    if _OCTAL.fullmatch(word):
        return integer(word[2:], 8)
    if _HEX.fullmatch(word):
        return integer(word[2:], 16)
    if _INFINITE.fullmatch(word):
        raise NotPlain("not-json", f"{word} cannot be kept", f'quote it: "{word}"')
    return floating(word) if _FLOAT.fullmatch(word) else word


def integer(digits: str, base: int) -> int:
    """The integer; raises NotPlain beyond what a double holds exactly (RFC 8785 section 3.2.2.3)."""
    value = int(digits, base) if len(digits) <= 60 else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise NotPlain("number-too-large", "integers end at 2^53-1", "quote it to keep it as text")
    return value


def floating(word: str) -> float:
    """The double; raises NotPlain where it would be infinite."""
    value = float(word) if len(word) <= _LONGEST_NUMBER else float("inf")
    if value in (float("inf"), float("-inf")):
        raise NotPlain("number-too-large", "it does not fit a double", "quote it to keep it as text")
    return value


def tagged_value(text: str, tag: str) -> Any:
    """The value of a scalar with the core tag `!!tag`. Raises NotPlain, and LookupError where the two do not fit."""
    if tag == "str":
        return text
    value = plain_value(text)
    if type(value) not in _TAGS[tag]:
        raise LookupError(tag)
    return value
