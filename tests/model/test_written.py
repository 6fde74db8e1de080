"""The table of fields: every one says what a change of it does."""

from typing import get_args

import pytest
from pydantic import ValidationError

from reconciler.model.document import RECONNECT_FIELDS, SECRET_PATHS
from reconciler.model.written import SERVER_FIELDS, Effect, Mark, OAuth, WrittenDocument, WrittenServer, effect_of
from tests.requirements import requirement


@requirement("CFG-5:schema-published")
def test_every_field_of_a_server_has_an_effect() -> None:
    assert SERVER_FIELDS.keys() == WrittenServer.model_fields.keys()
    assert {extra["x-effect"] for extra in SERVER_FIELDS.values()} == set(get_args(Effect))
    assert {extra["x-mark"] for extra in SERVER_FIELDS.values() if "x-mark" in extra} == set(get_args(Mark))
    assert all(info.description for info in WrittenServer.model_fields.values())


def test_a_kept_field_that_nobody_knows_is_display_only() -> None:
    assert effect_of("autoApprove") == "display"
    assert effect_of("command") == "reconnect"


def test_what_reconnects_is_what_the_spec_is_made_of() -> None:
    reconnecting = {name for name in SERVER_FIELDS if effect_of(name) == "reconnect"}
    assert reconnecting | {"envFile"} == set(RECONNECT_FIELDS)


def test_the_fields_that_are_all_secret_are_marked() -> None:
    marked = {name for name, extra in SERVER_FIELDS.items() if extra.get("x-secret")}
    assert marked == {path[0] for path in SECRET_PATHS if path[-1] == "*"}


def test_a_document_is_strict_and_frozen() -> None:
    document = WrittenDocument.model_validate(
        {"mcpServers": {"a": {"command": "a", "oauth": OAuth(), "env": {"A": "b"}}}}
    )
    with pytest.raises(ValidationError):
        document.project = "x"
    for wrong in ({"enabled": "yes"}, {"enabled": 1}, {"name": 5}, {"unknown": 1}, {"env": 5}, {"oauth": "yes"}):
        with pytest.raises(ValidationError):
            WrittenDocument.model_validate({"mcpServers": {"a": {"command": "a", **wrong}}})


@pytest.mark.parametrize("word", ["30s", "500ms", "1.5m", "8h", "0s"])
def test_durations_are_numbers_with_a_unit(word: str) -> None:
    assert WrittenDocument.model_validate({"timeouts": {"call": word}, "mcpServers": {}}).timeouts


@pytest.mark.parametrize(
    "word", ["30", "s", "1 s", "-1s", "1d", "1.s", "1.2345s", "\u0661s", "1s\n", "1e3s", "1234567890s"]
)
def test_anything_else_is_no_duration(word: str) -> None:
    with pytest.raises(ValidationError):
        WrittenDocument.model_validate({"timeouts": {"call": word}, "mcpServers": {}})
