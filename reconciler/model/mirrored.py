"""Arguments of a tool that travel as HTTP headers too: `x-mcp-header` in its inputSchema (MCP 2026-07-28)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Names of properties, from the schema's root to the argument."""

MARK = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
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


class Mirrored(NamedTuple):
    """The header's name without `Mcp-Param-`, and the JSON type of the argument that it repeats."""

    header: str
    kind: str


class Unmirrorable(ValueError):
    """An annotation that breaks the rules; the message is half a sentence, "its ..."."""


def mirrored_arguments(schema: Any) -> dict[Path, Mirrored]:
    """Every argument that a header repeats, by its path. Raises Unmirrorable."""
    found = {_checked(path): _mirrored(place) for path, place in _schemas(schema) if MARK in place}
    names = [each.header.lower() for each in found.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Unmirrorable(f'its {MARK} "{twice}" is on several arguments')
    return found


def argument_at(arguments: Any, path: Path) -> Any:
    """The argument at a path; None where there is none."""
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, Mapping) else None
    return arguments


def spelt(value: Any) -> str | None:
    """An argument as a header has it; None for what is absent or no scalar, and for a number too long to write."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value) if isinstance(value, str | int | float) else None
    except ValueError:  # a number of thousands of digits
        return None


def _checked(path: Path | None) -> Path:
    if not path:
        raise Unmirrorable(f"its {MARK} is on something that is no argument")
    return path


def _mirrored(place: Mapping[str, Any]) -> Mirrored:
    name, kind = place[MARK], place.get("type")
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise Unmirrorable(f"its {MARK} is no name of a header")
    if kind not in _KINDS:
        raise Unmirrorable(f"its {MARK} is on an argument that is no string, integer or boolean")
    return Mirrored(name, kind)


def _schemas(root: Any) -> Iterator[tuple[Path | None, Mapping[str, Any]]]:
    """Every schema inside a schema, with its path while only `properties` led there, else None."""
    waiting: deque[tuple[Path | None, Any]] = deque([((), root)])
    while waiting:
        path, schema = waiting.popleft()
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
