"""Lines to JSON values and back, strictly and in linear time. Used by every session that is ours."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, TypeAlias

from pydantic_core import from_json

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ID_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*"?(\d{1,18})"?\s*,')
_ID_LAST = re.compile(rb'"id"\s*:\s*"?(\d{1,18})"?\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')
_NEAR_THE_END = 80
_NESTING = (dict, list)
_RESULT_LAST = re.compile(rb'\{"jsonrpc": ?"2\.0", ?"id": ?(\d{1,18}), ?"result": ?(?=\{)')
_RESULT_FIRST = re.compile(rb'\{"result": ?(?=\{)')
_AFTER_RESULT = re.compile(rb', ?"jsonrpc": ?"2\.0", ?"id": ?(\d{1,18})\}\Z')
LONG = 32 * 1024
"""Bytes of a line from which on another reader reads it: it holds up the loop for a tenth to a half of the time."""

Pairs: TypeAlias = Callable[[list[tuple[str, Any]]], dict[str, Any]]
"""Makes an object of its members, in the order of the text."""


class Verbatim(dict[str, Any]):
    """An object beside the JSON text it was read from, one line. Whoever changes anything makes a plain dict of it."""

    __slots__ = ("text",)

    def __init__(self, value: dict[str, Any], text: bytes) -> None:
        super().__init__(value)
        self.text = text


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
    text = line.removeprefix(_BYTE_ORDER_MARK)
    if len(text) >= LONG:
        return _read_long(text, depth)
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if begins_more(line, depth) and is_deeper(value, depth):
        raise ValueError("nested too deeply")
    if may_hold_surrogates(line):
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def read_answer(line: bytes, depth: int) -> tuple[int, Verbatim] | None:
    """Number and result of an answer whose members stand in a usual order. None for every other line: see `decode`."""
    match = _RESULT_LAST.match(line)
    begin = match or _RESULT_FIRST.match(line)
    if begin is None or b"\r" in line:
        return None
    if len(line) >= LONG:
        return _read_long_answer(line, match, begin.end(), depth)
    if may_hold_surrogates(line) or begins_more(line, depth):
        return None
    try:
        text = line.decode("utf-8")
        result, end = _DECODER.raw_decode(text, begin.end())
    except (ValueError, RecursionError):
        return None
    if len(line) != len(text):
        end = len(line) - len(text[end:].encode("utf-8"))
    match = match if line[end:] == b"}" else None if match else _AFTER_RESULT.match(line, end)
    return (int(match[1]), Verbatim(result, line[begin.end() : end])) if match else None


def _read_long_answer(
    line: bytes, match: re.Match[bytes] | None, begin: int, depth: int
) -> tuple[int, Verbatim] | None:
    """As `read_answer`; the value that fills the place of the result is the result. `match` has the number, if it came
    first."""
    end = len(line) - 1
    if match is None:
        match = _AFTER_RESULT.search(line, max(begin, len(line) - _NEAR_THE_END))
        end = match.start() if match else 0
    elif not line.endswith(b"}"):
        return None
    text = line[begin:end]
    if not text.endswith(b"}"):  # blanks behind it: who adds to an object puts it before its last byte
        return None
    try:
        found = _read_long(text, depth - 1)  # it stands in one object already
    except ValueError:
        return None
    return (int(match[1]), Verbatim(found, text)) if match and isinstance(found, dict) else None


def _read_long(text: bytes, depth: int) -> Any:
    """The value of a long text. Raises ValueError as `decode` does, but in members that one of the same name replaces.

    Half of a surrogate pair is nothing that this reader lets through, but infinite numbers are.
    """
    try:
        value = from_json(text, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise ValueError("nested too deeply" if "recursion" in str(error) else str(error)) from None
    for at, (items, nests) in enumerate(_levels(value)):
        if nests and at >= depth:
            raise ValueError("nested too deeply")
        if not _are_finite(items):
            raise ValueError("a number in it is too large")
    return value


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
    return all(_are_finite(items) for items, _ in _levels(value))


def is_deeper(value: Any, limit: int) -> bool:
    """Whether arrays and objects nest in more than `limit` levels; a bare string or number has none."""
    return any(depth >= limit and bool(nests) for depth, (_, nests) in enumerate(_levels(value)))


def _levels(value: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    """What stands at each depth, from the outside in; and which of it are arrays and objects."""
    items = [value]
    while items:
        nests = [item for item in items if isinstance(item, _NESTING)]
        yield items, nests
        items = [child for item in nests for child in (item.values() if isinstance(item, dict) else item)]


def _are_finite(items: list[Any]) -> bool:
    return all(map(math.isfinite, [item for item in items if isinstance(item, float)]))


def id_in_broken(line: bytes) -> int | None:
    """The id of an answer that is no JSON, where the usual member orders let it be told."""
    match = _ID_FIRST.match(line) or _ID_LAST.search(line, max(0, len(line) - _NEAR_THE_END))
    return int(match[1]) if match else None
