"""Arguments that travel as headers too (`x-mcp-header`, MCP 2026-07-28): what a call must show. Pure."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WORD = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WRAPPED = re.compile(r"=\?base64\?(.*)\?=")
_NUMBER = re.compile(r"(-?[0-9]+)(?:\.0+)?")
_SCALARS = ("string", "integer", "boolean")
_ONE_SCHEMA = (
    *("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
    *("not", "if", "then", "else", "contentSchema"),
)
_LIST_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED_SCHEMAS = ("patternProperties", "dependentSchemas", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class ParamHeader:
    """One argument that a header repeats: the way to it, the header in lower case, and its JSON type."""

    path: tuple[str, ...]
    header: bytes
    type: str


def param_headers(schema: Any) -> tuple[ParamHeader, ...]:
    """What an input schema asks for. Nothing when it asks wrongly: clients are told not to use such a tool."""
    found: dict[bytes, ParamHeader] = {}
    for path, place in _schemas(schema, ()):
        if _WORD not in place:
            continue
        word, kind = place[_WORD], place.get("type")
        if not path or not isinstance(word, str) or not _TOKEN.fullmatch(word) or kind not in _SCALARS:
            return ()
        header = b"mcp-param-" + word.lower().encode()
        if header in found:
            return ()
        found[header] = ParamHeader(path, header, kind)
    return tuple(found.values())


def mismatch(
    wanted: tuple[ParamHeader, ...],
    arguments: Mapping[str, Any],
    headers: Mapping[bytes, bytes],
    doubled: Container[bytes],
) -> str | None:
    """Why headers and arguments do not say the same; None when they do."""
    for each in wanted:
        name, value = each.header.decode().title(), _value(arguments, each.path)
        shown = headers.get(each.header)
        if shown is None:
            if value is not None and _spelt(value) is not None:
                return f"the header {name} is missing"
            continue
        if each.header in doubled:
            return f"the header {name} came more than once"
        said = unwrapped(shown.decode("latin-1").strip())
        if said is None or not _same(each.type, value, said):
            return f"the header {name} does not say what the arguments say"
    return None


def unwrapped(text: str) -> str | None:
    """The text of a header, also of one in the form `=?base64?...?=`; None for a wrong one."""
    match = _WRAPPED.fullmatch(text)
    if match is None:
        return text
    try:
        raw = b64decode(match[1], validate=True)
        return raw.decode("utf-8") if b64encode(raw).decode("ascii") == match[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _schemas(schema: Any, path: tuple[str, ...] | None) -> Iterator[tuple[tuple[str, ...] | None, Mapping[str, Any]]]:
    """Every place in a schema that is a schema, with the way to it; None off the ways that go by `properties` alone."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for word, below in schema.items():
        if word == "properties" and isinstance(below, dict):
            for name, each in below.items():
                yield from _schemas(each, None if path is None else (*path, name))
        elif word in _ONE_SCHEMA:
            yield from _schemas(below, None)
        elif word in _LIST_OF_SCHEMAS and isinstance(below, list):
            for each in below:
                yield from _schemas(each, None)
        elif word in _NAMED_SCHEMAS and isinstance(below, dict):
            for each in below.values():
                yield from _schemas(each, None)


def _value(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        arguments = arguments.get(name) if isinstance(arguments, Mapping) else None
    return arguments


def _spelt(value: Any) -> str | None:
    """How a client spells an argument in a header; None where it cannot."""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return str(value) if isinstance(value, str | int | float) else None
    except ValueError:  # a number of thousands of digits
        return None


def _same(kind: str, value: Any, said: str) -> bool:
    if kind == "integer" and isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        number = _NUMBER.fullmatch(said) if len(said) <= 1000 else None
        return number is not None and int(number[1]) == int(value)
    return _spelt(value) == said
