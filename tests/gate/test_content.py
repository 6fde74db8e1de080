"""What a yes is bound to: equal calls are one, and everything else is another."""

from __future__ import annotations

import json
import math
import os
import unicodedata
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.canonical import canonical
from reconciler.gate.content import Content, canonical_arguments, read_canonical
from reconciler.gate.principal import Refused
from tests.requirements import requirement

pytestmark = requirement("GATE-2:content-bound")

MANY = settings(max_examples=int(os.environ.get("EXAMPLES", "200")))
"""`EXAMPLES=10000 pytest tests/gate/test_content.py` is the campaign."""

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def content(arguments: dict[str, Any], **others: str) -> Content:
    facts = {"principal": "p", "server": "s", "spec": "sha256:1", "definition": "sha256:2", "tool": "t"}
    return Content(**{**facts, **others}, arguments=canonical_arguments(arguments))


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one: numbers by value, everything else by kind and content."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and one == other
    return isinstance(one, int | float) and isinstance(other, int | float) and float(one) == float(other)


def shuffled(value: Any) -> Any:
    """The same value, written otherwise: members in another order, whole numbers with a point."""
    if isinstance(value, dict):
        return {key: shuffled(member) for key, member in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


@MANY
@given(ARGUMENTS)
def test_key_order_and_the_way_a_number_is_written_make_no_difference(arguments: dict[str, Any]) -> None:
    assert content(arguments).hash == content(shuffled(arguments)).hash


@MANY
@given(ARGUMENTS, ARGUMENTS)
def test_two_calls_have_one_hash_exactly_when_their_arguments_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (content(one).hash == content(other).hash) == same(one, other)


@MANY
@given(ARGUMENTS, st.data())
def test_a_change_of_one_place_is_another_call(arguments: dict[str, Any], data: st.DataObject) -> None:
    assume(arguments)
    place = data.draw(st.sampled_from(sorted(arguments)))
    value = data.draw(VALUES)
    assume(not same(value, arguments[place]))
    assert content(arguments).hash != content({**arguments, place: value}).hash
    assert content(arguments).hash != content({key: each for key, each in arguments.items() if key != place}).hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, "1"),
        (True, "true"),
        (0, False),
        (0, None),
        (None, "null"),
        ([], {}),
        ("", None),
        ("\u00e9", unicodedata.normalize("NFD", "\u00e9")),
        ("K", "\u212a"),
        ("a", "a\u200b"),
        (1e21, 1e20),
        (9007199254740991, 9007199254740990),
    ],
)
def test_values_that_look_alike_are_not_the_same(one: Any, other: Any) -> None:
    assert content({"x": one}).hash != content({"x": other}).hash


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (0.0, -0.0), (1e2, 100), (1e-7, 0.0000001)])
def test_a_number_is_the_same_however_it_is_written(one: float, other: float) -> None:
    assert content({"x": one}).hash == content({"x": other}).hash


@pytest.mark.parametrize("field", ["principal", "server", "spec", "definition", "tool"])
def test_everything_else_of_the_call_is_bound_too(field: str) -> None:
    assert content({}).hash != content({}, **{field: "another"}).hash


def test_what_stands_in_one_field_does_not_pass_for_another() -> None:
    assert content({}, server="a", tool="b").hash != content({}, server="b", tool="a").hash
    assert content({}, principal='p","server":"x').hash != content({}, principal="p", server="x").hash


@MANY
@given(ARGUMENTS)
def test_what_is_sent_is_what_was_bound(arguments: dict[str, Any]) -> None:
    text = canonical_arguments(arguments)
    sent = read_canonical(text)
    assert canonical(sent) == text
    assert same(json.loads(json.dumps(sent)), arguments)


@MANY
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives(number: float) -> None:
    sent = read_canonical(canonical_arguments({"x": number}))["x"]
    assert float(sent) == number
    assert canonical({"x": sent}) == canonical({"x": number})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"x": math.nan}, "NaN"),
        ({"x": math.inf}, "infinity"),
        ({"x": 2**60}, r"2\^53"),
        ({"x": {1, 2}}, "set"),
        ({"x": "\ud800"}, "half a character"),
        ({"\udfff": 1}, "half a character"),
    ],
)
def test_arguments_that_cannot_be_bound_are_refused(arguments: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=f"no canonical form: .*{why}") as refused:
        canonical_arguments(arguments)
    assert refused.value.code == "bad-arguments"
