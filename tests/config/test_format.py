"""The normal form: it says the same, keeps every comment, and is its own normal form."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from reconciler.config.edit import EditRefused
from reconciler.config.format import format_text
from reconciler.config.order import in_order
from reconciler.merge_patch import equal
from reconciler.model.written import WrittenServer
from tests.config import drawn
from tests.config.drawn import Drawn, comments_in
from tests.config.test_edit import LAW, load
from tests.config.test_edit_json import texts as json_texts
from tests.requirements import requirement

CASES = Path(__file__).parent.parent / "cases" / "format"
ACCEPT = bool(os.environ.get("ACCEPT"))


def formatted(text: str, file: str = "reconciler.yaml") -> str:
    return format_text(text, file=file)


@requirement("CFG-1:edit-keeps-comments")
@pytest.mark.parametrize("folder", sorted(CASES.iterdir()), ids=lambda folder: folder.name)
def test_a_file_has_this_normal_form(folder: Path) -> None:
    before = next(folder.glob("before.*"))
    after = before.with_stem("after")
    text = formatted(before.read_bytes().decode("utf-8"), before.name)
    if ACCEPT:
        after.write_bytes(text.encode("utf-8"))
    assert text == after.read_bytes().decode("utf-8")
    assert formatted(text, before.name) == text


@requirement("CFG-1:edit-keeps-comments")
@LAW
@given(drawn.texts())
def test_the_normal_form_says_the_same_with_the_same_comments(before: Drawn) -> None:
    text = formatted(before.text)
    assert equal(load(text), before.value)
    assert comments_in(text) == comments_in(before.text)


@LAW
@given(drawn.texts())
def test_the_normal_form_is_its_own_normal_form(before: Drawn) -> None:
    text = formatted(before.text)
    assert formatted(text) == text


@LAW
@given(drawn.texts())
def test_the_normal_form_has_one_blank_line_at_most_and_ends_its_last_line(before: Drawn) -> None:
    lines = formatted(before.text).split(before.eol)
    assert not any(first == second == "" for first, second in pairwise(lines))
    assert lines[0] and lines[-1] == "" and lines[-2]


@LAW
@given(json_texts())
def test_json_says_the_same_and_is_its_own_normal_form(before: tuple[Any, str]) -> None:
    value, text = before
    after = formatted(text, "x.json")
    assert equal(load(after, "x.json"), value)
    assert formatted(after, "x.json") == after


@pytest.mark.parametrize("file", ["x.yaml", "x.json"])
def test_servers_keep_their_order_and_fields_take_that_of_the_schema(file: str) -> None:
    text = '{"other": 1, "mcpServers": {"z": {"x": 1, "name": "Z", "command": "z"}, "a": {}}, "version": 1}'
    value = load(formatted(text, file), file)
    assert list(value) == ["version", "mcpServers", "other"]
    assert list(value["mcpServers"]) == ["z", "a"]
    assert list(value["mcpServers"]["z"]) == ["command", "name", "x"]


def test_every_field_of_a_server_has_its_place() -> None:
    fields = list(WrittenServer.model_fields)
    assert in_order(reversed(fields), ("mcpServers", "a")) == fields
    assert in_order(["b", "a"], ("groups", "a")) == ["b", "a"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: [", "- a\n", "a", "a: 1\na: 2\n"])
def test_what_is_no_readable_object_is_refused(text: str) -> None:
    with pytest.raises(EditRefused):
        formatted(text)


def test_the_problems_of_an_unreadable_text_come_with_the_refusal() -> None:
    with pytest.raises(EditRefused) as refused:
        formatted("a: 1\na: 2\nb: *c\n")
    assert [problem.code for problem in refused.value.problems] == ["duplicate-key", "unknown-anchor"]


def test_an_alias_that_would_come_before_its_anchor_is_refused() -> None:
    with pytest.raises(EditRefused, match="not mean the same"):
        formatted("mcpServers: {a: &a {command: x}}\nversion: 1\ngroups: *a\n")


def test_anchors_and_aliases_stay_where_the_order_allows() -> None:
    assert (
        formatted('version:  1\ngroups: &g {"a": {}}\nother:   *g\n') == "version: 1\ngroups: &g {a: {}}\nother: *g\n"
    )
