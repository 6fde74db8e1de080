"""Overlays merge by RFC 7396, and of every value it is known which file gave it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.edit import edit
from reconciler.config.events import parse_yaml
from reconciler.config.overlays import Layers, nulls
from reconciler.config.read import Reading, Source, read
from reconciler.config.tree import Node
from reconciler.merge_patch import apply, equal
from tests.config.drawn import Drawn, texts

MAIN = """\
version: 1
mcpServers:
  a:
    command: npx
    args: [x, y]
    env: {A: one, B: two}
  b: {command: b}
  c: {command: c}
"""
LOCAL = """\
mcpServers:
  a:
    args: [z]
    env: {B: three, C: four}
  b: null
  d: {url: "https://example.com/mcp"}
"""
LAST = """\
mcpServers:
  b: {command: again}
  a: {env: {A: null}}
  c: {command: see}
"""


def tree(text: str, name: str = "a.yaml") -> Node:
    node, problems = parse_yaml(text, name)
    assert node is not None
    assert problems == []
    return node


@pytest.fixture
def reading() -> Reading:
    names = zip(("main.yaml", "local.yaml", "last.yaml"), (MAIN, LOCAL, LAST), strict=True)
    return read([Source(name, text) for name, text in names], default_project="p")


def test_the_files_are_one_value(reading: Reading) -> None:
    assert reading.problems == ()
    assert reading.written == {
        "version": 1,
        "mcpServers": {
            "a": {"command": "npx", "args": ["z"], "env": {"B": "three", "C": "four"}},
            "b": {"command": "again"},
            "c": {"command": "see"},
            "d": {"url": "https://example.com/mcp"},
        },
    }


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("version",), "main.yaml:1:1"),
        (("mcpServers", "a", "command"), "main.yaml:4:5"),
        (("mcpServers", "a", "args"), "local.yaml:3:5"),
        (("mcpServers", "a", "args", 0), "local.yaml:3:12"),
        (("mcpServers", "a", "env", "B"), "local.yaml:4:11"),
        (("mcpServers", "b", "command"), "last.yaml:2:7"),
        (("mcpServers", "c", "command"), "last.yaml:4:7"),
        (("mcpServers", "d", "url"), "local.yaml:6:7"),
    ],
)
def test_the_last_file_that_sets_a_value_is_its_place(reading: Reading, path: tuple[Any, ...], place: str) -> None:
    assert str(reading.place(path)) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("project",), "main.yaml:1:1"),
        (("mcpServers", "x", "command"), "main.yaml:2:1"),
        (("mcpServers", "a", "url"), "main.yaml:3:3"),
        (("mcpServers", "d", "headers", "A"), "local.yaml:6:3"),
        (("mcpServers", "a", "args", 1), "local.yaml:3:5"),
        (("mcpServers", "a", "args", 0, "x"), "local.yaml:3:12"),
        ((), "main.yaml:1:1"),
    ],
)
def test_what_is_not_there_has_the_place_of_its_nearest_parent(
    reading: Reading, path: tuple[Any, ...], place: str
) -> None:
    assert str(reading.place(path)) == place


def test_what_was_removed_has_no_place() -> None:
    gone = read(
        [Source("m.yaml", MAIN), Source("l.yaml", "mcpServers: {a: null, b: {command: null, url: 'http://x'}}")],
        default_project="p",
    )
    assert gone.problems == ()
    assert gone.place(("mcpServers", "a")) is None
    assert gone.place(("mcpServers", "a", "command")) is None
    assert gone.place(("mcpServers", "b", "command")) is None
    assert str(gone.place(("mcpServers", "b", "url"))) == "l.yaml:1:42"
    emptied = Layers((tree(MAIN), tree("mcpServers: null", "l.yaml")))
    assert emptied.place(("mcpServers", "a")) is None
    assert Layers(()).place(("a",)) is None


def test_what_is_built_again_after_a_removal_has_its_new_place() -> None:
    layers = Layers((tree("a: {b: 1}"), tree("a: null", "l.yaml"), tree("a: {c: 2}", "n.yaml")))
    assert layers.merged() == {"a": {"c": 2}}
    assert str(layers.place(("a", "b"))) == "n.yaml:1:1"


def test_a_value_has_its_own_place_and_a_part_of_it_too() -> None:
    layers = Layers((tree('a: "x ${y}"\nb: "\\u0024{y}"\n'),))
    assert str(layers.value_place(("a",))) == "a.yaml:1:4"
    assert str(layers.value_place(("c",))) == "a.yaml:1:1"
    assert str(layers.part_place(("a",), "${y}")) == "a.yaml:1:7"
    assert layers.part_place(("b",), "${y}") is None
    assert layers.part_place(("c",), "") is None
    assert layers.source_text(("a",)) == '"x ${y}"'
    assert layers.source_text(("c",)) == ""
    assert Layers(()).source_text(("c",)) == ""


def test_nulls_are_found_everywhere_but_in_arrays() -> None:
    node = tree("a: ~\nb: {c: null, d: [null, {e: null}]}\nf: &x {g: }\nh: *x\ni: 1\n")
    assert list(nulls(node)) == [("a",), ("b", "c"), ("f", "g"), ("h", "g")]
    assert list(nulls(tree("[null]"))) == []


def test_a_null_in_an_overlay_that_removes_nothing_is_a_warning() -> None:
    found = read([Source("m.yaml", MAIN), Source("l.yaml", "mcpServers: {gihub: null, b: null}")], default_project="p")
    assert [(p.severity, p.code, str(p.place)) for p in found.problems] == [
        ("warning", "removes-nothing", "l.yaml:1:14")
    ]
    assert found.written is not None


@settings(max_examples=120, deadline=None)
@given(texts(), st.lists(texts(), max_size=2))
def test_the_value_is_what_the_patches_make_of_it(main: Drawn, overlays: list[Drawn]) -> None:
    layers = Layers(tuple(tree(drawn.text) for drawn in (main, *overlays)))
    value = main.value if not any(True for _ in nulls(layers.trees[0])) else apply({}, main.value)
    for overlay in overlays:
        value = apply(value, overlay.value)
    assert equal(layers.merged(), value)
    assert all(layers.sets(path) and layers.place(path) for path in paths(value))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members of an object, at any depth."""
    if not isinstance(value, dict):
        return []
    return [found for key, member in value.items() for found in ((*path, key), *paths(member, (*path, key)))]


