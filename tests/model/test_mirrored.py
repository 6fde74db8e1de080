"""Arguments that travel as headers too: which, and which annotations break the rules. The SDK is the second opinion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map

from reconciler.model.mirrored import Unmirrorable, argument_at, mirrored_arguments, spelt
from tests.requirements import requirement

pytestmark = requirement("LIVE-1:tools-listed")


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def headed(name: Any, kind: Any = "string", **members: Any) -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": name, **members}


def test_arguments_are_found_by_their_path() -> None:
    nested = schema(region=headed("Region"), where=schema(zone=headed("Zone", "integer")), plain={"type": "string"})
    assert mirrored_arguments(nested) == {("region",): ("Region", "string"), ("where", "zone"): ("Zone", "integer")}


@pytest.mark.parametrize("nothing", [None, True, {}, [], {"type": "object"}, {"properties": []}])
def test_a_schema_without_annotations_mirrors_nothing(nothing: Any) -> None:
    assert mirrored_arguments(nothing) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        schema(a=headed("")),
        schema(a=headed(7)),
        schema(a=headed("My Region")),
        schema(a=headed("Region:1")),
        schema(a=headed("Région")),
        schema(a=headed("A\r\nB")),
        schema(a=headed("A\n")),
        schema(a=headed("A", "number")),
        schema(a=headed("A", "object")),
        schema(a=headed("A", ["string"])),
        schema(a={"x-mcp-header": "A"}),
        schema(a=headed("Region"), b=headed("region")),
        {"x-mcp-header": "A", "type": "string"},
        schema(a={"type": "array", "items": headed("A")}),
        {"type": "object", "anyOf": [schema(a=headed("A"))]},
        {"type": "object", "$defs": {"a": headed("A")}},
    ],
)
def test_what_breaks_the_rules_is_refused(wrong: Mapping[str, Any]) -> None:
    assert find_invalid_x_mcp_header(wrong)
    with pytest.raises(Unmirrorable, match=r"^its x-mcp-header "):
        mirrored_arguments(wrong)


def test_data_inside_a_schema_is_no_schema() -> None:
    assert mirrored_arguments(schema(a={"type": "object", "default": headed("A"), "enum": [headed("A")]})) == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_scalar_is_spelt_and_nothing_else(value: Any, text: str | None) -> None:
    assert spelt(value) == text


def test_a_number_that_is_too_long_to_write_is_not_spelt() -> None:
    assert spelt(10**5000) is None


def test_an_argument_is_found_by_its_path_or_is_none() -> None:
    arguments = {"a": {"b": 1}, "c": [2]}
    assert [argument_at(arguments, path) for path in (("a", "b"), ("a", "x"), ("c", "b"), ("x", "y"))] == [
        1,
        None,
        None,
        None,
    ]
    assert argument_at(None, ("a",)) is None


_KEYWORDS = st.sampled_from(["properties", "items", "allOf", "$defs", "not", "default", "prefixItems", "a", "b"])
_LEAVES = st.one_of(
    st.builds(headed, st.sampled_from(["A", "a", "B", "", "A B", 1]), st.sampled_from(["string", "integer", "number"])),
    st.sampled_from([True, None, "text", {"type": "string"}]),
)
_SCHEMAS = st.recursive(
    _LEAVES, lambda inner: st.one_of(st.dictionaries(_KEYWORDS, inner, max_size=3), st.lists(inner, max_size=2))
)


@given(_SCHEMAS)
def test_it_judges_as_the_sdk_does(drawn: Any) -> None:
    if find_invalid_x_mcp_header(drawn) is None:
        assert {path: each.header for path, each in mirrored_arguments(drawn).items()} == x_mcp_header_map(drawn)
    else:
        with pytest.raises(Unmirrorable):
            mirrored_arguments(drawn)
