"""Which arguments a schema wants as headers, and when headers and arguments say the same."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.faces.gateway.param_headers import ParamHeader, mismatch, param_headers, unwrapped
from tests.requirements import requirement

pytestmark = [requirement("GATE-1:stateless-rules")]


def asks(name: str, kind: Any = "string") -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": name}


def test_headers_are_found_wherever_properties_lead() -> None:
    schema = {"properties": {"a": asks("A"), "b": {"properties": {"c": asks("X-C", "integer")}}, "d": {}}}
    assert param_headers(schema) == (
        ParamHeader(("a",), b"mcp-param-a", "string"),
        ParamHeader(("b", "c"), b"mcp-param-x-c", "integer"),
    )


@pytest.mark.parametrize(
    "schema",
    [
        None,
        7,
        {},
        {"properties": {}},
        {"x-mcp-header": "A", "type": "string"},
        {"properties": {"a": asks("A"), "b": asks("a")}},
        {"properties": {"a": asks("two words")}},
        {"properties": {"a": asks("")}},
        {"properties": {"a": asks("A", "number")}},
        {"properties": {"a": asks("A", ["string", "null"])}},
        {"properties": {"a": asks("A", None)}},
        {"properties": {"a": {"x-mcp-header": 7, "type": "string"}}},
        {"properties": {"a": asks("A"), "list": {"items": asks("B")}}},
        {"properties": {"a": asks("A")}, "anyOf": [{"properties": {"b": asks("B")}}]},
        {"properties": {"a": asks("A")}, "$defs": {"b": asks("B")}},
        {"properties": {"a": asks("A")}, "if": {"properties": {"b": asks("B")}}},
        {"patternProperties": {"^a": asks("A")}},
    ],
)
def test_a_schema_that_asks_wrongly_asks_for_nothing(schema: Any) -> None:
    assert param_headers(schema) == ()


@pytest.mark.parametrize("where", ["default", "const", "examples", "enum"])
def test_data_in_a_schema_is_no_schema(where: str) -> None:
    schema = {"properties": {"a": {**asks("A"), where: [asks("B")]}}}
    assert [each.header for each in param_headers(schema)] == [b"mcp-param-a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("=?base64?SGVsbG8=?=", "Hello"),
        ("=?base64??=", ""),
        ("=?base64?SGVsbG8?=", None),
        ("=?base64?SGVs!!!bG8=?=", None),
        ("=?base64?SGVsbG9=?=", None),
        ("=?base64?/w==?=", None),
        ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
        ("SGVsbG8=?=", "SGVsbG8=?="),
    ],
)
def test_a_wrapped_header_is_unwrapped_or_wrong(text: str, value: str | None) -> None:
    assert unwrapped(text) == value


@pytest.mark.parametrize(
    ("kind", "value", "shown", "same"),
    [
        ("string", "eu", b"eu", True),
        ("string", "eu", b" eu ", True),
        ("string", "eu", b"us", False),
        ("string", "eu", None, False),
        ("string", None, None, True),
        ("string", None, b"", False),
        ("string", [], None, True),
        ("string", {}, b"x", False),
        ("integer", 42, b"42", True),
        ("integer", 42, b"42.00", True),
        ("integer", 42.0, b"42", True),
        ("integer", 42, b"42.5", False),
        ("integer", 42, b"4.2e1", False),
        ("integer", 42, b"+42", False),
        ("integer", 1.5, b"1.5", True),
        ("integer", float("1e308"), b"1", False),
        ("integer", True, b"true", True),
        ("integer", True, b"1", False),
        ("boolean", False, b"false", True),
        ("boolean", False, b"False", False),
    ],
)
def test_headers_and_arguments_say_the_same_or_not(kind: str, value: Any, shown: bytes | None, same: bool) -> None:
    wanted = (ParamHeader(("a",), b"mcp-param-a", kind),)
    headers = {} if shown is None else {b"mcp-param-a": shown}
    assert (mismatch(wanted, {"a": value}, headers, set()) is None) is same


def test_a_header_that_came_twice_says_nothing() -> None:
    wanted = (ParamHeader(("a",), b"mcp-param-a", "string"),)
    assert mismatch(wanted, {"a": "x"}, {b"mcp-param-a": b"x"}, {b"mcp-param-a"}) is not None


def test_a_number_that_cannot_be_written_out_matches_no_header() -> None:
    wanted = (ParamHeader(("a",), b"mcp-param-a", "integer"),)
    huge = 10**5000
    assert mismatch(wanted, {"a": huge}, {}, set()) is None
    assert mismatch(wanted, {"a": huge}, {b"mcp-param-a": b"1" + b"0" * 5000}, set()) is not None
