"""Tool definitions for tests of the lock, and every way in which one field of them can change."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

from reconciler.merge_patch import equal
from reconciler.model.pins import Identity, Pins, ServerPins, Surface
from reconciler.plan.lock import pins_from

TOOL: dict[str, Any] = {
    "name": "search",
    "title": "Search",
    "description": "Searches the web.\nAnswers with at most ten pages; nothing is kept.",
    "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "query": {"type": "string", "minLength": 1, "description": "What to look for."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 10, "default": 10},
            "kind": {"enum": ["page", "image", None, 7, 0.5, True]},
            "deep": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]},
        },
        "required": ["query"],
        "additionalProperties": False,
    },
    "outputSchema": {"type": "object", "properties": {"pages": {"type": "array"}}},
    "annotations": {"readOnlyHint": True, "openWorldHint": True, "title": "Search the web"},
    "icons": [{"src": "https://example.com/icon.png", "sizes": ["48x48"]}],
    "execution": {"taskSupport": "optional"},
    "vendorField": {"deep": [1, 2, {"x": None}]},
    "_meta": {"example.com/version": 3},
}
UNSEEN = ("\u200b", "\u202e", "\U000e0041", "\x1b[8m", "\u0430", " ", "e\u0301")


def pins_of(tools: list[dict[str, Any]], launch: str | None = "sha256:launch", **more: Any) -> ServerPins:
    """The pins of a server that shows these tools."""
    return pins_from(Surface({"tool": tools, **more}, None, launch), Identity("2025-11-25"))[0]


def lock_of(**servers: ServerPins) -> Pins:
    """A lock that holds these servers."""
    return Pins("sha256:lock", servers)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value but the `_meta` at its top."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if path or key != "_meta":
            yield from paths(member, (*path, key))


def mutations(definition: dict[str, Any], count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Definitions that differ from `definition` in one place, each in something that means something."""
    chance = random.Random(seed)
    places = list(paths(definition))
    while count:
        mutated = copy.deepcopy(definition)
        _mutate(mutated, chance.choice(places), chance)
        if not equal(mutated, definition):
            count -= 1
            yield mutated


def _mutate(value: Any, path: tuple[Any, ...], chance: random.Random) -> None:
    *way, last = path
    for step in way:
        value = value[step]
    how = chance.randrange(6)
    if how == 0:
        del value[last]
    elif how == 1 and isinstance(value, dict):
        value[chance.choice(("x", f"{last}\u200b", "Description", "$ref"))] = value.pop(last)
    elif how == 2 and isinstance(value, list):
        value.insert(last, chance.choice((None, 0, "", {}, [], value[-1])))
    elif how == 3:
        value[last] = chance.choice((None, True, False, 0, 1, "", "1", {}, [], [value[last]], {"x": value[last]}))
    else:
        value[last] = _other(value[last], chance)


def _other(value: Any, chance: random.Random) -> Any:
    match value:
        case bool():
            return chance.choice((not value, int(value), str(value).lower()))
        case str():
            at = chance.randrange(len(value) + 1)
            texts = (value[:at] + chance.choice(UNSEEN) + value[at:], value.swapcase(), value[:at], value + "\n")
            return chance.choice(texts)
        case int() | float():
            return chance.choice((value + 1, -value - 1, str(value), value * 1.5 + 0.25))
        case list():
            return chance.choice((value[::-1], value + value, value[1:]))
        case dict():
            return {
                **value,
                chance.choice(("x-new", "description", "default")): chance.choice((1, "<IMPORTANT>", None)),
            }
        case _:
            return chance.choice(("null", 0, False))


def reordered(value: Any) -> Any:
    """The same value with the members of every object the other way round."""
    match value:
        case dict():
            return {key: reordered(value[key]) for key in reversed(value)}
        case list():
            return [reordered(item) for item in value]
        case _:
            return value