# Which file a patch goes into


def split(main: str, overlay: str, patch: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The part of each file, and the law: together they say what the patch says."""
    files = [Source("main.yaml", main), Source("over.yaml", overlay)]
    before = read(files, default_project="desk")
    parts = before.split(patch)
    edited = [Source(file.name, edit(file.text, part, file=file.name)) for file, part in zip(files, parts, strict=True)]
    assert read(edited, default_project="desk").written == apply(before.written, patch)
    return parts


BASE = "version: 1\nmcpServers:\n  a: {command: x, description: main, env: {A: '1'}}\n"
OVER = "mcpServers:\n  a: {description: over, env: {B: '2'}}\n  b: {command: y}\n"


@pytest.mark.parametrize(
    ("patch", "main", "over"),
    [
        ({"description": "new"}, {}, {"description": "new"}),
        ({"command": "new"}, {"command": "new"}, {}),
        ({"group": "new"}, {"group": "new"}, {}),
        ({"env": {"A": "3", "B": "3", "C": "3"}}, {"env": {"A": "3", "C": "3"}}, {"env": {"B": "3"}}),
        ({"env": {"A": None}}, {"env": {"A": None}}, {}),
        ({"env": None}, {"env": None}, {"env": None}),
        ({"metadata": {"k": {"n": 1}}}, {"metadata": {"k": {"n": 1}}}, {}),
    ],
)
def test_what_a_file_decides_changes_there_and_the_rest_in_the_main_one(patch: Any, main: Any, over: Any) -> None:
    parts = split(BASE, OVER, {"mcpServers": {"a": patch}})
    assert parts == tuple({"mcpServers": {"a": part}} if part else {} for part in (main, over))


def test_a_server_goes_from_every_file_that_has_it() -> None:
    gone = {"mcpServers": {"a": None}}
    assert split(BASE, OVER, gone) == (gone, gone)
    assert split(BASE, OVER, {"mcpServers": {"b": None}}) == ({}, {"mcpServers": {"b": None}})


def test_a_new_server_stands_in_the_main_file() -> None:
    new = {"mcpServers": {"c": {"command": "z"}}}
    assert split(BASE, OVER, new) == (new, {})
