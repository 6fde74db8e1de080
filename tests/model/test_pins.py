"""What a definition is pinned by."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.document import Document
from reconciler.model.pins import definition_digest, launch_pin, one_line, pin_of, text_pin
from tests.definitions import TOOL, mutations, reordered
from tests.requirements import requirement

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@requirement("GATE-3:pins")
def test_the_order_of_members_and_the_way_a_number_is_written_mean_nothing() -> None:
    same = reordered(TOOL)
    same["inputSchema"]["properties"]["limit"]["maximum"] = 10.0
    assert list(same) != list(TOOL)
    assert definition_digest(same) == definition_digest(TOOL)


@requirement("GATE-3:pins")
def test_only_the_meta_at_the_top_may_change_freely() -> None:
    assert definition_digest({**TOOL, "_meta": {"else": 1}}) == definition_digest(TOOL)
    assert "_meta" not in pin_of(TOOL).definition
    deeper = copy.deepcopy(TOOL)
    deeper["vendorField"]["_meta"] = 1
    assert definition_digest(deeper) != definition_digest(TOOL)


@requirement("GATE-3:pins")
def test_ten_thousand_changes_of_one_field_are_ten_thousand_other_digests() -> None:
    digest = definition_digest(TOOL)
    assert [each for each in mutations(TOOL, 10_000) if definition_digest(each) == digest] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (1, "1"), (None, "null"), ([], {}), ("", None), (2**53, 2**53 + 1), (0.1, 0.1000000001)],
)
def test_values_of_different_kinds_are_different(one: Any, other: Any) -> None:
    assert definition_digest({"name": "a", "x": one}) != definition_digest({"name": "a", "x": other})


def test_a_member_that_is_null_is_not_a_member_that_is_absent() -> None:
    assert definition_digest({"name": "a", "x": None}) != definition_digest({"name": "a"})


@given(st.dictionaries(st.text(), JSON, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_equal_digests_and_equal_lines_are_the_same_thing(one: dict[str, Any], other: dict[str, Any]) -> None:
    lines = one_line(pin_of(one).definition) == one_line(pin_of(other).definition)
    assert (definition_digest(one) == definition_digest(other)) == lines


@pytest.mark.parametrize("number", [2**53, -(2**80), 10**400])
def test_numbers_beyond_a_double_are_pinned_by_their_digits(number: int) -> None:
    one, other = {"name": "a", "x": number}, {"name": "a", "x": number + 1}
    assert definition_digest(one) != definition_digest(other)
    assert str(number) in one_line(one)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_json_has_a_digest_and_no_line(number: float) -> None:
    assert definition_digest({"name": "a", "x": number}).startswith("sha256:")
    with pytest.raises(ValueError, match="JSON"):
        one_line({"x": number})


def test_no_instructions_are_pinned_by_nothing() -> None:
    assert (text_pin(None), text_pin("")) == (None, None)
    assert text_pin("be kind") != text_pin("be  kind")


def launched(server: dict[str, Any], hide: Any = lambda text: f"keyed {text}") -> str | None:
    return launch_pin(Document({"mcpServers": {"s": server}}, "demo", hide).launch("s"))


@requirement("GATE-3:left-alone")
def test_a_launch_is_pinned_alike_on_every_machine_whatever_its_key_and_its_secrets() -> None:
    server = {"command": "npx", "args": ["a@1"], "env": {"TOKEN": "one", "MODE": "${env:MODE}"}}
    pin = launched(server)
    assert pin == launched(server, lambda text: f"other {text}")
    assert pin == launched({**server, "env": {"TOKEN": "two", "MODE": "${env:MODE}"}})
    for edit in ({"enabled": False}, {"name": "S"}, {"requireApproval": False}, {"lock": "enforce"}, {"group": "g"}):
        assert pin == launched({**server, **edit})
    for change in ({"command": "uvx"}, {"args": ["a@2"]}, {"env": {"TOKEN": "one"}}, {"cwd": "x"}):
        assert pin != launched({**server, **change})


def test_what_launches_nothing_is_pinned_by_nothing() -> None:
    assert launched({"mock": {"tools": []}}) is None
    assert launched({"url": "https://a.example/mcp"}) != launched({"url": "https://b.example/mcp"})
