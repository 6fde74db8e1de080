"""A rule never becomes weaker unnoticed; what becomes stricter does not ask anybody."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.gate.policy import policy_of
from reconciler.model.document import Document
from reconciler.plan.globs import contains, fits, is_glob, may_overlap, specificity
from reconciler.plan.strictness import Strictness, compare_rules, compare_settings
from tests.requirements import requirement

APPROVALS: list[Any] = [True, "writes", False]
STRICTNESS = {"always": 2, "writes": 1, "never": 0}
NAMES = ["".join(letters) for length in (1, 2, 3, 4) for letters in product("ab", repeat=length)]
PATTERNS = st.text("ab*?", min_size=1, max_size=4) | st.sampled_from(["[ab]b", "a[!b]*", "[a]*"])


def rules(written: dict[str, Any]) -> Document:
    return Document({"mcpServers": {"s": {"command": "x", **written}}})


def compared(before: dict[str, Any], after: dict[str, Any]) -> Strictness:
    return compare_rules(rules(before).facts("s"), rules(after).facts("s"))


@requirement("PLAN-3:risk-and-marks")
@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ({}, {"requireApproval": False}, ("approval",)),
        ({}, {"requireApproval": "writes"}, ("approval",)),
        ({"requireApproval": "writes"}, {"requireApproval": False}, ("approval",)),
        ({}, {"tools": {"x": {"requireApproval": False}}}, ("approval",)),
        (
            {"requireApproval": False, "tools": {"x": {"requireApproval": True}}},
            {"requireApproval": False},
            ("approval",),
        ),
        ({"allowTools": ["a"]}, {"allowTools": ["a", "b"]}, ("the tool filter",)),
        ({"allowTools": ["a"]}, {}, ("the tool filter",)),
        ({"denyTools": ["a", "b"]}, {"denyTools": ["a"]}, ("the tool filter",)),
        ({"denyTools": ["a*"]}, {}, ("the tool filter",)),
        ({}, {"lock": "off"}, ("the lock",)),
        ({"lock": "enforce"}, {}, ("the lock",)),
        ({"protect": True}, {}, ("its protection",)),
    ],
)
def test_a_weaker_rule_is_named_and_its_opposite_is_stricter(
    before: dict[str, Any], after: dict[str, Any], weaker: tuple[str, ...]
) -> None:
    assert compared(before, after) == Strictness(weaker, ())
    assert compared(after, before) == Strictness((), weaker)
    assert compared(before, after).notes() == tuple(f"loosens {rule}" for rule in weaker)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"allowTools": ["*"]}, {}),
        ({"allowTools": ["a*"]}, {"allowTools": ["a*", "ab"]}),
        ({"denyTools": ["a*"]}, {"denyTools": ["a*", "ab*"]}),
        ({"tools": {"x": {"timeout": "3s"}}}, {"tools": {"x": {"timeout": "9s"}}}),
        ({"tools": {"get_*": {"requireApproval": True}}}, {"requireApproval": True}),
        (
            {"requireApproval": "writes", "tools": {"delete_*": {"requireApproval": True}}},
            {
                "requireApproval": "writes",
                "tools": {"delete_*": {"requireApproval": True}, "get_*": {"requireApproval": "writes"}},
            },
        ),
        (
            {"requireApproval": False, "tools": {"delete_*": {"requireApproval": True}}},
            {"requireApproval": False, "tools": {"delete*": {"requireApproval": True}}},
        ),
    ],
)
def test_what_selects_the_same_or_less_asks_nobody(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert compared(before, after).weaker == ()


@requirement("PLAN-3:risk-and-marks")
def test_a_glob_that_cuts_across_a_stricter_one_loosens() -> None:
    strict = {"delete_*": {"requireApproval": True}}
    cutting = {"*elete_issue*": {"requireApproval": False}}
    before = {"requireApproval": False, "tools": strict}
    assert compared(before, {"requireApproval": False, "tools": strict | cutting}).weaker == ("approval",)
    assert compared({"requireApproval": False, "tools": strict | cutting}, before).weaker == ()


TOOL_RULES = st.dictionaries(
    PATTERNS, st.fixed_dictionaries({"requireApproval": st.sampled_from(APPROVALS)}), max_size=3
)
POLICIES = st.fixed_dictionaries(
    {"requireApproval": st.sampled_from(APPROVALS), "tools": TOOL_RULES},
    optional={"allowTools": st.lists(PATTERNS, max_size=2), "denyTools": st.lists(PATTERNS, max_size=2)},
)


@requirement("PLAN-3:risk-and-marks")
@settings(max_examples=500, deadline=None)
@given(POLICIES, POLICIES)
def test_no_tool_is_treated_less_strictly_without_a_mark(before: dict[str, Any], after: dict[str, Any]) -> None:
    weaker = compared(before, after).weaker
    old, new = (policy_of(rules(written), "s", frozenset()) for written in (before, after))
    for name in NAMES:
        if "the tool filter" not in weaker:
            assert old.offers(name) or not new.offers(name), name
        if "approval" not in weaker:
            assert STRICTNESS[new.answer(name).approval] >= STRICTNESS[old.answer(name).approval], name


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS)
def test_globs_contain_and_overlap_as_their_tools_do(one: str, other: str) -> None:
    selected, also = ({name for name in NAMES if fits(name, pattern)} for pattern in (one, other))
    if contains(one, other):
        assert also <= selected
    if not may_overlap(one, other):
        assert not selected & also
    if not is_glob(one):
        assert specificity(one) > specificity(other) or not is_glob(other)


def settings_compared(before: dict[str, Any], after: dict[str, Any]) -> Strictness:
    return compare_settings(before, after)


@requirement("PLAN-3:risk-and-marks")
@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ({}, {"defaults": {"requireApproval": "writes"}}, ("approval",)),
        ({}, {"groups": {"dev": {"requireApproval": False}}}, ("approval",)),
        (
            {"defaults": {"requireApproval": False}, "groups": {"dev": {"requireApproval": True}}},
            {"defaults": {"requireApproval": False}},
            ("approval",),
        ),
        ({}, {"lock": "off"}, ("the lock",)),
        ({"approvals": {"via": ["page"]}}, {}, ("who may approve",)),
        ({}, {"approvals": {"keep": "24h"}}, ("how long approvals wait",)),
    ],
)
def test_weaker_settings_are_named_and_their_opposite_is_stricter(
    before: dict[str, Any], after: dict[str, Any], weaker: tuple[str, ...]
) -> None:
    assert settings_compared(before, after) == Strictness(weaker, ())
    assert settings_compared(after, before) == Strictness((), weaker)


def test_settings_that_are_no_rules_are_neither_weaker_nor_stricter() -> None:
    assert (
        settings_compared({}, {"groups": {"dev": {"name": "Dev"}}, "approvals": {"remember": "file"}}) == Strictness()
    )
