"""The published JSON Schema (draft-07, which every editor knows), generated from the written document."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from reconciler.model.written import WrittenDocument

Schema: TypeAlias = dict[str, Any]

FILE_NAME = "reconciler-1.schema.json"
_REFERENCE = "#/$defs/"
_ID = {"pattern": r"^(?!.*__)(?!reconciler$)[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"}
_EFFECTS = {
    "reconnect": "A change opens a new session, proves it, and only then closes the old one.",
    "enable": "A change opens or closes the session.",
    "policy": "A change holds at once; the session stays.",
    "display": "A change is only shown; the session stays.",
    "regroup": "A change moves the server to another group, with what that group's flags say.",
}
_MARKS = {
    "launch": "Before something new is started, a person says yes.",
    "loosen": "A change that allows more waits for a person's yes.",
}
_EXAMPLES: dict[str, list[Any]] = {
    "command": ["npx", "uvx"],
    "args": [["-y", "@modelcontextprotocol/server-everything"], ["mcp-server-time"]],
    "env": [["GITHUB_TOKEN"], {"LOG_LEVEL": "debug", "TOKEN": "${env:GITHUB_TOKEN}"}],
    "url": ["https://example.com/mcp"],
    "headers": [{"Authorization": "Bearer ${env:DOCS_TOKEN}"}],
    "oauth": [True, {"clientId": "my-app", "scopes": ["read"]}],
    "denyTools": [["delete_*"]],
    "tools": [{"create_issue": {"requireApproval": True}}],
    "timeouts": [{"start": "30s", "call": "2m"}],
}
_SERVER_RULES: Schema = {
    "not": {"required": ["command", "url"]},
    "anyOf": [
        {"required": ["command"]},
        {"required": ["url"]},
        {"required": ["mock"]},
        {"required": ["type"], "properties": {"type": {"const": "uplink"}}},
    ],
}


def schema() -> Schema:
    """The schema of a file with `version: 1`. What it refuses, the reader refuses; the reader knows more rules."""
    generated = WrittenDocument.model_json_schema(by_alias=True)
    definitions = {name: _object(one) for name, one in sorted(generated.pop("$defs").items())}
    _tighten(definitions["WrittenServer"])
    top = _object(generated)
    for keyed in ("mcpServers", "groups"):
        top["properties"][keyed]["propertyNames"] = _ID
    top["properties"]["mcpServers"]["maxProperties"] = 10_000
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": FILE_NAME,
        "title": "reconciler.yaml",
        **top,
        "definitions": definitions,
    }


def text() -> str:
    """The schema as it stands in `schemas/`, byte for byte."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tighten(server: Schema) -> None:
    """The rules that a schema can say."""
    properties = server["properties"]
    properties["url"]["pattern"] = r"^([hH][tT][tT][pP][sS]?://.|\$\{)"
    properties["headers"]["propertyNames"] = {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}
    for name, examples in _EXAMPLES.items():
        properties[name]["examples"] = examples
    server.update(_SERVER_RULES)


def _object(generated: Schema) -> Schema:
    """An object's schema without what draft-07 or a reader does not need."""
    made = {key: value for key, value in generated.items() if key != "title"}
    made["properties"] = {name: _property(one) for name, one in generated["properties"].items()}
    return made


def _property(generated: Schema) -> Schema:
    """A field's schema; null is not a value here, and neither is the default that only says so."""
    made = _value({key: value for key, value in generated.items() if key not in ("title", "default")})
    words = [generated["description"], _EFFECTS.get(made.get("x-effect", "")), _MARKS.get(made.get("x-mark", ""))]
    made["markdownDescription"] = "\n\n".join(word for word in words if word)
    return made


def _value(generated: Schema) -> Schema:
    """A type: unions without null, references as draft-07 writes them and with nothing beside them."""
    made = {key: _nested(value) for key, value in generated.items()}
    options = [one for one in made.get("anyOf", ()) if one != {"type": "null"}]
    if len(options) == 1:
        made = {**{key: value for key, value in made.items() if key != "anyOf"}, **options[0]}
    elif options:
        made["anyOf"] = options
    reference = made.pop("$ref", None)
    if reference is None:
        return made
    target = {"$ref": "#/definitions/" + reference.removeprefix(_REFERENCE).removeprefix("#/definitions/")}
    return {**made, "allOf": [target]} if made else target


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(item) for item in value]
    return _value(value) if isinstance(value, dict) else value
