"""YAML 1.2 core from parser events: values, guards, duplicate keys and positions all come from the same pass.

The scanner is libyaml's (through PyYAML); which words are booleans, numbers or null is decided in `config/scalars`.
Nothing is built that the guards refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

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

from reconciler.config.characters import unreadable
from reconciler.config.codes import problem
from reconciler.config.scalars import NotPlain, plain_value, tagged_value
from reconciler.config.tree import Alias, Lines, Mapping, Node, Scalar, Sequence
from reconciler.problems import Place, Problem

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_ALIAS_NODES = 100_000
MAX_ALIAS_CHARACTERS = 4 * 1024 * 1024
MAX_NODES = 500_000

Collection: TypeAlias = Mapping | Sequence
_LOADER: Any = getattr(yaml, "CLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"


class _Weight(NamedTuple):
    """What an alias to a node adds: values, characters of text, and levels of nesting."""

    nodes: int
    characters: int
    levels: int


class _Anchor(NamedTuple):
    node: Scalar | Collection
    weight: _Weight | None
    """None while the collection is still open."""


class _Stop(Exception):
    """A guard refused; nothing more is read."""


class _Builder:
    """Turns events into nodes; every refusal is a Problem, and reading goes on."""

    def __init__(self, lines: Lines, next_event: Callable[[], Any]) -> None:
        self.lines, self.next = lines, next_event
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Anchor] = {}
        self.added = _Weight(0, 0, 0)
        self.nodes = self.characters = self.deepest = 0

    def refuse(self, code: str, detail: str, at: Any, hint: str | None = None) -> None:
        place = self.lines.place(at.start_mark.index, at.end_mark.index)
        self.problems.append(problem(code, detail, place, hint))


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The one document in `text`. The node is None when it is empty or cannot be parsed; then a Problem says why."""
    lines = Lines(file, text)
    if refused := unreadable(lines):
        return None, refused
    # libyaml does not count a byte order mark; a line end in its place keeps the offsets those of the text
    loader = _LOADER("\n" + text[1:] if text.startswith("\ufeff") else text)
    builder = _Builder(lines, loader.get_event)
    root: Node | None = None
    try:
        root = _document(builder)
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax(error, lines))
        return None, builder.problems
    except _Stop:
        return None, builder.problems
    finally:
        loader.dispose()
    if root is None and not builder.problems:
        builder.problems.append(empty(file))
    return root, builder.problems


def empty(file: str) -> Problem:
    """The Problem of a text without any value in it."""
    hint = "write `mcpServers: {}` for no servers at all"
    return problem("empty-file", f"{file} holds no document", Place(file, 1, 1), hint)


def _document(builder: _Builder) -> Node | None:
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


def _check_start(builder: _Builder, event: Any, documents: int) -> None:
    if documents == 2:
        hint = "keep one and split the rest into files given with -f"
        builder.refuse("several-documents", "a configuration is one document", event, hint)
    if event.version not in (None, (1, 2)):
        version = ".".join(map(str, event.version))
        detail = f"the directive %YAML {version} would change what words mean"
        builder.refuse("yaml-version", detail, event, "delete the %YAML line")


def _node(builder: _Builder, event: Any, depth: int) -> Node:
    kind = type(event)
    if kind is ScalarEvent:
        return _scalar(builder, event)
    if kind is AliasEvent:
        return _alias(builder, event, depth)
    _enter(builder, event, depth)
    return (_mapping if kind is MappingStartEvent else _sequence)(builder, event, depth)


def _enter(builder: _Builder, event: Any, depth: int) -> None:
    """Count a collection; raises _Stop beyond the limits."""
    if depth >= MAX_DEPTH:
        raise _stop(builder, "too-deep", f"more than {MAX_DEPTH} levels", event)
    _count(builder, event)
    builder.deepest = max(builder.deepest, depth + 1)
    allowed = "map" if isinstance(event, MappingStartEvent) else "seq"
    if event.tag is not None and event.tag not in ("!", _CORE + allowed):
        _refuse_tag(builder, event)


def _count(builder: _Builder, event: Any) -> None:
    builder.nodes += 1
    if builder.nodes > MAX_NODES:
        raise _stop(builder, "too-many-values", f"more than {MAX_NODES} values", event)


def _stop(builder: _Builder, code: str, detail: str, event: Any) -> _Stop:
    builder.refuse(code, detail, event)
    return _Stop()


def _mapping(builder: _Builder, event: Any, depth: int) -> Mapping:
    node = Mapping(builder.lines, event.start_mark.index, flow=event.flow_style, anchor=event.anchor)
    before = _open_anchor(builder, node, depth)
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
    _close_anchor(builder, node, depth, before)
    return node


