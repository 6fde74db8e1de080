"""RFC 7396: its own vectors, and the laws that plans and edits rest on."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.merge_patch import NoMergePatch, apply, diff, equal
from tests.requirements import requirement

pytestmark = pytest.mark.long

VECTORS: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
"""RFC 7396 Appendix A: target, patch, result."""

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES: st.SearchStrategy[Any] = st.sampled_from([True, False, 0, 1, 1.0, 2, "", "x"])


def values(*, null: bool) -> st.SearchStrategy[Any]:
    leaves = LEAVES | st.none() if null else LEAVES
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner | st.none(), max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    )


def objects(*, null: bool) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(KEYS, values(null=null), max_size=3)


ANY = values(null=True)
LAW = settings(max_examples=300, deadline=None)


@requirement("PLAN-1:null-removes")
@pytest.mark.parametrize(("target", "patch", "result"), VECTORS)
def test_the_vectors_of_the_rfc_hold(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((target, patch))
    assert equal(apply(target, patch), result)
    assert (target, patch) == before


@requirement("PLAN-1:null-removes")
def test_null_in_a_patch_removes_the_server() -> None:
    written = {"mcpServers": {"github": {"command": "npx"}, "docs": {"url": "https://example.com/mcp"}}}
    assert apply(written, {"mcpServers": {"github": None}}) == {"mcpServers": {"docs": written["mcpServers"]["docs"]}}


@LAW
@given(ANY, values(null=False))
def test_the_patch_between_two_values_leads_from_one_to_the_other(before: Any, after: Any) -> None:
    assert equal(apply(before, diff(before, after)), after)


@LAW
@given(objects(null=False), objects(null=False))
def test_the_patch_back_undoes_the_patch(before: dict[str, Any], after: dict[str, Any]) -> None:
    there, back = diff(before, after), diff(after, before)
    assert equal(apply(apply(before, there), back), before)


@LAW
@given(objects(null=True))
def test_the_patch_between_equal_objects_is_empty(value: dict[str, Any]) -> None:
    assert diff(value, copy.deepcopy(value)) == {}


@LAW
@given(ANY, ANY)
def test_applying_a_patch_twice_is_applying_it_once(target: Any, patch: Any) -> None:
    once = apply(target, patch)
    assert equal(apply(once, patch), once)


@LAW
@given(ANY, ANY)
def test_neither_the_target_nor_the_patch_changes(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    apply(target, patch)
    assert equal(list(before), [target, patch])


@LAW
@given(objects(null=False), objects(null=False))
def test_no_member_of_the_patch_could_be_left_out(before: dict[str, Any], after: dict[str, Any]) -> None:
    patch = diff(before, after)
    for smaller in with_one_member_less(patch):
        assert not equal(apply(before, smaller), after)


def with_one_member_less(patch: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for key, member in patch.items():
        rest = {name: value for name, value in patch.items() if name != key}
        found.append(rest)
        if isinstance(member, dict):
            found += [{**rest, key: smaller} for smaller in with_one_member_less(member)]
    return found


@LAW
@given(objects(null=True), objects(null=True))
def test_there_is_no_patch_exactly_where_a_null_would_have_to_appear(before: Any, after: Any) -> None:
    path = new_null(before, after, ())
    if path is None:
        assert equal(apply(before, diff(before, after)), after)
    else:
        with pytest.raises(NoMergePatch) as refused:
            diff(before, after)
        assert refused.value.path in all_new_nulls(before, after, ())
        assert "/".join(refused.value.path) in str(refused.value)


def new_null(before: Any, after: Any, path: tuple[str, ...]) -> tuple[str, ...] | None:
    return next(iter(all_new_nulls(before, after, path)), None)


def all_new_nulls(before: Any, after: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Where `after` has a null member that `before` does not have at the same place."""
    if not isinstance(after, dict):
        return []
    known = before if isinstance(before, dict) else {}
    found = [
        (*path, key) for key, value in after.items() if value is None and not (key in known and known[key] is None)
    ]
    for key, value in after.items():
        found += all_new_nulls(known.get(key), value, (*path, key))
    return found


def test_a_null_in_an_array_can_appear() -> None:
    assert diff({}, {"a": [None, {"b": None}]}) == {"a": [None, {"b": None}]}


def test_a_null_that_was_there_stays() -> None:
    assert diff({"e": None, "a": 1}, {"e": None, "a": 2}) == {"a": 2}


def test_a_value_that_is_no_object_is_its_own_patch() -> None:
    assert diff({"a": 1}, [1]) == [1]
    assert diff([1], {"a": 1}) == {"a": 1}
    with pytest.raises(NoMergePatch):
        diff([1], {"a": {"b": None}})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (True, 1),
        (False, 0),
        ("1", 1),
        (None, False),
        ([], {}),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        (None, 0),
        ("", None),
    ],
)
def test_values_of_different_types_are_not_equal(left: Any, right: Any) -> None:
    assert not equal(left, right)
    assert not equal(right, left)
    assert apply({"a": left}, diff({"a": left}, {"a": right} if right is not None else {})) == (
        {"a": right} if right is not None else {}
    )


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (None, None), ("a", "a"), ([1, {"a": 2.0}], [1.0, {"a": 2}])])
def test_numbers_are_equal_by_value(left: Any, right: Any) -> None:
    assert equal(left, right)
    assert diff({"a": left}, {"a": right}) == {}


@LAW
@given(ANY, ANY)
def test_equality_goes_both_ways(left: Any, right: Any) -> None:
    assert equal(left, left)
    assert equal(left, right) == equal(right, left)


@LAW
@given(objects(null=False), objects(null=False))
def test_patches_that_touch_different_members_can_be_applied_in_either_order(one: Any, other: Any) -> None:
    assume(not one.keys() & other.keys())
    target = {"a": 1, "b": {"c": 2}}
    assert equal(apply(apply(target, one), other), apply(apply(target, other), one))
