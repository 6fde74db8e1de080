"""Arguments that travel as headers too: which, and which annotations break the rules. The SDK is the second opinion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import find_invalid_x_mcp_header, x_mcp_header_map

from reconciler.sessions.mirrored import Unmirrorable, headers_by_argument
from tests.requirements import requirement

pytestmark = requirement("LIVE-1:tools-listed")


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def headed(name: Any, kind: Any = "string", **members: Any) -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": name, **members}


def test_arguments_are_found_by_their_path() -> None:
    nested = schema(region=headed("Region"), where=schema(zone=headed("Zone", "integer")), plain={"type": "string"})
    assert headers_by_argument(nested) == {("region",): "Region", ("where", "zone"): "Zone"}


@pytest.mark.parametrize("nothing", [None, True, {}, [], {"type": "object"}, {"properties": []}])
def test_a_schema_without_annotations_mirrors_nothing(nothing: Any) -> None:
    assert headers_by_argument(nothing) == {}


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
        headers_by_argument(wrong)


def test_data_inside_a_schema_is_no_schema() -> None:
    assert headers_by_argument(schema(a={"type": "object", "default": headed("A"), "enum": [headed("A")]})) == {}


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
        assert headers_by_argument(drawn) == x_mcp_header_map(drawn)
    else:
        with pytest.raises(Unmirrorable):
            headers_by_argument(drawn)
