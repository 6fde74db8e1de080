"""Bytes to lines to JSON values, strictly and in linear time. Used by every session that is ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*"?(\d{1,18})"?\s*,')
_ID_LAST = re.compile(rb'"id"\s*:\s*"?(\d{1,18})"?\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_NEAR_THE_END = 80
_RESULT_LAST = re.compile(r'\{"jsonrpc": ?"2\.0", ?"id": ?(\d{1,18}), ?"result": ?(?=\{)')
_RESULT_FIRST = re.compile(r'\{"result": ?(?=\{)')
_AFTER_RESULT = re.compile(r', ?"jsonrpc": ?"2\.0", ?"id": ?(\d{1,18})\}')

Pairs: TypeAlias = Callable[[list[tuple[str, Any]]], dict[str, Any]]
"""Makes an object of its members, in the order of the text."""


class LineTooLong(Exception):
    """A line exceeds its limit, whether or not its end has come."""


class Verbatim(dict[str, Any]):
    """An object beside the JSON text it was read from, one line. Whoever changes anything makes a plain dict of it."""

    __slots__ = ("text",)

    def __init__(self, value: dict[str, Any], text: bytes) -> None:
        super().__init__(value)
        self.text = text


class Framer:
    """Cuts a byte stream at newlines; every byte is searched once. Line ends are not part of a line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._start = 0
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_line(self) -> bytes | None:
        """The next whole line, or None until more is fed. Raises LineTooLong."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._keep_rest()
            return None
        if end - self._start > self._limit:
            raise LineTooLong
        line = bytes(memoryview(self._buffer)[self._start : end])
        self._start = self._searched = end + 1
        return line

    def clear(self) -> None:
        """Forget everything that was fed."""
        self._buffer.clear()
        self._start = self._searched = 0

    def _keep_rest(self) -> None:
        del self._buffer[: self._start]
        self._start = 0
        self._searched = len(self._buffer)
        if self._searched > self._limit:
            raise LineTooLong


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def strict_decoder(pairs: Pairs | None = None) -> json.JSONDecoder:
    """Raises ValueError for what is no JSON, as NaN and Infinity are, and for numbers that no float can hold."""
    return json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_refuse_constant, parse_float=_finite)


_DECODER = strict_decoder()
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def encode(message: object) -> bytes:
    """Compact JSON and a newline, ASCII only, so that no text of a caller can break it. Raises ValueError for NaN."""
    return _ENCODER.encode(message).encode("ascii") + b"\n"


def encode_request(number: int, method: str, params: Mapping[str, Any] | None) -> bytes:
    """A request and a newline. Arguments that still have their text are not written anew."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    if params is None:
        return encode(message)
    arguments = params.get("arguments")
    if type(arguments) is not Verbatim or len(params) == 1:
        return encode({**message, "params": params})
    others = _ENCODER.encode({name: value for name, value in params.items() if name != "arguments"})
    begin = f'{_ENCODER.encode(message)[:-1]},"params":{others[:-1]},"arguments":'
    return b"".join((begin.encode("ascii"), arguments.text, b"}}\n"))


def decode(line: bytes, depth: int) -> Any:
    """The JSON value of a line. Raises ValueError for what RFC 8259 or UTF-8 does not allow, and for deep nesting."""
    text = line.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if begins_more(line, depth) and is_deeper(value, depth):
        raise ValueError("nested too deeply")
    if may_hold_surrogates(line):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def read_answer(line: bytes, depth: int) -> tuple[int, Verbatim] | None:
    """Number and result of an answer whose members stand in a usual order. None for every other line: see `decode`."""
    if may_hold_surrogates(line) or begins_more(line, depth) or b"\r" in line:
        return None
    try:
        text = line.decode("utf-8")
        match = _RESULT_LAST.match(text)
        begin = match or _RESULT_FIRST.match(text)
        if begin is None:
            return None
        start = begin.end()
        result, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    if match is None:
        match = _AFTER_RESULT.fullmatch(text, end)
    elif text[end:] != "}":
        return None
    if match is None:
        return None
    whole = line[start:end] if len(line) == len(text) else text[start:end].encode("utf-8")
    return int(match[1]), Verbatim(result, whole)


def begins_more(text: bytes, most: int) -> bool:
    """Whether more than `most` arrays and objects begin in a JSON text, those inside of strings counted too.

    It looks no further than that, and a long text with few of them costs next to nothing.
    """
    left = most
    for bracket in (b"{", b"["):
        at = text.find(bracket)
        while at >= 0:
            left -= 1
            if left < 0:
                return True
            at = text.find(bracket, at + 1)
    return False


def may_hold_surrogates(text: bytes) -> bool:
    """Whether a JSON text has escapes in it that could be half a character. Most texts are told by their first look."""
    return b"\\" in text and (b"\\ud" in text or b"\\uD" in text)


def is_finite(value: Any) -> bool:
    """Whether no number in it is NaN or infinite, which other readers of JSON than ours let through."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return False
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return True


def is_deeper(value: Any, limit: int) -> bool:
    """Whether arrays and objects nest in more than `limit` levels; a bare string or number has none."""
    level = [value]
    for _ in range(limit + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return True


def id_in_broken(line: bytes) -> int | None:
    """The id of an answer that is no JSON, where the usual member orders let it be told."""
    match = _ID_FIRST.match(line) or _ID_LAST.search(line, max(0, len(line) - _NEAR_THE_END))
    return int(match[1]) if match else None
