"""What a client owes a server that asks its user with a form: fields left out hold their defaults (SEP-1034). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_defaults(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """`answer` to an `elicitation/create` with the params `asked`; an accepted form has every default it left out."""
    schema = asked.get("requestedSchema")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    content = answer.get("content", {})
    if answer.get("action") != "accept" or not isinstance(properties, Mapping) or not isinstance(content, Mapping):
        return dict(answer)
    defaults = {
        name: field["default"]
        for name, field in properties.items()
        if isinstance(field, Mapping) and "default" in field
    }
    return {**answer, "content": {**defaults, **content}}
