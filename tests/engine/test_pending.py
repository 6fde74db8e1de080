"""What waits for a person: derived from the plan, answered for exactly what was shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.engine.pending import Waiting, key_of, waiting_marks
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.actions import PROJECT, Plan
from reconciler.plan.build import make_plan

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NOBODY: frozenset[str] = frozenset()
ONE, TWO = {"command": "one"}, {"command": "two"}


def plan(before: dict[str, Any], after: dict[str, Any], **settings: dict[str, Any]) -> Plan:
    """From the servers `before` to the servers `after`; `old` and `new` are settings."""
    old = {"version": 1, **settings.get("old", {})}
    new = {"version": 1, **settings.get("new", settings.get("old", {}))}
    base = Document({**old, "mcpServers": before})
    known = frozenset(filter(None, (base.launch_digest(server) for server in before)))
    accepted = Accepted(lineage="x", serial=1, document=base, yeses=known)
    return make_plan(accepted, Document({**new, "mcpServers": after}), Observed(), Pins(None), now=NOW)


# Which actions wait


def test_a_new_command_waits_and_the_rest_of_the_save_does_not() -> None:
    made = plan({"a": ONE, "b": ONE}, {"a": TWO, "b": {**ONE, "name": "B"}})
    assert waiting_marks(made, NOBODY) == {"a": ("launch",)}


def test_a_weaker_rule_waits() -> None:
    made = plan({"a": ONE}, {"a": {**ONE, "requireApproval": False}})
    assert waiting_marks(made, NOBODY) == {"a": ("loosen",)}


def test_both_marks_are_named() -> None:
    made = plan({"a": ONE}, {"a": {**TWO, "requireApproval": False}})
    assert waiting_marks(made, NOBODY) == {"a": ("launch", "loosen")}


def test_a_yes_is_for_the_servers_it_names_or_for_everything() -> None:
    made = plan({}, {"a": ONE, "b": TWO})
    assert waiting_marks(made, frozenset({"a"})) == {"b": ("launch",)}
    assert waiting_marks(made, None) == {}


def test_a_guarded_deletion_waits_whatever_was_said() -> None:
    servers = dict.fromkeys("abcd", ONE)
    made = plan(servers, {"a": ONE})
    assert waiting_marks(made, None) == dict.fromkeys("bcd", ("mass-delete",))


def test_a_protected_deletion_waits_whatever_was_said() -> None:
    made = plan({"a": {**ONE, "protect": True}, "b": ONE, "c": ONE, "d": ONE, "e": ONE}, dict.fromkeys("bcde", ONE))
    assert waiting_marks(made, None) == {"a": ("protected",)}


def test_settings_wait_with_everything_they_touch_when_one_of_it_waits() -> None:
    servers = {"a": {**ONE, "env": ["TOKEN"]}, "b": ONE, "c": {**ONE, "env": ["TOKEN"]}}
    after = {**servers, "d": {"command": "one", "description": "new"}}
    made = plan(servers, after, old={}, new={"envFile": ".env", "project": "acme"})
    assert {action.server for action in made.actions} == {PROJECT, "a", "c", "d"}
    waiting = waiting_marks(made, frozenset({"c", "d"}))
    assert waiting == {
        "a": ("launch",),
        PROJECT: ("with-settings",),
        "c": ("with-settings",),
        "d": ("with-settings",),
    }
    assert waiting_marks(made, frozenset({"a", "c", "d"})) == {}


def test_settings_that_wait_hold_a_server_that_changed_by_itself_too() -> None:
    servers = {"a": {**ONE, "env": ["TOKEN"]}}
    after = {"a": {**servers["a"], "command": "two"}}
    made = plan(servers, after, old={}, new={"envFile": ".env"})
    assert waiting_marks(made, NOBODY) == {"a": ("launch",), PROJECT: ("with-settings",)}


def test_looser_settings_wait_and_hold_what_they_touch() -> None:
    made = plan(
        {"a": ONE, "b": {**ONE, "requireApproval": True}},
        {"a": ONE, "b": TWO},
        old={},
        new={"defaults": {"requireApproval": False}},
    )
    waiting = waiting_marks(made, frozenset({"b"}))
    assert set(waiting) == {PROJECT, "a"}


def test_settings_that_touch_nothing_that_waits_go_ahead() -> None:
    made = plan({"a": ONE}, {"a": TWO}, old={}, new={"groups": {"dev": {"name": "Development"}}})
    assert {action.server for action in made.actions} == {PROJECT, "a"}
    assert waiting_marks(made, NOBODY) == {"a": ("launch",)}


# What a yes is for


def key(made: Plan, server: str) -> str:
    return next(key_of(action) for action in made.actions if action.server == server)


def test_the_same_change_has_the_same_key_whatever_else_is_planned() -> None:
    assert key(plan({}, {"a": ONE}), "a") == key(plan({"b": TWO}, {"a": ONE, "b": {**TWO, "name": "B"}}), "a")


@pytest.mark.parametrize(
    "other",
    [
        plan({}, {"a": TWO}),
        plan({}, {"a": {**ONE, "args": ["x"]}}),
        plan({}, {"a": {**ONE, "requireApproval": False}}),
        plan({"a": TWO}, {"a": ONE}),
    ],
)
def test_another_change_has_another_key(other: Plan) -> None:
    assert key(plan({}, {"a": ONE}), "a") != key(other, "a")


def test_the_same_server_under_other_settings_has_another_key() -> None:
    keys = {
        key(plan({"a": ONE}, {"a": ONE}, old={}, new={"defaults": {"requireApproval": word}}), "a")
        for word in (False, "writes")
    }
    assert len(keys) == 2


# Waiting


def test_what_waits_keeps_its_id_and_its_time_while_it_stays_the_same() -> None:
    waiting = Waiting()
    first = plan({}, {"a": ONE})
    waiting.update(first, "pln-1", waiting_marks(first, NOBODY), "early")
    more = plan({}, {"a": ONE, "b": TWO})
    waiting.update(more, "pln-2", waiting_marks(more, NOBODY), "late")
    assert [(p.server, p.plan, p.since) for p in waiting.all] == [("a", "pln-1", "early"), ("b", "pln-2", "late")]
    changed = plan({}, {"a": {**ONE, "args": ["rm"]}, "b": TWO})
    waiting.update(changed, "pln-3", waiting_marks(changed, NOBODY), "later")
    assert [(p.server, p.plan, p.since) for p in waiting.all] == [("a", "pln-3", "later"), ("b", "pln-2", "late")]


def test_what_is_planned_no_more_waits_no_more() -> None:
    waiting = Waiting()
    made = plan({}, {"a": ONE})
    waiting.update(made, "pln-1", waiting_marks(made, NOBODY), "now")
    waiting.update(plan({}, {}), "pln-2", {}, "now")
    assert waiting.all == []


def test_a_plan_is_answered_whole_or_server_by_server() -> None:
    waiting = Waiting()
    made = plan({}, {"a": ONE, "b": TWO})
    waiting.update(made, "pln-1", waiting_marks(made, NOBODY), "now")
    assert [p.server for p in waiting.chosen("pln-1", [])] == ["a", "b"]
    assert [p.server for p in waiting.chosen("pln-1", ["b", "none"])] == ["b"]
    assert waiting.chosen("pln-2", []) == waiting.chosen("pln-1", ["none"]) == []


def test_what_was_denied_is_not_asked_again_until_the_file_says_something_else() -> None:
    waiting = Waiting()
    made, other = plan({}, {"a": ONE}), plan({}, {"a": TWO})
    marks = waiting_marks(made, NOBODY)
    waiting.update(made, "pln-1", marks, "now")
    waiting.deny(waiting.chosen("pln-1", []))
    assert waiting.all == []
    waiting.update(made, "pln-1", marks, "now")
    assert waiting.all == []
    waiting.update(other, "pln-2", waiting_marks(other, NOBODY), "now")
    assert [p.plan for p in waiting.all] == ["pln-2"]
    waiting.update(made, "pln-1", marks, "now")
    assert [p.plan for p in waiting.all] == ["pln-1"]


def test_pending_has_the_shape_of_status() -> None:
    waiting = Waiting()
    made = plan({}, {"a": ONE})
    waiting.update(made, "pln-1", waiting_marks(made, NOBODY), "now")
    [pending] = waiting.all
    assert pending.to_json() == {
        "id": "pln-1",
        "server": "a",
        "action": "create",
        "marks": ["launch"],
        "since": "now",
        "by": None,
    }
