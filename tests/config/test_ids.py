"""Ids that are made of names: always ids, always free, and always the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.config.ids import id_of, numbered
from reconciler.config.read import Source, read
from tests.requirements import requirement

pytestmark = requirement("PAGE-2:explorer-servers")


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("GitHub", "github"),
        ("My Server", "my-server"),
        ("Ünit Tests (CI)", "unit-tests-ci"),
        ("Straße", "strasse"),
        ("a - b", "a-b"),
        ("snake_case", "snake_case"),
        ("a__b", "a_b"),
        ("a_-_b", "a_b"),
        ("docs.example.com", "docs.example.com"),
        ("..hidden..", "hidden"),
        ("数据库", "server"),
        ("数据库 2", "2"),
        ("", "server"),
        ("reconciler", "reconciler-v2"),
        ("Reconciler!", "reconciler-v2"),
        ("x" * 70, "x" * 40),
        ("x" * 39 + " y", "x" * 39),
    ],
)
def test_what_a_name_becomes(name: str, id: str) -> None:
    assert id_of(name) == id


def test_an_id_that_is_taken_in_any_case_gets_a_number() -> None:
    assert id_of("Docs", ["docs"]) == id_of("docs", ["DOCS"]) == "docs-v2"
    assert id_of("Docs", ["docs", "Docs-V2", "docs-v3"]) == "docs-v4"


def test_a_number_takes_the_room_that_it_needs() -> None:
    assert numbered("x" * 63, 12) == "x" * 59 + "-v12"
    assert numbered("x" * 58 + "..yyy", 2) == "x" * 58 + "-v2"


@given(st.text(), st.lists(st.text(max_size=5), max_size=4))
@example("İ", [])
@example("\ud800", [])
@example("a" * 40, ["a" * 40])
def test_whatever_people_write_becomes_an_id_that_is_free(name: str, taken: list[str]) -> None:
    id = id_of(name, [*taken, "a", "server"])
    written = {"version": 1, "mcpServers": {id: {"url": "https://a.example.com", "group": id}}, "groups": {id: {}}}
    assert read([Source("a.json", json.dumps(written))], default_project="p").problems == ()
    assert id.lower() not in {each.lower() for each in [*taken, "a", "server"]}
    assert id == id_of(name, [*taken, "a", "server"])