def _sequence(builder: _Builder, event: Any, depth: int) -> Sequence:
    node = Sequence(builder.lines, event.start_mark.index, flow=event.flow_style, anchor=event.anchor)
    before = _open_anchor(builder, node, depth)
    while type(item_event := builder.next()) is not SequenceEndEvent:
        item = _node(builder, item_event, depth + 1)
        node.items.append(item)
        node.value.append(item.value)
    node.last = _last(item_event)
    _close_anchor(builder, node, depth, before)
    return node


def _last(event: Any) -> int:
    return event.end_mark.index  # type: ignore[no-any-return]  # the parser's marks are untyped


def _key_is_fine(builder: _Builder, node: Mapping, key: Scalar, event: Any) -> bool:
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


def _open_anchor(builder: _Builder, node: Collection, depth: int) -> _Weight | None:
    """Note that the anchor is open; answers the counters so far, with the depth reached elsewhere."""
    if not node.anchor:
        return None
    before = _Weight(builder.nodes - 1, builder.characters, builder.deepest)
    builder.anchors[node.anchor] = _Anchor(node, None)
    builder.deepest = depth + 1
    return before


def _close_anchor(builder: _Builder, node: Collection, depth: int, before: _Weight | None) -> None:
    if node.anchor and before:
        levels = builder.deepest - depth
        weight = _Weight(builder.nodes - before.nodes, builder.characters - before.characters, levels)
        builder.anchors[node.anchor] = _Anchor(node, weight)
        builder.deepest = max(builder.deepest, before.levels)


def _alias(builder: _Builder, event: Any, depth: int) -> Node:
    first, last = event.start_mark.index, event.end_mark.index
    anchor = builder.anchors.get(event.anchor)
    if anchor is None:
        builder.refuse("unknown-anchor", f"nothing is named &{event.anchor}", event, "write the value itself")
        return Scalar(None, builder.lines, first, last)
    if anchor.weight is None:
        raise _stop(builder, "recursive-alias", f"*{event.anchor} stands inside its own anchor", event)
    _add(builder, anchor.weight, event, depth)
    return Alias(anchor.node, builder.lines, first, last)


def _add(builder: _Builder, weight: _Weight, event: Any, depth: int) -> None:
    """Count what an alias adds as if it were written out; raises _Stop beyond the limits."""
    added = _Weight(builder.added.nodes + weight.nodes, builder.added.characters + weight.characters, 0)
    if added.nodes > MAX_ALIAS_NODES:
        raise _stop(builder, "too-many-aliases", f"more than {MAX_ALIAS_NODES} values", event)
    if added.characters > MAX_ALIAS_CHARACTERS:
        raise _stop(builder, "too-many-aliases", f"more than {MAX_ALIAS_CHARACTERS} characters", event)
    if depth + weight.levels > MAX_DEPTH:
        raise _stop(builder, "too-deep", f"more than {MAX_DEPTH} levels", event)
    builder.added = added
    builder.nodes += weight.nodes
    builder.characters += weight.characters
    builder.deepest = max(builder.deepest, depth + weight.levels)


def _scalar(builder: _Builder, event: Any) -> Scalar:
    builder.nodes += 1
    if builder.nodes > MAX_NODES:
        raise _stop(builder, "too-many-values", f"more than {MAX_NODES} values", event)
    value, plain = event.value, event.implicit[0]
    builder.characters += len(value)
    if event.tag is not None and event.tag != "!":
        value = _tagged(builder, event)
    elif plain:
        try:
            value = plain_value(value)
        except NotPlain as error:
            builder.refuse(error.code, error.detail, event, error.hint)
    style = "" if plain or event.style is None else event.style
    node = Scalar(value, builder.lines, event.start_mark.index, event.end_mark.index, style, event.anchor)
    if event.anchor:
        builder.anchors[event.anchor] = _Anchor(node, _Weight(1, len(event.value), 0))
    return node


def _tagged(builder: _Builder, event: Any) -> Any:
    try:
        return tagged_value(event.value, event.tag.removeprefix(_CORE))
    except NotPlain as error:
        builder.refuse(error.code, error.detail, event, error.hint)
    except LookupError:
        _refuse_tag(builder, event)
    return event.value


def _refuse_tag(builder: _Builder, event: Any) -> None:
    hint = "delete the tag; values here are plain data"
    builder.refuse("custom-tag", f"the tag {event.tag[:60]} is not allowed here", event, hint)


def _syntax(error: yaml.MarkedYAMLError, lines: Lines) -> Problem:
    mark = error.problem_mark or error.context_mark
    offset = mark.index if mark else 0
    at = lines.mark(offset)
    before = lines.text[at.offset - at.column : offset + 1]
    hint = "indent with spaces" if "\t" in before else None
    words = [error.context, error.problem] if error.context else [error.problem]
    detail = ", ".join(word for word in words if word)
    return problem("yaml-syntax", detail, lines.place(offset, offset), hint)
