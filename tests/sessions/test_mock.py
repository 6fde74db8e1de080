"""A mock answers from what the file says, and what it makes up fits the tool's schema."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import jsonschema
import pytest

from reconciler.model.server import Mock, Server
from reconciler.sessions.example import example
from reconciler.sessions.listing import Listing, list_all
from reconciler.sessions.mock import MockSession, open_mock
from reconciler.sessions.session import RpcError, SessionError
from tests.requirements import requirement

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
    async with open_mock(Server("m", "Mock", Mock(TOOLS, RESPONSES)), None) as session:
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


PINNED = Listing(
    tools=TOOLS,
    prompts=({"name": "brief", "description": "Sums up."},),
    resource_templates=({"uriTemplate": "note:///{id}", "name": "notes"},),
)


async def test_without_tools_of_its_own_it_shows_what_is_pinned_of_the_server() -> None:
    async with open_mock(Server("m", "Mock", Mock()), PINNED) as session:
        listing = await list_all(session, timeout=1)
        assert [tool["name"] for tool in listing.tools] == ["weather", "say", "fixed"]
        assert (listing.prompts, listing.resource_templates) == (PINNED.prompts, PINNED.resource_templates)
        jsonschema.validate((await call(session, "weather"))["structuredContent"], WEATHER)
        prompt = await session.request("prompts/get", {"name": "brief"}, timeout=1)
        assert prompt["messages"][0]["content"]["text"] == "brief: a mock's answer"
        read = await session.request("resources/read", {"uri": "note:///1"}, timeout=1)
        assert read["contents"] == [{"uri": "note:///1", "text": "note:///1: a mock's answer"}]
        assert listing.resources == ()
        with pytest.raises(RpcError, match="Unknown prompt: absent"):
            await session.request("prompts/get", {"name": "absent"}, timeout=1)


@pytest.mark.parametrize(
    ("tools", "pinned", "shown"), [((), PINNED, []), (None, None, []), (TOOLS[:1], None, ["weather"])]
)
async def test_what_the_file_says_of_its_tools_counts_alone(
    tools: tuple[dict[str, Any], ...] | None, pinned: Listing | None, shown: list[str]
) -> None:
    async with open_mock(Server("m", "Mock", Mock(tools)), pinned) as session:
        assert [tool["name"] for tool in (await list_all(session, timeout=1)).tools] == shown


async def test_after_leaving_it_answers_no_more() -> None:
    async with open_mock(Server("m", "m", Mock()), None) as session:
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
    {"type": "integer", "minimum": 1.5},
    {"type": "integer", "multipleOf": 7, "exclusiveMinimum": 14},
    {"type": "integer", "multipleOf": 7, "maximum": 20},
    {"type": "integer", "exclusiveMaximum": 0},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "exclusiveMaximum": -1},
    {"type": "number", "multipleOf": 0.5, "exclusiveMinimum": 2},
    {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}},
    {"required": ["a", "b"], "properties": {"a": {"type": "string"}}},
    {"type": "array", "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "boolean"}},
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
        {"type": "array", "prefixItems": 5, "minItems": -1, "maxItems": "many"},
        {"type": "object", "properties": [1], "required": "all", "allOf": {"a": 1}},
        {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefghij"}},
        {"type": "object", "required": [f"name{n}" for n in range(100_000)]},
        {"type": "string", "format": [], "minLength": 10**9, "maxLength": 10**9},
        {"type": "integer", "minimum": 1, "multipleOf": 5e-324},
        {"type": "number", "minimum": 10**400, "multipleOf": 0.1},
        {"allOf": [1, {"$ref": 2}, None]},
        {"enum": {}, "examples": 1, "anyOf": "no"},
        True,
        "no schema",
        None,
    ],
    ids=str,
)
def test_an_odd_schema_still_ends_with_some_value(schema: Any) -> None:
    assert len(str(example(schema))) < 50_000
