"""A value that fits a JSON Schema of the usual kinds, the same one every time. It ends soon, whatever the schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

DEEPEST = 8
MOST_VALUES = 1000
MOST_ITEMS = 10
LONGEST_TEXT = 1000


def example(schema: Any) -> Any:
    """The value. `$ref` is followed within the schema; what is too large, too deep or unknown to us becomes null."""
    return _Example(schema).of(schema, 0)


class _Example:
    """One value in the making."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MOST_VALUES

    def of(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > DEEPEST or self._left < 0:
            return None
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if values := _list(schema.get(key)):
                return values[0]
        if "$ref" in schema:
            return self.of(_referred(schema["$ref"], self._root), depth + 1)
        for key in ("anyOf", "oneOf"):
            if ways := _list(schema.get(key)):
                return self.of(ways[0], depth + 1)
        return self._of_type(self._merged(schema), depth)

    def _merged(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """`allOf` as one object schema, as far as properties and requirements go."""
        merged = dict(schema)
        for part in _list(schema.get("allOf"))[:MOST_ITEMS]:
            part = _map(_referred(part["$ref"], self._root) if "$ref" in _map(part) else part)
            merged["type"] = merged.get("type", part.get("type"))
            merged["properties"] = {**_map(merged.get("properties")), **_map(part.get("properties"))}
            merged["required"] = [*_list(merged.get("required")), *_list(part.get("required"))]
        return merged

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema or "required" in schema else None)
        match kind[0] if isinstance(kind, list) and kind else kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return _text(schema)
            case "integer":
                return _number(schema, whole=True)
            case "number":
                return _number(schema, whole=False)
            case "boolean":
                return True
            case _:
                return None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        named, rest = _map(schema.get("properties")), schema.get("additionalProperties", {})
        made = {name: self.of(member, depth + 1) for name, member in named.items()}
        wanted = [name for name in _list(schema.get("required")) if isinstance(name, str) and name not in named]
        return made | {name: self.of(rest, depth + 1) for name in wanted[:MOST_VALUES]}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = [self.of(member, depth + 1) for member in _list(schema.get("prefixItems"))[:MOST_ITEMS]]
        wanted = min(_size(schema, "minItems", 1), _size(schema, "maxItems", MOST_ITEMS), MOST_ITEMS)
        return first + [self.of(schema.get("items", {}), depth + 1) for _ in range(wanted - len(first))]


def _text(schema: Mapping[str, Any]) -> str:
    kind = schema.get("format")
    text = _FORMATS.get(kind if isinstance(kind, str) else "", "text")
    return text.ljust(min(_size(schema, "minLength", 0), LONGEST_TEXT), ".")[: _size(schema, "maxLength", LONGEST_TEXT)]


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The least that is allowed; where there is only a highest one, that one or 1."""
    try:
        return _fitting(schema, _bound(schema, "multipleOf") or (1 if whole else 0))
    except (OverflowError, ValueError):  # bounds that no float holds
        return 1


def _fitting(schema: Mapping[str, Any], step: float) -> int | float:
    low, above = _bound(schema, "minimum"), _bound(schema, "exclusiveMinimum")
    high, below = _bound(schema, "maximum"), _bound(schema, "exclusiveMaximum")
    ceiling = min((number for number in (high, below) if number is not None), default=None)
    if low is None and above is None:
        value = min(1, ceiling) if ceiling is not None else 1
        value = math.floor(value / step) * step if step else value
        return value - (step or 1) if value == below else value
    floor = max(number for number in (low, above) if number is not None)
    if step:
        value = math.ceil(floor / step) * step
        return value + step if value == above else value
    return floor if floor != above else (floor + (ceiling if ceiling is not None else floor + 2)) / 2


def _bound(schema: Mapping[str, Any], key: str) -> int | float | None:
    value = schema.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _size(schema: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = schema.get(key)
    return max(value, 0) if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def _referred(reference: Any, root: Any) -> Any:
    """The part of `root` behind a local JSON Pointer (RFC 6901); anything else fits everything."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    part = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        part = part.get(key, {}) if isinstance(part, Mapping) else {}
    return part
