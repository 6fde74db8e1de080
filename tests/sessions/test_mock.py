"""A mock answers from what the file says, and what it makes up fits the tool's schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import jsonschema
import pytest

from reconciler.model.server import Mock, Server
from reconciler.sessions.listing import list_all
from reconciler.sessions.mock import MockSession, example, open_mock
from reconciler.sessions.session import RpcError, SessionError
from tests.requirements import requirement
from tests.sessions.rigged import ignore, unresolved

pytestmark = [pytest.mark.anyio, requirement("CFG-3:mock")]

WEATHER = {
    "type": "object",
    "required": ["celsius", "sky"],
    "properties": {"celsius": {"type": "number"}, "sky": {"enum": ["clear", "grey"]}},
}
TOOLS = (
    {"name": "weather", "outputSchema": WEATHER, "vendor": 1},
    {"name": "say", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
    {"name": "fixed"},
)
RESPONSES = {
    "fixed": {"content": [{"type": "text", "text": "whole"}], "isError": True},
    "words": "only words",
    "data": {"n": 1},
}


@pytest.fixture
async def session() -> AsyncIterator[MockSession]:
    async with open_mock(Server("m", "Mock", Mock(TOOLS, RESPONSES)), unresolved, ignore) as session:
        yield session


async def call(session: MockSession, name: str) -> dict[str, Any]:
    return await session.request("tools/call", {"name": name}, timeout=1)


async def test_its_tools_are_listed_with_whatever_they_hold(session: MockSession) -> None:
    listing = await list_all(session, timeout=1)
    assert [tool["name"] for tool in listing.tools] == ["weather", "say", "fixed"]
    assert listing.tools[0]["vendor"] == 1
    assert listing.withheld == ()
    assert session.handshake.server_info == {"name": "Mock", "version": "mock"}


async def test_a_call_is_answered_in_the_shape_of_the_output_schema_every_time_the_same(session: MockSession) -> None:
    first, second = await call(session, "weather"), await call(session, "weather")
    assert first == second
    jsonschema.validate(first["structuredContent"], WEATHER)
    assert first["content"] == [{"type": "text", "text": '{"celsius": 1, "sky": "clear"}'}]


async def test_a_tool_without_a_schema_answers_with_a_text(session: MockSession) -> None:
    assert await call(session, "say") == {"content": [{"type": "text", "text": "say: a mock's answer"}]}


async def test_a_fixed_response_is_given_as_it_is_or_wrapped(session: MockSession) -> None:
    assert await call(session, "fixed") == RESPONSES["fixed"]
    assert await call(session, "words") == {"content": [{"type": "text", "text": "only words"}]}
    data = await call(session, "data")
    assert data["structuredContent"] == {"n": 1}


async def test_what_it_does_not_know_is_an_error_as_from_a_server(session: MockSession) -> None:
    with pytest.raises(RpcError) as failure:
        await call(session, "absent")
    assert failure.value.code == -32602
    with pytest.raises(RpcError) as failure:
        await session.request("prompts/list", timeout=1)
    assert failure.value.code == -32601
    assert await session.request("ping", timeout=1) == {}


async def test_after_leaving_it_answers_no_more() -> None:
    async with open_mock(Server("m", "m", Mock()), unresolved, ignore) as session:
        await session.notify("notifications/initialized")
    with pytest.raises(SessionError):
        await session.request("ping", timeout=1)
    assert (await session.ended()).reason == "The session was closed."


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "up": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
        }
    },
}
SCHEMAS: list[Mapping[str, Any]] = [
    {},
    TREE,
    {"const": {"a": 1}},
    {"type": "string", "default": "d"},
    {"type": "integer", "examples": [7, 8]},
    {"type": ["string", "null"]},
    {"type": "string", "minLength": 9},
    {"type": "string", "maxLength": 2},
    {"type": "string", "format": "date-time"},
    {"type": "number", "minimum": 5},
    {"type": "number", "maximum": -3},
    {"type": "integer", "exclusiveMinimum": 4, "maximum": 9},
    {"type": "boolean"},
    {"type": "null"},
    {"type": "array", "minItems": 3, "items": {"type": "integer"}},
    {"type": "array"},
    {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    {
        "allOf": [WEATHER, {"$ref": "#/$defs/more"}],
        "$defs": {"more": {"type": "object", "properties": {"x": {"const": 2}}}},
    },
    {"$defs": {"a/b": {"type": "integer"}}, "$ref": "#/$defs/a~1b"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_an_example_fits_its_schema(schema: Mapping[str, Any]) -> None:
    value = example(schema)
    jsonschema.validate(value, schema)
    assert value == example(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/schema"},
        {"$ref": 1},
        {"$ref": "#/absent/part"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 1}},
        {"type": "string", "minLength": "long"},
        {"type": "array", "items": True},
        True,
        "no schema",
        None,
    ],
    ids=str,
)
def test_an_odd_schema_still_ends_with_some_value(schema: Any) -> None:
    assert len(str(example(schema))) < 10_000
