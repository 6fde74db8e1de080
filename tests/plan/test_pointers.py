"""JSON pointers, and the leaves in which two values differ."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.plan.pointers import at, differing, pointer, tokens

VALUES = st.recursive(
    st.booleans() | st.integers(0, 2) | st.sampled_from("ab"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b/c", "~d"]), inner, max_size=3),
    max_leaves=8,
)


def test_a_pointer_escapes_slashes_and_tildes() -> None:
    assert pointer(("env", "A/B~C", 1)) == "/env/A~1B~0C/1"
    assert tokens("/env/A~1B~0C/1") == ("env", "A/B~C", "1")
    assert pointer(()) == ""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("a", "b", 1), 3),
        (("a", "b", "1"), 3),
        (("a", "b", 2), None),
        (("a", "x"), None),
        (("a", "b", "c"), None),
        (("a", "b", 1, "c"), None),
        ((), {"a": {"b": [2, 3]}}),
    ],
)
def test_what_stands_at_a_path_is_found(path: tuple[str | int, ...], found: Any) -> None:
    assert at({"a": {"b": [2, 3]}}, path) == found


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (["a", "b"], ["a", "c"], [((1,), "b", "c")]),
        (["a", "c"], ["a", "b", "c"], [((1,), None, "b")]),
        (["a", "b", "c"], ["a", "c"], [((1,), "b", None)]),
        (["a", "b", "c"], ["x", "c"], [((0,), "a", "x"), ((1,), "b", None)]),
        (["a", "x", "b"], ["c", "x", "d"], [((0,), "a", "c"), ((2,), "b", "d")]),
        (["a"], ["a", "a"], [((1,), None, "a")]),
        ({"a": 1}, {"a": {"b": 1}}, [(("a",), 1, {"b": 1})]),
        (None, {"a": {"b": 1}}, [(("a", "b"), None, 1)]),
        ({"a": {"b": 1}}, None, [(("a", "b"), 1, None)]),
        (None, {}, [((), None, {})]),
        ([1], None, [((), [1], None)]),
        ({"A": {"forward": True}}, {"A": "x"}, [(("A",), {"forward": True}, "x")]),
        (None, {"A": {"forward": True}}, [(("A",), None, {"forward": True})]),
        ([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], [((0, "b"), 2, 3)]),
    ],
)
def test_differences_are_named_as_small_as_can_be(before: Any, after: Any, expected: list[Any]) -> None:
    assert list(differing(before, after)) == expected


@given(VALUES, VALUES)
def test_values_differ_where_it_is_said_and_nowhere_when_equal(before: Any, after: Any) -> None:
    assert list(differing({"x": before}, {"x": before})) == []
    for path, old, new in differing({"x": before}, {"x": after}):
        assert path[0] == "x"
        assert old is None or at({"x": before}, path) == old
        assert new is None or at({"x": after}, path) == new
