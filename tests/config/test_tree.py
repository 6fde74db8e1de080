"""Nodes and lines: where everything stands, in offsets and for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.events import parse_yaml
from reconciler.config.tree import Alias, Lines, Mark, Node, Scalar, child, find, key_of, place_of, walk
from reconciler.problems import Place

TEXT = """\
a: &x {b: [1, two]}
c: *x
"""


@pytest.fixture
def root() -> Node:
    node, problems = parse_yaml(TEXT, "a.yaml")
    assert node is not None
    assert problems == []
    return node


def test_a_path_leads_to_its_node_also_through_an_alias(root: Node) -> None:
    for path in (("a", "b", 1), ("c", "b", 1)):
        node = find(root, path)
        assert isinstance(node, Scalar)
        assert (node.value, node.start, node.place) == ("two", Mark(0, 14, 14), Place("a.yaml", 1, 15, 18))
    assert find(root, ()) is root


@pytest.mark.parametrize("path", [("x",), ("a", "b", 2), ("a", "b", -1), ("a", "b", "1"), ("a", 0), ("a", "b", 1, "x")])
def test_a_path_to_nothing_leads_nowhere(root: Node, path: tuple[str | int, ...]) -> None:
    assert find(root, path) is None


def test_a_key_is_found_by_the_path_of_its_value(root: Node) -> None:
    key = key_of(root, ("c", "b"))
    assert key is not None
    assert (key.value, key.start, key.end) == ("b", Mark(0, 7, 7), Mark(0, 8, 8))
    assert key_of(root, ()) is None
    assert key_of(root, ("x",)) is None
    assert key_of(root, ("a", "b", 1)) is None
    assert key_of(root, ("x", "y")) is None


def test_walking_meets_parents_first_and_stops_at_aliases(root: Node) -> None:
    assert [path for path, _ in walk(root)] == [(), ("a",), ("a", "b"), ("a", "b", 0), ("a", "b", 1), ("c",)]
    alias = child(root, "c")
    assert isinstance(alias, Alias)
    assert alias.target is child(root, "a")
    assert alias.place == Place("a.yaml", 2, 4, 6)


@pytest.mark.parametrize("text", ["", "a", "a\n", "\n\n", "a\r\nb\r\n", "\ufeffa\nb"])
def test_lines_start_after_line_ends_and_the_byte_order_mark(text: str) -> None:
    lines = Lines("a.yaml", text)
    shown = text.removeprefix("\ufeff").split("\n")
    assert len(lines.starts) == len(shown)
    for number, start in enumerate(lines.starts):
        assert lines.mark(start) == Mark(number, 0, start)
        assert text[start : start + len(shown[number])] == shown[number]


def test_a_position_before_the_first_character_is_the_first() -> None:
    assert Lines("a.yaml", "\ufeffa").mark(0) == Mark(0, 0, 0)


@given(st.text(st.sampled_from("a\n"), max_size=20), st.data())
def test_a_mark_counts_line_ends_before_it(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    before = text[:offset]
    assert Lines("", text).mark(offset) == Mark(before.count("\n"), len(before) - before.rfind("\n") - 1, offset)


def test_a_place_has_an_end_only_on_its_own_line() -> None:
    assert place_of("f", Mark(1, 2, 9), Mark(1, 5, 12)) == Place("f", 2, 3, 6)
    assert place_of("f", Mark(1, 2, 9), Mark(2, 5, 20)) == Place("f", 2, 3)
    assert place_of("f", Mark(1, 2, 9), Mark(1, 2, 9)) == Place("f", 2, 3)
    assert place_of("f", Mark(1, 2, 9)) == Place("f", 2, 3)
