"""RFC 8785: numbers as ECMAScript prints them, members by UTF-16 code units, and digests that never move."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.canonical import canonical, digest
from reconciler.merge_patch import equal

NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
"""RFC 8785 Appendix B: the bits of a double and how it is written."""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("bits", "written"), NUMBERS.items())
def test_a_double_is_written_as_ecmascript_writes_it(bits: str, written: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == written


@pytest.mark.parametrize(
    ("value", "written"), [(1, "1"), (1.0, "1"), (-5, "-5"), (0.5, "0.5"), (100.25, "100.25"), (1e-7, "1e-7")]
)
def test_a_number_is_written_by_its_value(value: float, written: str) -> None:
    assert canonical(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_survives(number: float) -> None:
    assert float(canonical(number)) == number


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 2**53, -(2**53)])
def test_a_number_that_json_cannot_hold_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"JSON|canonical"):
        canonical({"a": number})


def test_what_is_no_json_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"set is not"):
        canonical({1})


def test_members_are_sorted_by_utf16_code_units() -> None:
    # U+1F600 begins with the surrogate D83D, which comes before U+FB33
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(canonical(value))) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_texts_keep_their_characters_and_only_controls_are_escaped() -> None:
    assert canonical("\u20ac$\u000f\nA'\"\\\x7f") == '"\u20ac$\\u000f\\nA\'\\"\\\\\x7f"'


def test_words_lists_and_tuples() -> None:
    assert canonical([None, True, False, (1, "a"), {}]) == '[null,true,false,[1,"a"],{}]'


def test_a_digest_never_moves() -> None:
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert digest({"b": 1, "a": 2.0}) == digest({"a": 2, "b": 1.0})
    assert digest("\ud800") != digest("\ud801")


@settings(deadline=None)
@given(VALUES, VALUES)
def test_equal_values_and_only_they_are_written_alike(left: Any, right: Any) -> None:
    assert equal(json.loads(canonical(left), parse_int=float), left)
    assert (canonical(left) == canonical(right)) == equal(left, right)
