"""What people and callers read about a waiting call."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from reconciler.gate.showing import (
    META,
    MOST_SHOWN,
    RESULT_TOOL,
    failure,
    form,
    history,
    parked,
    shown,
    shown_digest,
    unkept,
    why_not,
)
from reconciler.store.approval_rows import State
from tests.requirements import requirement
from tests.store.call_rows import row

pytestmark = requirement("GATE-2:call-waits")

SECRET = "hunter2hunter2"


def hide(text: str) -> str:
    return text.replace(SECRET, "***")


def test_secrets_are_hidden_wherever_they_stand_and_the_rest_is_whole() -> None:
    given: dict[str, Any] = {"deep": [{"key": f"Bearer {SECRET}", SECRET: 1}], "n": 1.5, "none": None, "yes": True}
    entry = shown(row(**given), hide)
    assert entry["arguments"] == {"deep": [{"key": "Bearer ***", "***": 1}], "n": 1.5, "none": None, "yes": True}
    assert SECRET not in json.dumps(entry)


@pytest.mark.parametrize("plain", ["***", "*** (2)"])
def test_a_secret_in_the_name_of_an_argument_hides_no_other_argument(plain: str) -> None:
    given = {SECRET: "wipe", f"{SECRET}{SECRET}": 1, "***": 2, plain: "harmless"}
    arguments = shown(row(**given), lambda text: "***" if SECRET in text else text)["arguments"]
    assert sorted(map(str, arguments.values())) == sorted(map(str, given.values()))
    assert arguments[plain] == "harmless"
    assert SECRET not in json.dumps(arguments)


@pytest.mark.parametrize(("extra", "whole"), [(0, True), (1, False)])
def test_arguments_are_shown_up_to_their_limit_and_cut_beyond_it(extra: int, whole: bool) -> None:
    length = MOST_SHOWN - len('{"text":""}') + extra
    long = row(text="x" * length)
    assert len(long.arguments) == MOST_SHOWN + extra
    assert (shown(long, hide)["arguments"] == {"text": "x" * length}) is whole
    assert shown(long, hide, whole=True)["arguments"] == {"text": "x" * length}
    assert (form(long, hide) is not None) is whole


def test_the_digest_of_what_was_shown_is_of_all_of_it() -> None:
    assert shown_digest(row(text="x" * MOST_SHOWN + "a"), hide) != shown_digest(row(text="x" * MOST_SHOWN + "b"), hide)
    assert shown_digest(row(text=SECRET), hide) == shown_digest(row(text="***"), hide)
    assert shown_digest(row(text="a"), hide) != shown_digest(replace(row(text="a"), tool="other"), hide)


@pytest.mark.parametrize("result", [parked(row()), parked(row("started")), unkept(row("done")), failure(row(), "why")])
def test_what_stands_for_a_result_is_an_error_that_names_the_call(result: dict[str, Any]) -> None:
    assert result["isError"] is True
    assert result["_meta"][META]["id"] == "call-1"
    assert [item["type"] for item in result["content"]] == ["text"]


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_has_its_sentence(state: State) -> None:
    assert history(row(state))
    code, sentence = why_not(row(state))
    assert code in ("denied", "expired", "unknown-outcome")
    assert '"echo" of "a"' in sentence


def test_a_record_that_cannot_be_opened_shows_nothing() -> None:
    assert shown(replace(row(), arguments=""), hide)["arguments"] == {}


def test_the_tool_that_collects_results_takes_an_id_and_approves_nothing() -> None:
    assert RESULT_TOOL["name"] == "reconciler__result"
    schema = RESULT_TOOL["inputSchema"]
    assert (list(schema["properties"]), schema["required"], schema["additionalProperties"]) == (["id"], ["id"], False)
