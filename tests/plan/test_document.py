"""The plan document says everything once, the same input gives the same bytes, and its schema is drawn from it."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from reconciler.canonical import digest
from reconciler.model.observed import Observed, ObservedServer
from reconciler.plan.actions import Check, Source
from reconciler.plan.document import (
    blocked_servers,
    document_digest,
    fingerprints,
    is_applicable,
    patch_json,
    plan_id,
    timestamp,
    to_document,
    to_json,
)
from reconciler.plan.schema import plan_schema
from reconciler.problems import Place
from tests.plan.scenes import NOW, accepted, document, keyed, plan_between
from tests.requirements import requirement

SCHEMA = Path(__file__).parents[2] / "schemas" / "plan-1.schema.json"
CASES = Path(__file__).parents[1] / "cases" / "plan"
MEMBERS = {
    *(
        "format",
        "formatVersion",
        "id",
        "digest",
        "createdAt",
        "project",
        "source",
        "base",
        "target",
        "patch",
        "reverse",
    ),
    *("actions", "drift", "paused", "checks", "summary", "safety", "applicable", "fingerprints", "toolDrift"),
    "lockChanges",
}
SERVERS = {"a": {"command": "a"}, "b": {"url": "https://b.example.com/mcp"}}


@requirement("PLAN-3:json-markdown")
def test_the_schema_in_the_repository_is_the_one_the_code_makes() -> None:
    text = json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("ACCEPT"):
        SCHEMA.write_text(text, encoding="utf-8")
    assert text == SCHEMA.read_text(encoding="utf-8")
    Draft7Validator.check_schema(plan_schema())


@requirement("PLAN-3:json-markdown")
@pytest.mark.parametrize("path", sorted(CASES.glob("*/plan.json")), ids=lambda path: path.parent.name)
def test_every_case_is_valid_against_the_schema(path: Path) -> None:
    plan = json.loads(path.read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(plan_schema()).iter_errors(plan)] == []
    assert plan.keys() == MEMBERS


def test_the_schema_refuses_what_is_no_plan() -> None:
    plan = to_document(plan_between(document(SERVERS), document()))
    wrong = [
        {**plan, "format": "other"},
        {**plan, "formatVersion": "2.0"},
        {**plan, "actions": [{**plan["actions"][0], "action": "replace"}]},
        {**plan, "actions": [{**plan["actions"][0], "reasons": [{"code": "unheard-of"}]}]},
        {key: value for key, value in plan.items() if key != "reverse"},
    ]
    assert all(list(Draft7Validator(plan_schema()).iter_errors(each)) for each in wrong)


@requirement("PLAN-3:json-markdown")
def test_the_same_input_gives_the_same_bytes_but_for_times() -> None:
    def observed(minutes: int) -> Observed:
        since = NOW - timedelta(minutes=minutes)
        return Observed(True, {"a": ObservedServer("a", "error", down="exited", since=since)})

    target = document({**SERVERS, "c": {"command": "c"}})
    one = plan_between(document(SERVERS), target, observed=observed(1))
    again = plan_between(document(SERVERS), target, observed=observed(1))
    later = replace(plan_between(document(SERVERS), target, observed=observed(5)), created=NOW + timedelta(hours=1))
    assert to_json(one) == to_json(again)
    assert to_json(one) != to_json(later)
    assert plan_id(one) == plan_id(later)


def test_id_and_digest_are_of_everything_else() -> None:
    plan = plan_between(document(SERVERS), document({"a": {"command": "a2"}}))
    found = to_document(plan)
    beside = ("id", "digest", "createdAt", "paused", "toolDrift")
    left = {key: value for key, value in found.items() if key not in beside}
    assert found["digest"] == digest(left) == document_digest(found)
    assert found["id"] == plan_id(plan) == f"pln-{found['digest'][7:19]}"
    assert document_digest({**found, "project": "else"}) != found["digest"]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 21, 1, 22, 17, 999, tzinfo=UTC), "2026-11-21T01:22:17Z"),
        (datetime(2026, 11, 21, 1, 22, 17, tzinfo=timezone(timedelta(hours=2))), "2026-11-20T23:22:17Z"),
    ],
)
def test_times_are_utc_in_whole_seconds(moment: datetime, expected: str) -> None:
    assert timestamp(moment) == expected


def test_where_the_plan_comes_from_is_in_it() -> None:
    source = Source((("reconciler.yaml", "0" * 64),), {"commit": "abc", "dirty": True})
    check = Check("literal-secret", "warning", "a", "a literal", Place("reconciler.yaml", 3, 5))
    plan = plan_between(accepted(document(SERVERS), serial=7), document(SERVERS), source=source, checks=(check,))
    found = to_document(plan)
    assert found["source"] == {
        "files": [{"path": "reconciler.yaml", "sha256": "0" * 64}],
        "git": {"commit": "abc", "dirty": True},
    }
    assert found["base"]["serial"] == 7
    assert found["checks"] == [
        {
            "code": "literal-secret",
            "severity": "warning",
            "id": "a",
            "message": "a literal",
            "place": {"file": "reconciler.yaml", "line": 3, "column": 5},
            "hint": None,
        }
    ]


@requirement("PLAN-3:deletion-guard")
def test_what_is_blocked_stays_in_the_actions_and_is_said_apart() -> None:
    many = {f"s{number}": {"command": "x"} for number in range(4)}
    plan = plan_between(document({**many, **SERVERS}), document(SERVERS))
    found = to_document(plan)
    assert [action["action"] for action in found["actions"]] == ["delete"] * 4
    assert found["safety"]["deletes"] == 4
    assert found["safety"]["existing"] == 6
    assert found["safety"]["requires"] == ["mass-delete"]
    assert found["safety"]["blocked"][0]["servers"] == sorted(many)
    assert blocked_servers(plan) == set(many)
    assert found["applicable"] is is_applicable(plan) is False


def test_a_plan_is_applicable_when_something_is_left_to_do() -> None:
    same = document(SERVERS)
    assert not is_applicable(plan_between(same, document(SERVERS)))
    assert is_applicable(plan_between(same, document(SERVERS), observed=Observed(True, {})))
    assert is_applicable(plan_between(same, document({"a": {"command": "a"}})))


@requirement("API-4:secrets-never-render")
def test_every_hidden_literal_in_the_patch_has_its_fingerprint_by_pointer() -> None:
    secret = {"A/B": "one", "C": "${env:C}", "D": "two"}
    old = document(
        {"x": {"command": "x", "env": {"A/B": "zero", "D": "two"}, "args": ["-v"]}, "gone": {"command": "g"}}
    )
    token = "ghp_1111aaaaBBBBccccDDDD1234"
    new = document({"x": {"command": "x", "env": secret, "args": ["-v", f"--token={token}"]}})
    plan = plan_between(old, new)
    assert plan.patch["mcpServers"]["x"] == {"env": {"A/B": "***", "C": "${env:C}"}, "args": ["-v", "--token=***"]}
    assert fingerprints(plan.patch, new) == {
        "/mcpServers/x/env/A~1B": keyed("one"),
        "/mcpServers/x/args/1": f"--token={keyed(token)}",
    }


@requirement("PLAN-2:patch-is-a-patch-body")
def test_the_patch_alone_is_sorted_json() -> None:
    plan = plan_between(document(SERVERS), document({"b": {"url": "https://b.example.com/mcp", "name": "ü"}}))
    assert patch_json(plan) == (
        '{\n  "mcpServers": {\n    "a": null,\n    "b": {\n      "name": "\\u00fc"\n    }\n  }\n}\n'
    )
    assert patch_json(plan_between(document(SERVERS), document(SERVERS))) == "{}\n"
