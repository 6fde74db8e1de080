"""YAML 1.2 core from parser events: values, guards, duplicate keys and positions all come from the same pass.

The scanner is libyaml's (through PyYAML); which words are booleans, numbers or null is decided in `scalars`. Nothing is
built that the guards in `builder` refuse. Where libyaml reads YAML 1.2 differently, the text is refused, never misread.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from reconciler.config.builder import Builder, Stop
from reconciler.config.characters import unreadable
from reconciler.config.codes import problem
from reconciler.config.scalars import NotPlain, plain_value, tagged_value
from reconciler.config.syntax import yaml_syntax
from reconciler.config.tree import Lines, Mapping, Node, Scalar, Sequence
from reconciler.problems import Place, Problem

MAX_BYTES = 4 * 1024 * 1024

_LOADER: Any = getattr(yaml, "CLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_ENDS_IN_SPACES = re.compile(r"\n[ \t]+\Z")


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The one document in `text`. The node is None when it is empty or cannot be parsed; then a Problem says why."""
    lines = Lines(file, text)
    if refused := unreadable(lines):
        return None, refused
    loader = _LOADER(_as_libyaml_counts(text))
    builder = Builder(lines, loader.get_event)
    root: Node | None = None
    try:
        root = _document(builder)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(yaml_syntax(error, lines))
        return None, builder.problems
    except Stop:
        return None, builder.problems
    finally:
        loader.dispose()
    if root is None and not builder.problems:
        builder.problems.append(empty(file))
    return root, builder.problems


def _as_libyaml_counts(text: str) -> str:
    """libyaml does not count a byte order mark, and misreads a last line that is only spaces and has no end."""
    if text.startswith("\ufeff"):
        text = "\n" + text[1:]
    return text + "\n" if _ENDS_IN_SPACES.search(text[-200:]) else text


def empty(file: str) -> Problem:
    """The Problem of a text without any value in it."""
    hint = "write `mcpServers: {}` for no servers at all"
    return problem("empty-file", f"{file} holds no document", Place(file, 1, 1), hint)


def _document(builder: Builder) -> Node | None:
    root: Node | None = None
    documents = 0
    while not isinstance(event := builder.next(), StreamEndEvent):
        if isinstance(event, DocumentStartEvent):
            documents += 1
            _check_start(builder, event, documents)
        elif isinstance(event, NodeEvent):
            node = _node(builder, event, 0)
            root = node if documents == 1 else root
    nothing = isinstance(root, Scalar) and root.value is None and root.style == "" and root.first == root.last
    return None if nothing else root


def _check_start(builder: Builder, event: Any, documents: int) -> None:
    if documents == 2:
        hint = "keep one and split the rest into files given with -f"
        builder.refuse("several-documents", "a configuration is one document", event, hint)
    if event.version not in (None, (1, 2)):
        version = ".".join(map(str, event.version))
        detail = f"the directive %YAML {version} would change what words mean"
        builder.refuse("yaml-version", detail, event, "delete the %YAML line")


def _node(builder: Builder, event: Any, depth: int) -> Node:
    kind = type(event)
    if kind is ScalarEvent:
        return _scalar(builder, event)
    if kind is AliasEvent:
        return builder.alias(event, depth)
    builder.enter(event, depth)
    return (_mapping if kind is MappingStartEvent else _sequence)(builder, event, depth)


def _mapping(builder: Builder, event: Any, depth: int) -> Mapping:
    if event.tag is not None and event.tag != _CORE + "map":
        _refuse_tag(builder, event)
    node = Mapping(builder.lines, event.start_mark.index, flow=event.flow_style, anchor=event.anchor)
    before = builder.open_anchor(node, event, depth) if event.anchor else None
    next_event, keys, children, value = builder.next, node.keys, node.children, node.value
    while type(key_event := next_event()) is not MappingEndEvent:
        key = _node(builder, key_event, depth + 1)
        member = _node(builder, next_event(), depth + 1)
        if isinstance(key, Scalar) and _key_is_fine(builder, node, key, key_event):
            word = key.value
            keys[word], children[word], value[word] = key, member, member.value
        elif not isinstance(key, Scalar):
            builder.refuse("key-not-text", "a collection or an alias is not text", key_event, "use a plain name")
    node.last = _last(key_event)
    if before:
        builder.close_anchor(node, event, depth, before)
    return node


def _sequence(builder: Builder, event: Any, depth: int) -> Sequence:
    if event.tag is not None and event.tag != _CORE + "seq":
        _refuse_tag(builder, event)
    node = Sequence(builder.lines, event.start_mark.index, flow=event.flow_style, anchor=event.anchor)
    before = builder.open_anchor(node, event, depth) if event.anchor else None
    while type(item_event := builder.next()) is not SequenceEndEvent:
        item = _node(builder, item_event, depth + 1)
        node.items.append(item)
        node.value.append(item.value)
    node.last = _last(item_event)
    if before:
        builder.close_anchor(node, event, depth, before)
    return node


def _last(event: Any) -> int:
    return event.end_mark.index  # type: ignore[no-any-return]  # the parser's marks are untyped


def _key_is_fine(builder: Builder, node: Mapping, key: Scalar, event: Any) -> bool:
    if node.flow and builder.lines.text[key.first - 1] == "?":
        builder.refuse("yaml-syntax", "`?` begins a key only before a space", event, "put the word in quotes")
        return False
    if type(event) is AliasEvent:
        return False  # an alias to nothing, which has its problem
    if not isinstance(key.value, str):
        word = event.value
        detail, hint = (f"{word} is not text", f'quote it: "{word}"') if word else ("no key at all", "write a name")
        builder.refuse("key-not-text", detail, event, hint)
        return False
    if key.value == "<<" and not key.style:
        hint = "repeat the fields, or put what is common under `defaults:`"
        builder.refuse("merge-key", "YAML 1.2 has no `<<`", event, hint)
        return False
    if key.value in node.keys:
        builder.problems.append(duplicate_key(node.keys[key.value], key))
        return False
    return True


def duplicate_key(first: Scalar, second: Scalar) -> Problem:
    """The Problem of a key that already stands in the same object."""
    detail = f'"{second.value[:60]}" stands here and in line {first.start.line + 1}'
    return problem("duplicate-key", detail, second.place, "delete one of the two")


def _scalar(builder: Builder, event: Any) -> Scalar:
    value, plain = event.value, event.implicit[0]
    builder.count(event)
    if event.tag is not None:
        value = _tagged(builder, event)
    elif plain:
        try:
            value = plain_value(value)
        except NotPlain as error:
            builder.refuse(error.code, error.detail, event, error.hint)
    style = "" if plain or event.style is None else event.style
    anchor = event.anchor
    node = Scalar(value, builder.lines, event.start_mark.index, event.end_mark.index, style, anchor)
    if anchor:
        builder.name_scalar(node, event)
    return node


def _tagged(builder: Builder, event: Any) -> Any:
    try:
        return tagged_value(event.value, event.tag.removeprefix(_CORE))
    except NotPlain as error:
        builder.refuse(error.code, error.detail, event, error.hint)
    except LookupError:
        _refuse_tag(builder, event)
    return event.value


def _refuse_tag(builder: Builder, event: Any) -> None:
    hint = "delete the tag, or quote the text if the `!` belongs to it"
    builder.refuse("custom-tag", "values here are plain data", event, hint)
