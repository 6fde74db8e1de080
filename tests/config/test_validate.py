"""From pydantic's locations to places in the file, and which words stand for which fields."""

from typing import Any

import pytest

from reconciler.config.fields import fields_at, meant, way_out
from reconciler.config.validate import real_path, without
from reconciler.config.words import either, named, nearest, quoted, type_word
from tests.requirements import requirement

SERVER: dict[str, Any] = {
    "env": {"map": 1, "x": 2},
    "oauth": {"map": {}, "grant": "x"},
    "requireApproval": {"bool": 1},
    "args": ["a", 1],
    "tools": {"env": {"requireApproval": "x"}},
}
VALUE: dict[str, Any] = {
    "mcpServers": {"env": SERVER, "a": 5},
    "groups": {"oauth": {"requireApproval": "x"}},
    "defaults": {"requireApproval": 1},
}


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (("mcpServers", "env", "env", "map", "map"), ("mcpServers", "env", "env", "map")),
        (("mcpServers", "env", "env", "map", "x"), ("mcpServers", "env", "env", "x")),
        (("mcpServers", "env", "oauth", "map", "grant"), ("mcpServers", "env", "oauth", "grant")),
        (("mcpServers", "env", "requireApproval", "bool"), ("mcpServers", "env", "requireApproval")),
        (("mcpServers", "env", "args", 1), ("mcpServers", "env", "args", 1)),
        (
            ("mcpServers", "env", "tools", "env", "requireApproval", "literal['writes']"),
            ("mcpServers", "env", "tools", "env", "requireApproval"),
        ),
        (("groups", "oauth", "requireApproval", "bool"), ("groups", "oauth", "requireApproval")),
        (("defaults", "requireApproval", "bool"), ("defaults", "requireApproval")),
        (("mcpServers", "a"), ("mcpServers", "a")),
        (("mcpServers", "a", "function-before"), ("mcpServers", "a")),
    ],
)
def test_the_tags_of_unions_are_no_steps(location: tuple[int | str, ...], path: tuple[int | str, ...]) -> None:
    assert real_path(VALUE, location) == path


def test_what_is_wrong_is_left_out_and_the_value_stays() -> None:
    value = {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "f": [1, 2], "g": 4}
    assert without(value, [("a", "c", "d"), ("a", "b"), ("f", 1), ("g",), ("h",)]) == {"a": {"c": {"e": 3}}}
    assert value == {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "f": [1, 2], "g": 4}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), "mcpServers"),
        (("mcpServers", "tools"), "command"),
        (("mcpServers", "mcpServers", "oauth"), "grant"),
        (("mcpServers", "a", "azure"), "tenantId"),
        (("mcpServers", "a", "mock"), "scenario"),
        (("mcpServers", "a", "timeouts"), "call"),
        (("mcpServers", "a", "tools", "oauth"), "timeout"),
        (("groups", "a"), "color"),
        (("defaults",), "requireApproval"),
        (("defaults", "timeouts"), "start"),
        (("approvals",), "keep"),
        ((), "$schema"),
    ],
)
def test_every_object_has_its_own_fields(path: tuple[str | int, ...], field: str) -> None:
    assert field in fields_at(path)


@requirement("CFG-6:did-you-mean")
@pytest.mark.parametrize(
    ("word", "path", "field"),
    [
        ("enabeld", ("mcpServers", "a"), "enabled"),
        ("deny_tools", ("mcpServers", "a"), "denyTools"),
        ("ENV", ("mcpServers", "a"), "env"),
        ("serverUrl", ("mcpServers", "a"), "url"),
        ("base-url", ("mcpServers", "a"), "url"),
        ("enviroment", ("mcpServers", "a"), "env"),
        ("servers", (), "mcpServers"),
        ("zzz", ("mcpServers", "a"), None),
    ],
)
def test_an_unknown_word_stands_for_the_nearest_field(
    word: str, path: tuple[str | int, ...], field: str | None
) -> None:
    assert meant(word, path) == field


@pytest.mark.parametrize(
    ("word", "value", "path", "hint"),
    [
        ("disabled", True, ("mcpServers", "a"), "write `enabled: false`"),
        ("enabeld", True, ("mcpServers", "a"), 'did you mean "enabled"?'),
        ("groups", {}, ("mcpServers", "a"), '"groups" belongs at the top of the file'),
        ("command", "x", (), '"command" belongs to a server, under `mcpServers`'),
        ("github", {"url": "x"}, (), "a server stands under `mcpServers`"),
        ("zzz", {"a": "x"}, (), "delete it"),
        ("zzz", 1, ("defaults",), "delete it; known are requireApproval, timeouts"),
    ],
)
def test_every_unknown_field_has_a_way_out(word: str, value: Any, path: tuple[str | int, ...], hint: str) -> None:
    assert way_out(word, value, path) == hint


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ((), "the file"),
        (("project",), '"project"'),
        (("defaults", "timeouts", "call"), '"defaults.timeouts.call"'),
        (("mcpServers",), '"mcpServers"'),
        (("mcpServers", "a"), 'server "a"'),
        (("mcpServers", "a", "args", 1), '"args[1]" of server "a"'),
        (("groups", "g", "name"), '"name" of group "g"'),
        (("groups", "g"), 'group "g"'),
    ],
)
def test_a_path_is_named_in_words(path: tuple[str | int, ...], words: str) -> None:
    assert named(path) == words


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (True, "true"),
        (False, "false"),
        (1, "a number"),
        (0.5, "a number"),
        ("", "text"),
        ([], "a list"),
        ({}, "a map"),
        (None, "nothing"),
    ],
)
def test_a_type_has_a_word(value: Any, word: str) -> None:
    assert type_word(value) == word


def test_long_words_are_cut_and_choices_are_listed() -> None:
    assert quoted("a" * 60) == f'"{"a" * 60}"'
    assert quoted("a" * 61) == f'"{"a" * 60}..."'
    assert either(["a"]) == "a"
    assert either(["a", "b", "c"]) == "a, b or c"
    assert nearest("sdtio", ["stdio", "http"]) == "stdio"
    assert nearest("x", ["stdio", "http"]) is None
