"""Strict JSON for files that strangers wrote: bounded before parsing, each key once, base64 in one spelling."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, NoReturn

LARGEST_FILE = 32 * 1024 * 1024
"""Bytes."""
DEEPEST = 64
"""Objects and lists inside each other, the outermost counted."""
MOST_MARKS = 256
"""How often each of `,` `:` `[` `{` may stand in the bytes of an envelope: a bound that is checked without parsing."""


class NotStrict(Exception):
    """It is not JSON as we read it; the message says why and repeats nothing of it."""


def envelope(data: bytes) -> dict[str, Any]:
    """The object of a file that has few members, of which one may be long. Raises NotStrict."""
    if len(data) > LARGEST_FILE:
        raise NotStrict(f"it has more than {LARGEST_FILE // 1024 // 1024} MiB")
    if any(_stands_often(mark, data) for mark in (b",", b":", b"[", b"{")):
        raise NotStrict("it holds more than any header does")
    value = strict(data)
    if not isinstance(value, dict):
        raise NotStrict("it holds no object")
    return value


def _stands_often(mark: bytes, data: bytes) -> bool:
    """Looks no further than it must."""
    at = -1
    for _ in range(MOST_MARKS + 1):
        at = data.find(mark, at + 1)
        if at < 0:
            return False
    return True


def strict(data: bytes) -> Any:
    """The JSON value in UTF-8 bytes; each key once, nothing that is no number or no text. Raises NotStrict."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:  # only an escape can hold half of a surrogate pair
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise NotStrict("it is not JSON, or not whole") from None
    if _is_deeper(value):
        raise NotStrict(f"it has more than {DEEPEST} levels")
    return value


def unbase64(value: Any, size: int | None = None) -> bytes:
    """The bytes, `size` of them, behind their one spelling (RFC 4648 section 4, padded). Raises NotStrict."""
    try:
        data = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if not isinstance(value, str) or base64.b64encode(data) != value.encode("utf-8"):
        raise NotStrict("it is not base64")
    if size is not None and len(data) != size:
        raise NotStrict(f"it has {len(data)} bytes instead of {size}")
    return data


def to_base64(data: bytes) -> str:
    """Their one spelling."""
    return base64.b64encode(data).decode("ascii")


def _each_key_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise NotStrict("a key stands in it twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotStrict("a number in it is too large")
    return number


def _no_number(_: str) -> NoReturn:
    raise NotStrict("something in it is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_float=_finite, parse_constant=_no_number)


def _is_deeper(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    """The objects and lists in one."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [member for member in members if isinstance(member, dict | list)]
