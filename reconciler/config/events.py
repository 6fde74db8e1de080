"""YAML 1.2 core from parser events: values, guards, duplicate keys and positions all come from the same pass.

The scanner is libyaml's (through PyYAML); which words are booleans, numbers or null is decided here, by the YAML 1.2
core schema (section 10.3). Nothing is built that the guards refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from reconciler.config.tree import Alias, Mapping, Mark, Node, Scalar, Sequence, place_of
from reconciler.problems import Problem

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_ALIAS_NODES = 100_000
MAX_INTEGER = 2**53 - 1

Collection: TypeAlias = Mapping | Sequence
_LOADER: Any = getattr(yaml, "CLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(slots=True)
class _Builder:
    """Turns events into nodes; every refusal is a Problem and reading goes on."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, tuple[Scalar | Collection, int]] = field(default_factory=dict)
    alias_nodes: int = 0
    count: int = 0

    def refuse(self, code: str, summary: str, detail: str, at: Any, hint: str | None = None) -> None:
        place = place_of(self.file, _mark(at.start_mark), _mark(at.end_mark))
        self.problems.append(Problem("error", code, summary, detail, place, hint))


class _TooDeep(Exception):
    pass


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The one document in `text`. The node is None when it is empty or cannot be parsed; then a Problem says why."""
    builder = _Builder(file)
    root: Node | None = None
    try:
        root = _document(builder, yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        builder.problems.append(_syntax(error, text, file))
        return None, builder.problems
    except yaml.reader.ReaderError as error:
        builder.problems.append(_unreadable(error, text, file))
        return None, builder.problems
    except _TooDeep:
        return None, builder.problems
    if root is None and not builder.problems:
        builder.problems.append(empty(file))
    return root, builder.problems


def empty(file: str) -> Problem:
    """The Problem of a text without any value in it."""
    hint = "write `mcpServers: {}` for no servers at all"
    return Problem("error", "empty-file", "The file is empty", f"{file} holds no document", None, hint)


def _document(builder: _Builder, events: Iterator[Any]) -> Node | None:
    root: Node | None = None
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            _check_start(builder, event, documents)
        elif isinstance(event, yaml.NodeEvent):
            node = _node(builder, events, event, 0)
            root = node if documents == 1 else root
    if isinstance(root, Scalar) and root.value is None and root.style == "" and root.start.offset == root.end.offset:
        return None
    return root


def _check_start(builder: _Builder, event: Any, documents: int) -> None:
    if documents == 2:
        builder.refuse(
            "several-documents",
            "More than one YAML document",
            "a configuration is one document",
            event,
            "keep one and split the rest into files given with -f",
        )
    if event.version not in (None, (1, 2)):
        version = ".".join(map(str, event.version))
        builder.refuse(
            "yaml-version",
            "Not YAML 1.2",
            f"the directive %YAML {version} would change what words mean",
            event,
            "delete the %YAML line",
        )


def _node(builder: _Builder, events: Iterator[Any], event: Any, depth: int) -> Node:
    builder.count += 1
    if isinstance(event, yaml.ScalarEvent):
        scalar = _scalar(builder, event)
        _anchor(builder, event, scalar, builder.count - 1)
        return scalar
    if isinstance(event, yaml.AliasEvent):
        return _alias(builder, event)
    if depth >= MAX_DEPTH:
        builder.refuse("too-deep", "Nested too deeply", f"more than {MAX_DEPTH} levels", event)
        raise _TooDeep
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(builder, events, event, depth)
    return _sequence(builder, events, event, depth)


def _mapping(builder: _Builder, events: Iterator[Any], event: Any, depth: int) -> Mapping:
    _check_tag(builder, event, "map")
    node, before = Mapping(_mark(event.start_mark), flow=event.flow_style, anchor=event.anchor), builder.count - 1
    _open_anchor(builder, event, node)
    for key_event in events:
        if isinstance(key_event, yaml.MappingEndEvent):
            node.end = _mark(key_event.end_mark)
            break
        key = _node(builder, events, key_event, depth + 1)
        member = _node(builder, events, next(events), depth + 1)
        if isinstance(key, Scalar) and _key_is_fine(builder, node, key, key_event):
            node.keys[key.value] = key
            node.children[key.value] = member
            node.value[key.value] = member.value
        elif not isinstance(key, Scalar):
            _refuse_key(builder, key_event, "use a plain name")
    _anchor(builder, event, node, before)
    return node


def _sequence(builder: _Builder, events: Iterator[Any], event: Any, depth: int) -> Sequence:
    _check_tag(builder, event, "seq")
    node, before = Sequence(_mark(event.start_mark), flow=event.flow_style, anchor=event.anchor), builder.count - 1
    _open_anchor(builder, event, node)
    for item_event in events:
        if isinstance(item_event, yaml.SequenceEndEvent):
            node.end = _mark(item_event.end_mark)
            break
        item = _node(builder, events, item_event, depth + 1)
        node.items.append(item)
        node.value.append(item.value)
    _anchor(builder, event, node, before)
    return node


def _refuse_key(builder: _Builder, event: Any, hint: str) -> None:
    word = getattr(event, "value", "a collection") or "an empty key"
    builder.refuse("key-not-text", "A key that is not text", f"{word} is not text", event, hint)


def _key_is_fine(builder: _Builder, node: Mapping, key: Scalar, event: Any) -> bool:
    if not isinstance(key.value, str):
        _refuse_key(builder, event, f'quote it: "{event.value}"')
        return False
    if key.value == "<<" and not key.style:
        hint = "repeat the fields, or put what is common under `defaults:`"
        builder.refuse("merge-key", "A YAML 1.1 merge key", "YAML 1.2 has no `<<`", event, hint)
        return False
    if key.value in node.keys:
        first = node.keys[key.value].start
        detail = f'"{key.value}" stands here and in line {first.line + 1}'
        builder.refuse("duplicate-key", "The same key twice", detail, event, "delete one of the two")
        return False
    return True


def _anchor(builder: _Builder, event: Any, node: Scalar | Collection, before: int) -> None:
    if event.anchor:
        builder.anchors[event.anchor] = (node, builder.count - before)


def _open_anchor(builder: _Builder, event: Any, node: Collection) -> None:
    if event.anchor:
        builder.anchors[event.anchor] = (node, 0)  # size 0 marks a collection that is still open


def _alias(builder: _Builder, event: Any) -> Node:
    start, end = _mark(event.start_mark), _mark(event.end_mark)
    target, size = builder.anchors.get(event.anchor, (None, 0))
    if target is None:
        builder.refuse("unknown-anchor", "An alias without an anchor", f"nothing is named &{event.anchor}", event)
        return Scalar(None, start, end)
    if size == 0:
        builder.refuse("recursive-alias", "An alias inside itself", f"*{event.anchor} stands inside its anchor", event)
        raise _TooDeep
    builder.alias_nodes += size
    builder.count += size - 1
    if builder.alias_nodes > MAX_ALIAS_NODES:
        builder.refuse("too-many-aliases", "Aliases add too much", f"more than {MAX_ALIAS_NODES} values", event)
        raise _TooDeep
    return Alias(target, start, end)


def _scalar(builder: _Builder, event: Any) -> Scalar:
    plain = event.implicit[0]
    style = "" if event.style is None or plain else event.style
    if event.tag and event.tag != "!":
        value = _tagged(builder, event)
    elif plain:
        value = _plain(builder, event)
    else:
        value = event.value
    return Scalar(value, _mark(event.start_mark), _mark(event.end_mark), style, event.anchor)


def _plain(builder: _Builder, event: Any) -> Any:
    """The value of an unquoted word (YAML 1.2 core schema, section 10.3.2)."""
    word = event.value
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _NUMBER_START:
        return word
    if _INTEGER.fullmatch(word):
        return _integer(builder, event, word, 10)
    if _OCTAL.fullmatch(word):
        return _integer(builder, event, word[2:], 8)
    if _HEX.fullmatch(word):
        return _integer(builder, event, word[2:], 16)
    if _INFINITE.fullmatch(word):
        builder.refuse("not-json", "Not a number JSON has", f"{word} cannot be kept", event, f'quote it: "{word}"')
        return word
    return _float(builder, event, word) if _FLOAT.fullmatch(word) else word


def _integer(builder: _Builder, event: Any, digits: str, base: int) -> Any:
    value = int(digits, base) if len(digits) <= 60 else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        hint = "quote it to keep it as text"
        builder.refuse("number-too-large", "A number too large", "integers end at 2^53-1", event, hint)
    return value


def _float(builder: _Builder, event: Any, word: str) -> Any:
    value = float(word)
    if value in (float("inf"), float("-inf")):
        builder.refuse("number-too-large", "A number too large", f"{word[:40]} does not fit a double", event)
        return word
    return value


def _tagged(builder: _Builder, event: Any) -> Any:
    match event.tag.removeprefix(_CORE) if event.tag.startswith(_CORE) else "":
        case "str":
            return event.value
        case "int" | "float" | "bool" | "null":
            return _plain(builder, event)
        case _:
            _check_tag(builder, event, "")
            return event.value


def _check_tag(builder: _Builder, event: Any, allowed: str) -> None:
    if event.tag and event.tag != "!" and event.tag != _CORE + allowed:
        hint = "delete the tag; values here are plain data"
        builder.refuse("custom-tag", "A YAML tag", f"the tag {event.tag[:60]} is not allowed", event, hint)


def _mark(mark: Any) -> Mark:
    return Mark(mark.line, mark.column, mark.index)


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    at = _mark(mark) if mark else Mark(0, 0, 0)
    lines = text.splitlines()
    line = lines[at.line] if at.line < len(lines) else ""
    hint = "indent with spaces" if "\t" in line[: at.column + 1] else None
    words = [error.context, error.problem] if error.context else [error.problem]
    detail = ", ".join(word for word in words if word)
    return Problem("error", "yaml-syntax", "Not valid YAML", detail, place_of(file, at), hint)


def _unreadable(error: yaml.reader.ReaderError, text: str, file: str) -> Problem:
    before = text[: error.position] if isinstance(error.position, int) else ""
    at = Mark(before.count("\n"), len(before) - before.rfind("\n") - 1, len(before))
    code = error.character if isinstance(error.character, int) else ord(error.character)
    detail = f"the character U+{code:04X} may not stand in YAML"
    return Problem("error", "bad-character", "A character YAML does not allow", detail, place_of(file, at), "delete it")
