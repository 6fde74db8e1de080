"""The published schema: the one the model makes, draft-07, and agreed with the reader."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from reconciler.config.events import parse_yaml
from reconciler.config.read import Source, read
from reconciler.config.schema import FILE_NAME, schema, text
from reconciler.model.written import SERVER_FIELDS, WrittenServer
from tests.config.test_read import WHOLE
from tests.requirements import requirement

PUBLISHED = Path(__file__).parent.parent.parent / "schemas" / FILE_NAME
VALIDATOR = Draft7Validator(schema())
ANY_SERVER = {"command": "a"}
BROKEN_SERVERS: list[dict[str, Any]] = [
    {},
    {"command": "a", "url": "https://example.com"},
    {"command": ""},
    {"command": ["a"]},
    {"command": "a", "args": "b"},
    {"command": "a", "args": [1]},
    {"command": "a", "env": {"A": 1}},
    {"command": "a", "env": [1]},
    {"command": "a", "env": "A"},
    {"command": "a", "enabled": "no"},
    {"command": "a", "enabeld": True},
    {"command": "a", "requireApproval": "always"},
    {"command": "a", "type": "streamable-http"},
    {"command": "a", "name": ""},
    {"command": "a", "name": "x" * 256},
    {"command": "a", "timeouts": {"call": "soon"}},
    {"command": "a", "timeouts": {"call": 5}},
    {"command": "a", "timeouts": {"stop": "5s"}},
    {"command": "a", "tools": {"x": {"requireApproval": "no"}}},
    {"command": "a", "tools": {"x": {"timeout": "5"}}},
    {"command": "a", "strategy": "none"},
    {"command": "a", "lock": "on"},
    {"command": "a", "connection": "none"},
    {"command": "a", "metadata": []},
    {"command": "a", "mock": {"enabled": 1}},
    {"command": "a", "description": None},
    {"url": "example.com"},
    {"url": "https://example.com", "headers": {"X Y": "a"}},
    {"url": "https://example.com", "headers": {"A": 1}},
    {"url": "https://example.com", "oauth": "yes"},
    {"url": "https://example.com", "oauth": {"grant": "password"}},
    {"url": "https://example.com", "azure": {"tenantId": "t"}},
]
BROKEN_FILES: list[dict[str, Any]] = [
    {},
    {"version": 1},
    {"version": 2, "mcpServers": {}},
    {"version": "1", "mcpServers": {}},
    {"version": 1, "mcpServers": []},
    {"version": 1, "mcpServers": {"a__b": ANY_SERVER}},
    {"version": 1, "mcpServers": {"-a": ANY_SERVER}},
    {"version": 1, "mcpServers": {"a" * 64: ANY_SERVER}},
    {"version": 1, "mcpServers": {"reconciler": ANY_SERVER}},
    {"version": 1, "mcpServers": {}, "lock": True},
    {"version": 1, "mcpServers": {}, "groups": {"a b": {}}},
    {"version": 1, "mcpServers": {}, "groups": {"a": {"color": "blue"}}},
    {"version": 1, "mcpServers": {}, "approvals": {"via": ["mail"]}},
    {"version": 1, "mcpServers": {}, "approvals": {"keep": "8d"}},
    {"version": 1, "mcpServers": {}, "defaults": {"timeouts": {"call": "1"}}},
    {"version": 1, "mcpServers": {}, "server": {}},
]


def problems_of(value: Any) -> list[str]:
    found = read([Source("a.json", json.dumps(value))], default_project="p").problems
    return [problem.code for problem in found if problem.severity == "error"]


@requirement("CFG-5:schema-published")
def test_the_published_file_is_the_generated_one() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == text()
    assert json.loads(text()) == schema()


@requirement("CFG-5:schema-published")
def test_the_schema_is_draft_07_and_only_that() -> None:
    Draft7Validator.check_schema(schema())
    assert schema()["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema()["$id"] == FILE_NAME
    newer = {
        "$defs",
        "prefixItems",
        "unevaluatedProperties",
        "dependentRequired",
        "discriminator",
        "nullable",
        "default",
    }
    assert not newer & keywords(schema())
    assert '"null"' not in text()


def keywords(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(keywords, node))
    return set(node).union(*map(keywords, node.values())) if isinstance(node, dict) else set()


@requirement("CFG-5:schema-published")
def test_every_field_of_a_server_says_what_a_change_of_it_does() -> None:
    fields = schema()["definitions"]["WrittenServer"]["properties"]
    assert fields.keys() == WrittenServer.model_fields.keys()
    for name, field in fields.items():
        assert field["x-effect"] == SERVER_FIELDS[name]["x-effect"]
        assert field.get("x-mark") == SERVER_FIELDS[name].get("x-mark")
        assert field["markdownDescription"].startswith(field["description"])
    assert fields["args"]["x-mark"] == "launch"
    assert fields["denyTools"]["x-mark"] == "loosen"


def test_every_field_of_every_object_has_a_description() -> None:
    for one in (schema(), *schema()["definitions"].values()):
        assert one["additionalProperties"] is False
        assert one["description"]
        assert all(field["description"] and field["markdownDescription"] for field in one["properties"].values())


def test_nothing_stands_beside_a_reference() -> None:
    def references(node: Any) -> list[dict[str, Any]]:
        found = [node] if isinstance(node, dict) and "$ref" in node else []
        members = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        return found + [reference for member in members for reference in references(member)]

    assert references(schema())
    assert all(reference.keys() == {"$ref"} for reference in references(schema()))
    assert {reference["$ref"].removeprefix("#/definitions/") for reference in references(schema())} == set(
        schema()["definitions"]
    )


@requirement("CFG-5:schema-published")
def test_the_schema_accepts_the_whole_file() -> None:
    value, _ = parse_yaml(WHOLE, "a.yaml")
    assert value is not None
    assert list(VALIDATOR.iter_errors(value.value)) == []


def test_the_examples_in_the_schema_are_valid() -> None:
    fields = schema()["definitions"]["WrittenServer"]["properties"]
    given_examples = [(name, example) for name, field in fields.items() for example in field.get("examples", ())]
    assert len(given_examples) >= 10
    for name, example in given_examples:
        validator = Draft7Validator(
            {**schema()["definitions"]["WrittenServer"]["properties"][name], "definitions": schema()["definitions"]}
        )
        assert validator.is_valid(example)


@requirement("CFG-5:schema-published")
@pytest.mark.parametrize("server", BROKEN_SERVERS, ids=json.dumps)
def test_a_broken_server_is_refused_by_schema_and_reader(server: dict[str, Any]) -> None:
    value = {"version": 1, "mcpServers": {"a": server}}
    assert not VALIDATOR.is_valid(value)
    assert problems_of(value)


@requirement("CFG-5:schema-published")
@pytest.mark.parametrize("value", BROKEN_FILES, ids=lambda value: json.dumps(value)[:60])
def test_a_broken_file_is_refused_by_schema_and_reader(value: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(value)
    assert problems_of(value)


@requirement("CFG-5:schema-published")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_the_reader_accepts_the_schema_accepts(data: st.DataObject) -> None:
    whole, _ = parse_yaml(WHOLE.replace("a: null", "a: 1"), "a.yaml")
    assert whole is not None
    value = copy.deepcopy(whole.value)
    for _ in range(data.draw(st.integers(1, 3))):
        change(value, data)
    if not problems_of(value):
        assert list(VALIDATOR.iter_errors(value)) == []


def change(value: dict[str, Any], data: st.DataObject) -> None:
    """Replace, remove or add one member somewhere in `value`."""
    node: Any = value
    while True:
        key = data.draw(st.sampled_from([*node, "new"]))
        if isinstance(node.get(key), dict) and node[key] and data.draw(st.booleans()):
            node = node[key]
        else:
            break
    wild = st.sampled_from([True, 1, 0.5, "x", "30s", "writes", "off", "", [], ["x"], {}, {"a": "b"}])
    if key in node and key != "version" and data.draw(st.booleans()):
        del node[key]
    else:
        node[key] = data.draw(wild)
