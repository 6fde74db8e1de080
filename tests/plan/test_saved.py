"""A saved plan leads where it said, once, from where it was made; anything else is refused in words."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.accepted import Accepted
from reconciler.model.document import Document, hidden
from reconciler.model.pins import Pins
from reconciler.plan.document import document_digest, id_of, to_document, to_json
from reconciler.plan.saved import SavedPlan, read_saved, staleness, target_of
from reconciler.problems import Problem
from tests.plan.scenes import accepted, document, keyed, plan_between
from tests.requirements import requirement

BASE = accepted(document({"a": {"command": "a"}, "s": {"command": "s", "env": {"T": "zero"}}}))
TARGET = document({"s": {"command": "s", "env": {"T": "one"}, "args": ["-v", "--quiet"]}}, project="acme")
PINS = Pins("sha256:lock")


def saved(base: Accepted = BASE, target: Document = TARGET, pins: Pins = PINS) -> SavedPlan:
    found = read_saved(to_json(plan_between(base, target, pins=pins)))
    assert isinstance(found, SavedPlan)
    return found


def edited(**members: Any) -> str:
    """The text of a plan whose digest fits although its members are others."""
    plan = {**to_document(plan_between(BASE, TARGET)), **members}
    found = document_digest(plan)
    return json.dumps({**plan, "digest": found, "id": id_of(found)})


def codes(found: object) -> list[str]:
    assert isinstance(found, list)
    return [problem.code for problem in found if isinstance(problem, Problem)]


@requirement("PLAN-3:saved-plan-stale")
def test_a_saved_plan_is_read_back() -> None:
    plan = saved()
    assert (plan.id, plan.digest) == (plan.document["id"], plan.document["digest"])
    assert plan.servers == {"@project", "a", "s"}
    assert plan.patch["mcpServers"]["s"]["env"] == {"T": "***"}


@requirement("PLAN-3:saved-plan-stale")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not JSON", "plan-unreadable"),
        ("[]", "plan-unreadable"),
        ("{}", "plan-unreadable"),
        ('{"format": "reconciler.plan", "formatVersion": NaN}', "plan-unreadable"),
        ("[" * 100_000, "plan-unreadable"),
        ('{"format": "reconciler.plan"}', "plan-version"),
        ('{"format": "reconciler.plan", "formatVersion": "2.0"}', "plan-version"),
        ('{"format": "reconciler.plan", "formatVersion": "1.9"}', "plan-edited"),
        (to_json(plan_between(BASE, TARGET)).replace("--quiet", "--loud"), "plan-edited"),
        (edited().replace('"id": "pln-', '"id": "pln-0'), "plan-edited"),
    ],
)
def test_what_is_no_plan_of_ours_is_refused(text: str, code: str) -> None:
    assert codes(read_saved(text)) == [code]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("base", {"lineage": None}),
        ("target", {}),
        ("patch", {"mcpServers": None}),
        ("actions", [{"id": "a"}]),
        ("actions", ["a"]),
        ("drift", [{"reasons": []}]),
        ("drift", [{"id": "a", "reasons": ["down"]}]),
        ("fingerprints", []),
    ],
)
def test_a_plan_whose_members_are_of_another_kind_is_refused(member: str, value: Any) -> None:
    plan = to_document(plan_between(BASE, TARGET))
    assert codes(read_saved(json.dumps({**plan, member: value}))) == ["plan-edited"]


def test_members_of_a_newer_minor_version_are_carried_along() -> None:
    found = read_saved(edited(formatVersion="1.7", more={"new": True}))
    assert isinstance(found, SavedPlan)


@requirement("PLAN-3:saved-plan-stale")
def test_a_plan_is_fresh_where_it_was_made() -> None:
    assert staleness(saved(), BASE, PINS, set()) == []


@requirement("PLAN-3:saved-plan-stale")
@pytest.mark.parametrize(
    ("state", "pins", "words"),
    [
        (replace(BASE, lineage="else"), PINS, "another state"),
        (replace(BASE, document=TARGET, serial=42), PINS, "serial 41 is now 42"),
        (BASE, Pins("sha256:other"), "the lock file changed"),
        (BASE, Pins(), "the lock file changed"),
    ],
)
def test_a_plan_is_stale_when_anything_it_was_made_from_moved(state: Accepted, pins: Pins, words: str) -> None:
    (reason,) = staleness(saved(), state, pins, set())
    assert words in reason


@requirement("PLAN-3:saved-plan-stale")
def test_a_plan_is_applied_once() -> None:
    plan = saved()
    assert staleness(plan, BASE, PINS, {plan.digest}) == ["this plan was applied already"]


def test_a_plan_from_before_any_state_is_stale_once_there_is_one() -> None:
    first = saved(Accepted(), TARGET)
    assert staleness(first, Accepted(), PINS, set()) == []
    assert staleness(first, BASE, PINS, set()) == ["it was made before there was any state"]


@requirement("PLAN-3:saved-plan-stale", "API-4:secrets-never-render")
def test_the_target_takes_its_literals_from_the_file() -> None:
    target = target_of(saved(), BASE, TARGET)
    assert isinstance(target, Document)
    assert target.written == TARGET.written
    assert plan_between(replace(BASE, document=target), TARGET).empty


@requirement("PLAN-3:saved-plan-stale")
@pytest.mark.parametrize(
    "env",
    [{"T": "two"}, {"T": "${env:T}"}, {}],
    ids=["another literal", "a reference", "nothing"],
)
def test_a_literal_that_changed_in_the_file_makes_the_plan_stale(env: dict[str, str]) -> None:
    file = document({"s": {"command": "s", "env": env}}, project="acme")
    problems = target_of(saved(), BASE, file)
    assert codes(problems) == ["plan-stale"]
    assert isinstance(problems, list)
    assert "/mcpServers/s/env/T" in problems[0].detail


def test_a_plan_from_before_there_was_a_key_can_be_applied_with_one() -> None:
    def keyless(document: Document) -> Document:
        return Document(document.written, document.default_project, hidden)

    plan = saved(replace(BASE, document=keyless(BASE.document)), keyless(TARGET))
    assert plan.document["fingerprints"] == {"/mcpServers/s/env/T": "***"}
    target = target_of(plan, BASE, TARGET)
    assert isinstance(target, Document)
    assert (target.written, target.hide) == (TARGET.written, keyed)


def test_a_plan_that_leads_elsewhere_than_it_says_is_refused() -> None:
    other = read_saved(edited(target={"digest": "sha256:" + "0" * 64}))
    assert isinstance(other, SavedPlan)
    assert codes(target_of(other, BASE, TARGET)) == ["plan-stale"]
