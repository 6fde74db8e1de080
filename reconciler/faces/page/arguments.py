"""The arguments of a tool as a form: fields made of its JSON schema, and what was sent made values. Pure.

A schema is a server's: nothing in it is believed to be as it should. What a form cannot say is written as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, assert_never

from reconciler.config.visible import visible
from reconciler.faces.http.body import read_json
from reconciler.faces.http.problems import HttpProblem

Kind: TypeAlias = Literal["text", "number", "integer", "boolean", "choice", "json"]

MOST_FIELDS = 60
MOST_CHOICES = 200
MOST_PREFILLED = 4_000
"""Characters of a default that is filled in."""
WHOLE = "arguments"
"""The id of the field that holds all arguments as one JSON object."""

_WORDS: Mapping[str, str] = {"object": "an object", "array": "a list", "string": "a text", "null": "null"}


class NotAsAsked(ValueError):
    """What was sent for an argument cannot be it; the sentence goes on after the argument's name."""


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. `id` is the name of its element, `takes` the JSON types that one written as JSON may have (any
    where it is empty), `default` what stands in it at first: a text, or the number of a choice."""

    id: str
    name: str
    kind: Kind
    required: bool = False
    description: str = ""
    choices: tuple[Any, ...] = ()
    takes: tuple[str, ...] = ()
    default: str = ""


def fields_of(schema: Any, *, whole: bool = False) -> tuple[Field, ...]:
    """The fields for an `inputSchema`: one each, or one for the `whole` where it is wanted or there are too many."""
    members = _mapping(_mapping(schema).get("properties"))
    if whole or len(members) > MOST_FIELDS:
        return (Field(WHOLE, WHOLE, "json", True, takes=("object",), default="{}"),)
    needed = _mapping(schema).get("required")
    required = {name for name in needed if isinstance(name, str)} if isinstance(needed, list) else set()
    return tuple(_field(f"a{n}", name, said, name in required) for n, (name, said) in enumerate(members.items()))


def arguments_of(fields: Iterable[Field], sent: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arguments that a form says, and by field id what is wrong with those that are none."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in fields:
        try:
            values |= _argument(field, sent.get(field.id, ""))
        except NotAsAsked as error:
            wrong[field.id] = str(error)
    return values, wrong


def choice_text(value: Any) -> str:
    """A choice as it is shown: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _argument(field: Field, text: str) -> Mapping[str, Any]:
    if field.kind == "text":
        return {field.name: text.replace("\r\n", "\n")} if text or field.required else {}
    if not text.strip():
        if field.required:
            raise NotAsAsked("is missing")
        return {}
    value = _value(field, text.strip())
    return value if field.id == WHOLE else {field.name: value}


def _value(field: Field, text: str) -> Any:
    match field.kind:
        case "number" | "integer":
            return _number(text, whole=field.kind == "integer")
        case "boolean":
            if text not in ("true", "false"):
                raise NotAsAsked("must be true or false")
            return text == "true"
        case "choice":
            if text not in {str(number) for number in range(len(field.choices))}:
                raise NotAsAsked("must be one of the choices")
            return field.choices[int(text)]
        case "json" | "text":
            return _json(text, field.takes)
        case never:
            assert_never(never)


def _number(text: str, *, whole: bool) -> int | float:
    try:
        value = read_json(text.encode("utf-8", "replace"))
    except HttpProblem:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotAsAsked("must be a number")
    if whole and value != int(value):
        raise NotAsAsked("must be a whole number")
    return value


def _json(text: str, takes: tuple[str, ...]) -> Any:
    try:
        value = read_json(text.encode("utf-8", "replace"))
    except HttpProblem as problem:
        raise NotAsAsked(str(problem).removeprefix("the body ")) from problem
    if takes and not any(_is(value, kind) for kind in takes):
        raise NotAsAsked(f"must be {' or '.join(_WORDS.get(kind, f'a {kind}') for kind in takes)}, as JSON")
    return value


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _field(id: str, name: str, said: Any, required: bool) -> Field:
    schema = _without_null(_mapping(said))
    described = [text for key in ("title", "description") if isinstance(text := schema.get(key), str)]
    description = ": ".join(text for text in described if text.casefold() != name.casefold())
    choices = _choices(schema)
    if choices:
        return Field(id, name, "choice", required, description, choices, default=_chosen(choices, schema))
    types = tuple(_types(schema.get("type")))
    kind = _kind(types)
    takes = types if kind == "json" else ()
    return Field(id, name, kind, required, description, takes=takes, default=_default(schema, kind))


def _without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one schema that is left of a choice between it and null; any other as it is."""
    for word in ("anyOf", "oneOf"):
        options = schema.get(word)
        if isinstance(options, list):
            left = [each for each in map(_mapping, options) if each.get("type") != "null"]
            if len(left) == 1 and len(options) > 1:
                return {**left[0], **{key: value for key, value in schema.items() if key != word}}
    return schema


def _types(said: Any) -> Iterator[str]:
    types = said if isinstance(said, list) else [said]
    known = ("object", "array", "string", "boolean", "number", "integer", "null")
    yield from (each for each in types if isinstance(each, str) and each in known)


def _kind(types: tuple[str, ...]) -> Kind:
    match tuple(each for each in types if each != "null"):
        case ("string",):
            return "text"
        case ("number" | "integer" | "boolean" as kind,):
            return kind
        case _:
            return "json"


def _choices(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return tuple(values) if isinstance(values, list) and len(values) <= MOST_CHOICES else ()


def _chosen(choices: tuple[Any, ...], schema: Mapping[str, Any]) -> str:
    texts = [json.dumps(each) for each in choices]
    default = json.dumps(schema["default"]) if "default" in schema else ""
    return str(texts.index(default)) if default in texts else ""


def _default(schema: Mapping[str, Any], kind: Kind) -> str:
    """What a person can see the whole of; a default with something unseen in it is sent by nobody unawares."""
    if schema.get("default") is None:
        return ""
    value = schema["default"]
    text = value if kind == "text" and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    seen = all(visible(line) == line for line in text.split("\n"))
    return text if seen and len(text) <= MOST_PREFILLED else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
