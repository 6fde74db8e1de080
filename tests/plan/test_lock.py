"""Pins against what a server shows: what is accepted, and what an enforced lock keeps back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gate.withheld import why_withheld
from reconciler.model.pins import Drifted, Identity, Pins, ServerPins, Surface
from reconciler.model.server import Lock
from reconciler.plan.lock import Verdicts, Withheld, compare, mode_of, pins_from, withhold, withhold_all
from reconciler.plan.render.lock import drift_text
from reconciler.problems import Problem
from tests.definitions import TOOL, lock_of, mutations, pins_of, reordered
from tests.requirements import requirement

LAUNCH = "sha256:launch"
OTHER: dict[str, Any] = {"name": "other", "inputSchema": {"type": "object"}}


def surface(*tools: dict[str, Any], launch: str | None = LAUNCH, instructions: str | None = None) -> Surface:
    return Surface({"tool": tools}, instructions, launch)


def enforced(pinned: ServerPins | None, shown: Surface) -> Withheld:
    return withhold(compare(pinned, shown), "s")


def callable_tools(withheld: Withheld, *names: str) -> list[str]:
    return [name for name in names if why_withheld(withheld, "tools/call", {"name": name}) is None]


@requirement("GATE-3:enforced", "GATE-3:pins")
def test_of_ten_thousand_definitions_with_one_changed_field_none_can_be_called() -> None:
    pinned = pins_of([TOOL, OTHER])
    passed = []
    for mutated in mutations(TOOL, 10_000):
        name = mutated.get("name")
        names = {"search", name} if isinstance(name, str) else {"search"}
        passed += callable_tools(enforced(pinned, surface(mutated, OTHER)), *(names - {"other"}))
    assert passed == []


@requirement("GATE-3:enforced")
def test_what_is_as_pinned_can_be_called_in_whichever_order_it_comes() -> None:
    withheld = enforced(pins_of([TOOL, OTHER]), surface(OTHER, reordered(TOOL)))
    assert (withheld.server, withheld.entries, withheld.instructions) == (None, {}, False)
    assert callable_tools(withheld, "search", "other", "third") == ["search", "other"]


@requirement("GATE-3:enforced")
def test_a_new_name_for_an_accepted_tool_is_a_new_tool() -> None:
    verdicts = compare(pins_of([TOOL]), surface({**TOOL, "name": "search2"}))
    assert verdicts.of("tool") == {"search": "gone", "search2": "new"}
    assert callable_tools(withhold(verdicts, "s"), "search", "search2") == []


@requirement("GATE-3:enforced")
def test_a_tool_that_went_and_came_back_as_it_was_is_the_pinned_one() -> None:
    pinned = pins_of([TOOL, OTHER])
    assert callable_tools(enforced(pinned, surface(OTHER)), "search", "other") == ["other"]
    assert callable_tools(enforced(pinned, surface(OTHER, TOOL)), "search", "other") == ["search", "other"]


def test_two_definitions_of_one_name_pass_only_when_both_are_the_pinned_one() -> None:
    prompt, twin = {"name": "p", "description": "one"}, {"name": "p", "description": "two"}
    pinned = pins_from(Surface({"prompt": [prompt]}, None, LAUNCH), Identity())[0]
    for shown in ([prompt, twin], [twin, prompt]):
        assert compare(pinned, Surface({"prompt": shown}, None, LAUNCH)).of("prompt") == {"p": "changed"}
    assert compare(pinned, Surface({"prompt": [prompt, dict(prompt)]}, None, LAUNCH)).drift == ()


def test_a_definition_without_a_name_is_never_accepted() -> None:
    nameless: dict[str, Any] = {"description": "x"}
    pinned, left_out = pins_from(Surface({"prompt": [nameless, {"name": 7}]}, None, LAUNCH), Identity())
    assert (pinned.of("prompt"), left_out) == ({}, (("prompt", ""), ("prompt", "")))
    withheld = enforced(pinned, Surface({"prompt": [nameless]}, None, LAUNCH))
    assert why_withheld(withheld, "prompts/get", {"name": ""}) is not None


def test_the_same_definition_twice_is_pinned_once() -> None:
    pinned, left_out = pins_from(surface(OTHER, dict(OTHER)), Identity())
    assert ([*pinned.of("tool")], left_out) == (["other"], ())


def test_what_is_launched_is_part_of_the_drift() -> None:
    assert compare(pins_of([]), surface(launch="sha256:else")).drift == (Drifted("launch", "", "changed"),)
    assert compare(pins_of([]), surface(launch=None)).drift == (Drifted("launch", "", "gone"),)
    assert compare(pins_of([]), surface(instructions="sha256:i")).drift == (Drifted("instructions", "", "new"),)


def test_what_is_no_json_or_repeats_a_secret_is_not_pinned() -> None:
    odd, telling = {"name": "odd", "x": float("inf")}, {"name": "telling", "description": "uses hunter2"}
    pinned, left_out = pins_from(surface(odd, telling, OTHER), Identity(), lambda text: "hunter2" in text)
    assert ([*pinned.of("tool")], left_out) == (["other"], (("tool", "odd"), ("tool", "telling")))
    assert callable_tools(enforced(pinned, surface(odd, telling, OTHER)), "odd", "telling", "other") == ["other"]


@requirement("GATE-3:enforced")
def test_another_launch_or_an_unknown_server_keeps_everything_back() -> None:
    for pinned, launch in ((pins_of([TOOL]), "sha256:else"), (pins_of([TOOL]), None), (pins_of([TOOL], None), LAUNCH)):
        withheld = enforced(pinned, surface(TOOL, launch=launch))
        assert "what is launched" in str(withheld.server)
        assert callable_tools(withheld, "search") == []
        assert why_withheld(withheld, "resources/read", {"uri": "file:///x"}) == withheld.server
    unknown = enforced(None, surface(TOOL))
    assert "`reconciler lock --update s`" in str(unknown.server)
    assert (unknown.of("tool"), unknown.accepted) == ({"search": unknown.server}, frozenset())


@requirement("GATE-3:broken-lock")
def test_a_lock_that_cannot_be_used_keeps_everything_back() -> None:
    withheld = withhold_all(compare(None, surface(TOOL)), "it is broken")
    assert withheld.of("tool") == {"search": "it is broken"}
    assert callable_tools(withheld, "search", "else") == []
    assert withheld.instructions


def test_changed_and_new_instructions_are_kept_back_and_those_that_are_gone_cannot_be() -> None:
    told = pins_from(Surface({}, "sha256:told", LAUNCH), Identity())[0]
    silent = pins_from(Surface({}, None, LAUNCH), Identity())[0]
    cases = [
        (told, "sha256:told", False),
        (told, "sha256:new", True),
        (told, None, False),
        (silent, "sha256:new", True),
    ]
    for pinned, now, kept in cases:
        assert enforced(pinned, surface(instructions=now)).instructions is kept


@pytest.mark.parametrize(
    ("written", "exists", "broken", "holds"),
    [
        ("off", True, False, "off"),
        ("off", False, False, "off"),
        ("warn", False, False, "off"),
        ("warn", True, False, "warn"),
        ("warn", True, True, "warn"),
        ("enforce", True, False, "enforce"),
        ("enforce", False, False, "enforce"),
        ("enforce", True, True, "enforce"),
    ],
)
@requirement("GATE-3:broken-lock")
def test_what_holds_depends_on_the_lock_only_where_nothing_is_enforced(
    written: Lock, exists: bool, broken: bool, holds: Lock
) -> None:
    problems = (Problem("error", "x", "x", "x"),) if broken else ()
    assert mode_of(written, Pins("sha256:x" if exists else None, {}, problems)) == holds


def test_the_default_keeps_back_nothing() -> None:
    assert [why_withheld(Withheld(), method, {}) for method in ("tools/call", "prompts/get", "resources/read")] == [
        None
    ] * 3


NAMES = st.sampled_from(["a", "b", "c", "d"])
TOOLS = st.dictionaries(NAMES, st.integers(0, 2), max_size=4)


@given(TOOLS, TOOLS)
@requirement("GATE-3:enforced")
def test_a_tool_passes_exactly_when_its_definition_is_the_pinned_one(
    before: dict[str, int], now: dict[str, int]
) -> None:
    def tools(given: dict[str, int]) -> list[dict[str, Any]]:
        return [{"name": name, "x": value} for name, value in given.items()]

    verdicts = compare(pins_of(tools(before)), surface(*tools(now)))
    withheld = withhold(verdicts, "s")
    same = {name for name in now if before.get(name) == now[name]}
    assert set(callable_tools(withheld, *"abcd")) == same
    assert {name for name, state in verdicts.of("tool").items() if state == "accepted"} == same
    assert verdicts.of("tool").keys() == before.keys() | now.keys()
    assert {each.name for each in verdicts.drift} == (before.keys() | now.keys()) - same


@given(TOOLS)
def test_what_was_just_accepted_does_not_drift(now: dict[str, int]) -> None:
    shown = surface(*({"name": name, "x": value} for name, value in now.items()), instructions="sha256:i")
    pinned, left_out = pins_from(shown, Identity())
    assert (compare(pinned, shown), left_out) == (Verdicts({("tool", n): "accepted" for n in now}), ())


def test_drift_is_told_in_one_line_whatever_the_names_are() -> None:
    many = [Drifted("tool", f"t{number}", "new") for number in range(7)]
    hostile = [Drifted("prompt", f"a\u202e\n{'x' * 100}", "changed")]
    text = drift_text([Drifted("server", "", "new"), Drifted("instructions", "", "gone"), *many, *hostile])
    assert text.startswith("new to the lock, its instructions are gone, 7 tools new (t0, t1, t2, t3, t4 and 2 more), ")
    assert "1 prompt changed (a\\u202e\\nxxx" in text
    assert text.isprintable()
    assert len(text) < 250


def test_a_lock_of_other_servers_says_nothing_of_this_one() -> None:
    assert compare(lock_of(other=pins_of([TOOL])).servers.get("s"), surface(TOOL)).known is False
