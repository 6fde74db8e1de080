"""The JSON reader: the same values as the standard library, the same interface as the YAML reader, more ways out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.json_text import parse_json
from reconciler.config.tree import find, key_of, walk
from reconciler.merge_patch import equal
from reconciler.problems import Place
from tests.requirements import requirement

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


def read(text: str) -> Any:
    root, problems = parse_json(text, "a.json")
    assert problems == []
    assert root is not None
    return root.value


def codes(text: str) -> list[str]:
    return [problem.code for problem in parse_json(text, "a.json")[1]]


@requirement("CFG-1:mcp-json-is-valid")
@settings(max_examples=150, deadline=None)
@given(VALUES, st.sampled_from([None, 1, 2]), st.booleans())
def test_what_the_standard_library_writes_is_read_as_it_was(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert equal(read(text), value)
    assert equal(read(f"\ufeff \r\n\t{text}\n"), value)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_every_node_stands_where_it_says(value: Any) -> None:
    text = json.dumps({"a": value}, indent=1)
    root, _ = parse_json(text, "a.json")
    assert root is not None
    for path, node in walk(root):
        assert equal(json.loads(text[node.first : node.last]), node.value)
        key = key_of(root, path)
        assert key is None or json.loads(text[key.first : key.last]) == path[-1]


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from('{}[]:,"\\u0d8/*ab1-.eE \n\ttrueNaN\ufeff'), max_size=40))
def test_a_text_is_read_exactly_when_it_is_json_within_the_limits(text: str) -> None:
    root, problems = parse_json(text, "a.json")
    assert root is not None or problems
    try:
        value = json.loads(text.removeprefix("\ufeff"), parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        assert problems
    else:
        assert not problems or {p.code for p in problems} <= {"duplicate-key", "bad-character", "number-too-large"}
        assert problems or (root is not None and equal(root.value, value))


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("", "empty-file", 1),
        (" ", "empty-file", 1),
        ("[1 2]", "json-syntax", 4),
        ('{"a": 1 "b": 2}', "json-syntax", 9),
        ('{"a" 1}', "json-syntax", 6),
        ('{"a": }', "json-syntax", 7),
        ("{,}", "json-syntax", 2),
        ("[1]]", "json-syntax", 4),
        ('{"a": 1]', "json-syntax", 8),
        ("[1}", "json-syntax", 3),
        ("[", "json-syntax", 2),
        ('{"a": [1', "json-syntax", 9),
        ("{a: 1}", "json-syntax", 2),
        ("{'a': 1}", "json-syntax", 2),
        ("[01]", "json-syntax", 2),
        ("[+1]", "json-syntax", 2),
        ("[.5]", "json-syntax", 2),
        ("[1.]", "json-syntax", 2),
        ("[0x1F]", "json-syntax", 2),
        ("[yes]", "json-syntax", 2),
        ("[truest]", "json-syntax", 2),
        ('["a]', "json-syntax", 2),
        ('["a\nb"]', "json-syntax", 2),
        ('["\\x"]', "json-syntax", 3),
        ('["\\u12"]', "json-syntax", 4),
        ("/* a", "json-syntax", 1),
        ("[/*/ 1]", "json-syntax", 2),
        ("{1: 2}", "key-not-text", 2),
        ("{null: 2}", "key-not-text", 2),
        ("[// a\n1]", "comment-in-json", 2),
        ("/**/[1]", "comment-in-json", 1),
        ("[1]//", "comment-in-json", 4),
        ("[1,]", "trailing-comma", 3),
        ('{"a":1,}', "trailing-comma", 7),
        ("[NaN]", "not-json", 2),
        ("[-Infinity]", "not-json", 2),
        ("[9007199254740992]", "number-too-large", 2),
        ("[-9007199254740992]", "number-too-large", 2),
        ("[1e400]", "number-too-large", 2),
        ('["\\ud83d"]', "bad-character", 2),
        ('["\ud800"]', "bad-character", 3),
        ('{"a":1,"a":2}', "duplicate-key", 8),
        ("[1]\n<<<<<<< ours\n", "merge-conflict", 1),
    ],
)
def test_each_is_refused_with_its_own_code_and_column(text: str, code: str, column: int) -> None:
    problems = parse_json(text, "a.json")[1]
    assert [(p.code, p.place.column if p.place else 0) for p in problems] == [(code, column)]
    assert problems[0].hint


@requirement("CFG-6:all-problems-at-once")
def test_reading_goes_on_after_comments_commas_and_numbers() -> None:
    text = '{"a": [1, 2,], // b\n "c": NaN, "d": 1e999, /* e */ "c": 1\n "f": [1 2 "x"],}\n// end'
    root, problems = parse_json(text, "a.json")
    assert [p.code for p in problems] == [
        *("trailing-comma", "comment-in-json", "not-json", "number-too-large", "comment-in-json"),
        *("duplicate-key", "json-syntax", "json-syntax", "json-syntax", "trailing-comma", "comment-in-json"),
    ]
    assert root is not None
    assert root.value == {"a": [1, 2], "c": "NaN", "d": "1e999", "f": [1, 2, "x"]}


def test_a_forgotten_bracket_is_one_mistake() -> None:
    assert codes('{"a": ["b", "c": 1}') == ["json-syntax"]


def test_a_comment_at_the_end_is_not_the_end() -> None:
    assert codes("// only a comment") == ["comment-in-json"]


def test_surrogate_pairs_are_characters() -> None:
    assert read('["\\ud83d\\ude00 \\u00e9 \\/ \\n"]') == ["\U0001f600 \u00e9 / \n"]


def test_a_problem_at_the_end_of_the_text_stands_behind_the_last_character() -> None:
    (problem,) = parse_json('{"a": 1,\n\n', "a.json")[1]
    assert problem.place == Place("a.json", 1, 9)


def test_json_is_written_in_brackets() -> None:
    root, _ = parse_json('{"a": [1]}', "a.json")
    assert root is not None
    assert [getattr(node, "flow", None) for _, node in walk(root)] == [True, True, None]
    assert find(root, ("a", 0)) is not None
