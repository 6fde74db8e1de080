"""RFC 8785 canonical JSON and the digests built on it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_SAFE_INTEGER = 2**53 - 1
_FIRST_SURROGATE = "\ud800"
"""Below it, code points and UTF-16 code units sort alike."""


def _refuse(_: str) -> None:
    raise ValueError


def _refuse_long(text: str) -> int:
    if len(text) > 15:
        raise ValueError
    return int(text)


_QUOTE: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_CHECK_NUMBERS = json.JSONDecoder(parse_float=_refuse, parse_int=_refuse_long, parse_constant=_refuse).decode
"""Raises ValueError where a number may have another canonical form than the one it has."""
_MAY_HOLD_SUCH = re.compile(r"(?:^|[:,\[])-?(?:[0-9]+[.eE]|[0-9]{16}|NaN|Infinity)").search
"""Tells much faster that there is no such number; what looks like one may still be inside a string."""


def canonical(value: Any) -> str:
    """`value` as RFC 8785 JSON: members sorted by UTF-16 code units, ECMAScript numbers, no spaces.

    Raises ValueError for NaN, infinity and integers that a double cannot hold (section 3.2.2.3), and TypeError for
    what is no JSON value.
    """
    try:
        text = _ENCODE(value)
        if _MAY_HOLD_SUCH(text):
            _CHECK_NUMBERS(text)
    except ValueError:
        return _canonical(value)
    return text if text.isascii() or max(text) < _FIRST_SURROGATE else _canonical(value)


def canonical_object(members: Mapping[str, str]) -> str:
    """The canonical object whose members are canonical texts already."""
    return "{" + ",".join(f"{_QUOTE(name)}:{members[name]}" for name in sorted(members, key=_units)) + "}"


def _units(name: str) -> bytes:
    """What members are sorted by."""
    return name.encode("utf-16-be", "surrogatepass")


def _canonical(value: Any) -> str:
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return _number(value)
        case dict():
            return canonical_object({name: _canonical(member) for name, member in value.items()})
        case _:  # a list or a tuple: the encoder has refused everything else
            return "[" + ",".join(map(_canonical, value)) + "]"


def digest(value: Any) -> str:
    """`sha256:` and the hex SHA-256 of the canonical JSON."""
    return digest_of_canonical(canonical(value))


def digest_of_canonical(text: str) -> str:
    """The digest of a value whose canonical JSON is known."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _number(value: int | float) -> str:
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise ValueError("integers beyond 2^53-1 have no canonical form")
        return str(value)
    if not math.isfinite(value):
        raise ValueError("NaN and infinity are not JSON")
    return _ecmascript(value)


def _ecmascript(value: float) -> str:
    """ECMA-262 Number::toString for a finite double (RFC 8785 section 3.2.2.3)."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, exponent = _shortest(abs(value))
    point = exponent + 1
    if 0 < point <= 21:
        whole = digits.ljust(point, "0")
        return sign + whole[:point] + (f".{whole[point:]}" if whole[point:] else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    mantissa = digits[0] + (f".{digits[1:]}" if digits[1:] else "")
    return f"{sign}{mantissa}e{'+' if exponent >= 0 else '-'}{abs(exponent)}"


def _shortest(value: float) -> tuple[str, int]:
    """Shortest round-trip digits and the decimal exponent of the first one."""
    mantissa, _, power = f"{value!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole) if whole != "0" else -(len(fraction) - len(fraction.lstrip("0")))
    return digits.rstrip("0") or "0", leading - 1 + int(power or 0)
