"""Whether a call asks a person, and which line of the file says so, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.gate.policy import Policy, policy_of
from reconciler.model.document import Document
from tests.requirements import requirement

pytestmark = requirement("GATE-2:gate-decides")

SERVER = ("mcpServers", "a", "requireApproval")
GROUP = ("groups", "dev", "requireApproval")
DEFAULTS = ("defaults", "requireApproval")


def tool(pattern: str) -> tuple[str, ...]:
    return ("mcpServers", "a", "tools", pattern, "requireApproval")


def policy(server: dict[str, Any], *, read_only: tuple[str, ...] = (), **settings: Any) -> Policy:
    written = {"version": 1, **settings, "mcpServers": {"a": {"command": "x", **server}}}
    return policy_of(Document(written), "a", frozenset(read_only))


NEAREST = [
    # server, settings, asks, by
    ({}, {}, True, ()),
    ({"requireApproval": False}, {}, False, SERVER),
    ({"requireApproval": True}, {"defaults": {"requireApproval": False}}, True, SERVER),
    ({}, {"defaults": {"requireApproval": False}}, False, DEFAULTS),
    ({}, {"defaults": {"requireApproval": True}}, True, DEFAULTS),
    ({}, {"defaults": {"timeouts": {"call": "1s"}}}, True, ()),
    ({"group": "dev"}, {"groups": {"dev": {"requireApproval": False}}}, False, GROUP),
    ({"group": "dev"}, {"groups": {"dev": {}}, "defaults": {"requireApproval": False}}, False, DEFAULTS),
    ({"group": "none"}, {"groups": {"dev": {"requireApproval": False}}}, True, ()),
    ({}, {"groups": {"dev": {"requireApproval": False}}}, True, ()),
    (
        {"group": "dev"},
        {"groups": {"dev": {"requireApproval": True}}, "defaults": {"requireApproval": False}},
        True,
        GROUP,
    ),
    ({"group": "dev", "requireApproval": False}, {"groups": {"dev": {"requireApproval": True}}}, False, SERVER),
    ({"tools": {"echo": {"requireApproval": False}}}, {}, False, tool("echo")),
    ({"tools": {"echo": {"requireApproval": True}}, "requireApproval": False}, {}, True, tool("echo")),
    ({"tools": {"other": {"requireApproval": False}}}, {}, True, ()),
    ({"tools": {"Echo": {"requireApproval": False}}}, {}, True, ()),
    ({"tools": {"echo": {"timeout": "1s"}}, "requireApproval": False}, {}, False, SERVER),
]


@pytest.mark.parametrize(("server", "settings", "asks", "by"), NEAREST)
def test_the_nearest_word_decides_and_without_one_a_call_asks(
    server: dict[str, Any], settings: dict[str, Any], asks: bool, by: tuple[str, ...]
) -> None:
    answer = policy(server, **settings).answer("echo")
    assert (answer.asks, answer.by) == (asks, by)


SPECIFIC = [
    # the patterns, of which the first decides about delete_file
    ("delete_file", "delete_*", "*"),
    ("delete_*", "*_file", "*"),
    ("delete_fil?", "delete_*"),
    ("delete_[fg]ile", "delete_*"),
    ("*_file", "*"),
    ("d*", "*"),
    ("delete_file", "delete_fil?"),
    ("delete_*", "create_file_of_a_long_name", "*"),
    ("*e_file", "*_file"),
]


@pytest.mark.parametrize("patterns", SPECIFIC)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_most_specific_pattern_decides_wherever_it_stands(patterns: tuple[str, ...], backwards: bool) -> None:
    rules = [(pattern, {"requireApproval": pattern == patterns[0]}) for pattern in patterns]
    answer = policy({"tools": dict(rules[::-1] if backwards else rules)}).answer("delete_file")
    assert (answer.asks, answer.by) == (True, tool(patterns[0]))


def test_of_two_equally_specific_patterns_the_text_decides_and_not_the_order() -> None:
    one, other = {"a*": {"requireApproval": True}}, {"*a": {"requireApproval": False}}
    answers = [policy({"tools": tools}).answer("aba") for tools in ({**one, **other}, {**other, **one})]
    assert answers[0] == answers[1]
    assert answers[0].asks


def test_a_rule_that_says_nothing_about_approval_hides_none_that_does() -> None:
    tools = {"echo": {"timeout": "5s"}, "e*": {"requireApproval": False}}
    answer = policy({"tools": tools}).answer("echo")
    assert (answer.asks, answer.by) == (False, tool("e*"))


@pytest.mark.parametrize(
    ("level", "by"),
    [
        ({"server": {"requireApproval": "writes"}}, SERVER),
        ({"server": {"tools": {"*": {"requireApproval": "writes"}}}}, tool("*")),
        ({"defaults": {"requireApproval": "writes"}, "server": {}}, DEFAULTS),
    ],
)
def test_writes_asks_unless_the_tool_is_known_to_be_read_only(level: dict[str, Any], by: tuple[str, ...]) -> None:
    decides = policy(**level, read_only=("read",))
    assert [decides.answer(name).asks for name in ("read", "write", "Read", "reader")] == [False, True, True, True]
    assert (decides.answer("read").approval, decides.answer("read").by) == ("writes", by)


def test_a_hint_changes_nothing_where_every_call_asks() -> None:
    assert policy({"requireApproval": True}, read_only=("read",)).answer("read").asks


@pytest.mark.parametrize(
    ("server", "offered", "hidden"),
    [
        ({}, ["anything"], []),
        ({"denyTools": ["delete_*"]}, ["create", "undelete_x"], ["delete_file", "delete_"]),
        ({"allowTools": ["read_*", "list"]}, ["read_file", "list"], ["write", "lists", "READ_file"]),
        ({"allowTools": []}, [], ["anything"]),
        ({"allowTools": ["*"], "denyTools": ["x"]}, ["y"], ["x"]),
        ({"allowTools": ["x"], "denyTools": ["*"]}, [], ["x"]),
    ],
)
def test_what_is_offered_is_allowed_and_not_denied(
    server: dict[str, Any], offered: list[str], hidden: list[str]
) -> None:
    decides = policy(server)
    assert [name for name in (*offered, *hidden) if decides.offers(name)] == offered


def test_a_call_may_take_as_long_as_the_most_specific_rule_says_else_as_the_server() -> None:
    tools = {"slow_*": {"timeout": "5m"}, "slow_one": {"requireApproval": False}, "slow_two": {"timeout": "10m"}}
    decides = policy({"tools": tools, "timeouts": {"call": "2s"}})
    assert [decides.timeout(name) for name in ("fast", "slow_one", "slow_two", "slow_x")] == [2.0, 300.0, 600.0, 300.0]
    assert policy({}).timeout("echo") == 60.0
