"""What the YAML reader refuses, and that it goes on reading afterwards."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config import events
from reconciler.config.events import parse_yaml
from reconciler.config.tree import Mapping, Scalar, find, key_of
from reconciler.problems import Place
from tests.requirements import requirement


def codes(text: str) -> list[str]:
    return [problem.code for problem in parse_yaml(text, "a.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty-file"),
        ("# only a comment\n", "empty-file"),
        ("---\n", "empty-file"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("%YAML 1.1\n---\na: 1\n", "yaml-version"),
        ("a: !x 1", "custom-tag"),
        ("a: ! 1", "custom-tag"),
        ("a: !!int x", "custom-tag"),
        ("a: !!int true", "custom-tag"),
        ("a: !!timestamp 2001-12-14", "custom-tag"),
        ("a: !!seq {}", "custom-tag"),
        ("a: !!map []", "custom-tag"),
        ("a: !!int 99999999999999999999", "number-too-large"),
        ("<<: {a: 1}", "merge-key"),
        ("1: a", "key-not-text"),
        ("true: a", "key-not-text"),
        ("? \n: a", "key-not-text"),
        ("? [a]\n: b", "key-not-text"),
        ("a: &x 1\n*x : b", "key-not-text"),
        ("a: 1\na: 2", "duplicate-key"),
        ("'a': 1\n\"a\": 2", "duplicate-key"),
        ("a: *x", "unknown-anchor"),
        ("*x : a", "unknown-anchor"),
        ("a: &x [*x]", "recursive-alias"),
        ("a: &x:y 1", "yaml-syntax"),
        ("{?a: 1}", "yaml-syntax"),
        ("[?a]", "yaml-syntax"),
        ("a: 9007199254740992", "number-too-large"),
        ("a: -0x20000000000000", "nothing"),
        ("a: 0x20000000000000", "number-too-large"),
        ("a: 1e400", "number-too-large"),
        ("a: .inf", "not-json"),
        ("a: -.INF", "not-json"),
        ("a: .nan", "not-json"),
        ("a: [", "yaml-syntax"),
        ("a:\n\t- b", "yaml-syntax"),
        ("a: b: c", "yaml-syntax"),
        ("a: @b", "yaml-syntax"),
        ("a: 'b", "yaml-syntax"),
        ("a\rb", "bad-character"),
        ("a: \x07", "bad-character"),
        ("a: \x85", "bad-character"),
        ("a: \ud800", "bad-character"),
        ("a: 1\n<<<<<<< ours\n", "merge-conflict"),
    ],
)
@requirement("CFG-1:yaml-declares")
def test_each_is_refused_with_its_own_code(text: str, code: str) -> None:
    assert codes(text) == ([code] if code != "nothing" else [])


def test_a_quoted_merge_key_is_a_key_like_any_other() -> None:
    assert codes("'<<': a") == []


def test_markers_of_a_conflict_inside_a_text_are_text() -> None:
    assert codes("a: |\n  <<<<<<< ours\n") == []


@requirement("CFG-6:all-problems-at-once")
def test_reading_goes_on_after_a_refusal() -> None:
    text = "1: a\nb: !x c\nb: d\ne: .inf\nf: 1e999\ng: *h\n<<: i\nj: ok\n"
    root, problems = parse_yaml(text, "a.yaml")
    assert [(p.place.line, p.code) for p in problems if p.place] == [
        (1, "key-not-text"),
        (2, "custom-tag"),
        (3, "duplicate-key"),
        (4, "not-json"),
        (5, "number-too-large"),
        (6, "unknown-anchor"),
        (7, "merge-key"),
    ]
    assert root is not None
    assert root.value == {"b": "c", "e": ".inf", "f": "1e999", "g": None, "j": "ok"}


def test_twenty_bad_characters_are_enough() -> None:
    assert codes("a: \x01" * 30) == ["bad-character"] * 20


def test_the_byte_order_mark_moves_nothing() -> None:
    root, problems = parse_yaml("\ufeffa: 1\nb: {c: d}\n", "a.yaml")
    assert problems == []
    assert root is not None
    key, value = key_of(root, ("a",)), find(root, ("b", "c"))
    assert key is not None
    assert value is not None
    assert (key.place, key.first) == (Place("a.yaml", 1, 1, 2), 1)
    assert value.place == Place("a.yaml", 2, 8, 9)


def test_a_last_line_of_spaces_ends_like_any_line() -> None:
    ended, _ = parse_yaml("a: |\n  x\n   \n", "a.yaml")
    open_end, problems = parse_yaml("a: |\n  x\n   ", "a.yaml")
    assert ended is not None
    assert open_end is not None
    assert (open_end.value, problems) == (ended.value, [])


def test_a_node_knows_how_it_was_written() -> None:
    root, _ = parse_yaml("a: &x 'b'\nc: {d: \"e\"}\nf:\n- |\n  g\n", "a.yaml")
    assert root is not None
    scalars = [find(root, path) for path in (("a",), ("c", "d"), ("f", 0))]
    assert [(node.style, node.anchor) for node in scalars if isinstance(node, Scalar)] == [
        ("'", "x"),
        ('"', None),
        ("|", None),
    ]
    flow = find(root, ("c",))
    assert isinstance(root, Mapping)
    assert isinstance(flow, Mapping)
    assert (root.flow, flow.flow) == (False, True)


def test_the_parser_in_python_gives_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "\ufeffversion: 1\nmcpServers:\n  a: &x {command: npx, args: [1.5, 'b', \"c\"]}\n  b: *x\n  a: {}\n# end\n   "
    )
    fast = parse_yaml(text, "a.yaml")
    monkeypatch.setattr(events, "_LOADER", yaml.SafeLoader)
    slow = parse_yaml(text, "a.yaml")
    assert fast[0] is not None
    assert slow[0] is not None
    assert (fast[0].value, fast[1]) == (slow[0].value, slow[1])


def test_a_syntax_error_names_where_it_began_and_a_way_out() -> None:
    (problem,) = parse_yaml('a: [1,\n  "b"\nc: d\n', "a.yaml")[1]
    assert problem.place == Place("a.yaml", 3, 1)
    assert problem.detail.endswith("(it begins in line 1)")
    assert problem.hint == "close the list with `]`, or write a comma"
    (other,) = parse_yaml("%YAML 3.1\n---\na: 1\n", "a.yaml")[1]
    assert other.hint == "check indentation and quotes here"


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("ab1 :-[]{}\"'\n\t#&*!|>%@`,?.<~\ufeff\u00e9\r\x00"), max_size=40))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    root, problems = parse_yaml(text, "a.yaml")
    assert root is not None or problems
    assert all(problem.place for problem in problems)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_no_characters_make_the_reader_fail(text: str) -> None:
    root, problems = parse_yaml(f"a: {text}", "a.yaml")
    assert root is not None or problems
