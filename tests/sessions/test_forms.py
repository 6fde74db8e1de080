"""Forms of servers: what the user left out holds its default."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.sessions.forms import with_defaults
from tests.requirements import requirement

pytestmark = requirement("GATE-1:questions")

ASKED: dict[str, Any] = {
    "message": "Who?",
    "requestedSchema": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John"},
            "age": {"type": "integer"},
            "tall": {"type": "boolean", "default": False},
        },
    },
}


def test_an_accepted_form_has_the_defaults_of_what_was_left_out() -> None:
    answer = {"action": "accept", "content": {"name": "Jane", "age": 7}, "_meta": {"kept": 1}}
    filled = with_defaults(ASKED, answer)
    assert filled == {"action": "accept", "content": {"name": "Jane", "age": 7, "tall": False}, "_meta": {"kept": 1}}
    assert answer["content"] == {"name": "Jane", "age": 7}


def test_an_accepted_form_without_content_is_all_defaults() -> None:
    assert with_defaults(ASKED, {"action": "accept"})["content"] == {"name": "John", "tall": False}


@pytest.mark.parametrize("action", ["decline", "cancel", None])
def test_nothing_is_added_to_what_is_no_yes(action: Any) -> None:
    assert with_defaults(ASKED, {"action": action}) == {"action": action}


@pytest.mark.parametrize(
    "asked",
    [{}, {"mode": "url", "url": "https://x.example"}, {"requestedSchema": 7}, {"requestedSchema": {"properties": [1]}}],
)
def test_a_question_without_a_form_is_answered_as_it_was(asked: dict[str, Any]) -> None:
    assert with_defaults(asked, {"action": "accept"}) == {"action": "accept"}


def test_a_null_that_the_user_gave_stays() -> None:
    assert with_defaults(ASKED, {"action": "accept", "content": {"name": None}})["content"]["name"] is None
