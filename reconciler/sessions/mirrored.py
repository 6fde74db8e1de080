"""Which arguments of a tool travel as HTTP headers too: `x-mcp-header` in its inputSchema (MCP 2026-07-28). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Names of properties, from the schema's root to the argument."""

MARK = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_KINDS = ("string", "integer", "boolean")
_ONE = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
        *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    }
)
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""The keywords of JSON Schema 2020-12 that hold a schema, a list of schemas, or schemas by name."""


class Unmirrorable(ValueError):
    """An annotation that breaks the rules; the message is half a sentence, "its ..."."""


def headers_by_argument(schema: Any) -> dict[Path, str]:
    """Path of each mirrored argument -> its header's name without `Mcp-Param-`. Raises Unmirrorable."""
    found: dict[Path, str] = {}
    for path, place in _schemas(schema):
        if MARK in place:
            found[_checked(path)] = _header(place)
    names = [name.lower() for name in found.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unmirrorable(f'its {MARK} "{twice}" is on several arguments')
    return found


def _checked(path: Path | None) -> Path:
    if not path:
        raise Unmirrorable(f"its {MARK} is on something that is no argument")
    return path


def _header(place: Mapping[str, Any]) -> str:
    name = place[MARK]
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise Unmirrorable(f"its {MARK} is no name of a header")
    if place.get("type") not in _KINDS:
        raise Unmirrorable(f"its {MARK} is on an argument that is no string, integer or boolean")
    return name


def _schemas(root: Any) -> Iterator[tuple[Path | None, Mapping[str, Any]]]:
    """Every schema inside a schema, with its path while only `properties` led there, else None."""
    waiting: list[tuple[Path | None, Any]] = [((), root)]
    while waiting:
        path, schema = waiting.pop()
        if isinstance(schema, dict):
            yield path, schema
            for keyword, value in schema.items():
                waiting.extend(_below(path, keyword, value))


def _below(path: Path | None, keyword: str, value: Any) -> Iterable[tuple[Path | None, Any]]:
    if keyword == "properties" and isinstance(value, dict):
        return [(None if path is None else (*path, name), schema) for name, schema in value.items()]
    if keyword in _NAMED and isinstance(value, dict):
        return [(None, schema) for schema in value.values()]
    if keyword in _MANY and isinstance(value, list):
        return [(None, schema) for schema in value]
    return [(None, value)] if keyword in _ONE else []
