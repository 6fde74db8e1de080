"""The editor at its edges: where a document starts and ends, anchors, block scalars, brackets, and what it refuses."""

from typing import Any

import pytest

from reconciler.config.edit import EditRefused, edit
from tests.requirements import requirement

DOCUMENTS: list[tuple[str, dict[str, Any], str]] = [
    ("", {"a": 1}, "a: 1\n"),
    ("", {"a": None}, ""),
    ("# only this", {"a": 1}, "# only this\na: 1"),
    ("version: 1", {"mcpServers": {"a": {"command": "x"}}}, "version: 1\nmcpServers:\n  a:\n    command: x"),
    ("version: 1\n", {"mcpServers": {}}, "version: 1\nmcpServers: {}\n"),
    ("mcpServers:\n  # none\n", {"mcpServers": {"a": {}}}, "mcpServers:\n  a: {}\n  # none\n"),
    ("{}", {"a": 1}, "a: 1"),
    ("{} # b\n", {"a": 1}, "# b\na: 1\n"),
    ("null\n", {"a": 1}, "a: 1\n"),
    ("--- {} # b\n", {"a": 1}, "---  # b\na: 1\n"),
    ("{a: 1}\n", {"b": [1]}, "{a: 1, b: [1]}\n"),
    ("{a: 1}\n", {"a": None}, "{}\n"),
    ("--- {a: 1} # b\n", {"a": 2}, "--- {a: 2} # b\n"),
    ("---\na: 1\n...\n", {"b": 2}, "---\na: 1\nb: 2\n...\n"),
    ("# top\n\n# of a\na: 1\n", {"a": None}, "# top\n\n{}\n"),
    ("# of a\na: 1\nb: 2\n", {"a": None}, "b: 2\n"),
    ("# $schema: x\na: 1\nb: 2\n", {"a": None}, "# $schema: x\nb: 2\n"),
    ("a: 1\n\nb: 2\n\nc: 3\n", {"b": None, "c": None}, "a: 1\n"),
    ("\ufeffa: 1\n", {"a": 2, "b": 3}, "\ufeffa: 2\nb: 3\n"),
    ("\ufeff", {"a": 1}, "\ufeffa: 1\n"),
    ("a: 1\r\nb: 2", {"c": 3}, "a: 1\r\nb: 2\r\nc: 3"),
    ("? a\n: 1\nb: 2\n", {"a": 3, "b": 4}, "? a\n: 3\nb: 4\n"),
]
VALUES: list[tuple[str, dict[str, Any], str]] = [
    ("a:      x   # b\n", {"a": "z"}, "a:      z   # b\n"),
    ("a:   # b\n", {"a": "z"}, "a: z   # b\n"),
    ("a: x\n  y # b\n", {"a": "z"}, "a: z # b\n"),
    ("a:\n  'x' # b\n", {"a": "z"}, "a:\n  'z' # b\n"),
    ("a:\n  x # b\n", {"a": {"c": 1}}, "a:\n  c: 1\n  # b\n"),
    ("a:\n  x\nb: 1\n", {"a": [1]}, "a:\n  - 1\nb: 1\n"),
    ("a: true # b\n", {"a": {"c": 1}}, "a: # b\n  c: 1\n"),
    ("a: [1] # b\n", {"a": {"c": 1}}, "a: {c: 1} # b\n"),
    ("a: {}\n", {"a": []}, "a: []\n"),
    ("a: {c: 1}\n", {"a": "x"}, "a: x\n"),
    ("a: # b\n  c: 1\nd: 1\n", {"a": "x"}, "a: x # b\nd: 1\n"),
    ("a:\n  c: 1\n\n    # c\nd: 1\n", {"a": "x"}, "a: x\nd: 1\n"),
    ("a:\n- c\nd: 1\n", {"a": {"x": 1}}, "a:\n  x: 1\nd: 1\n"),
    ("a:\n  !!map\n  b: 1\n", {"a": "x"}, "a: x\n"),
    ("a: !!str 3\n", {"a": "4"}, 'a: "4"\n'),
    ("a: 1\n    # b\n", {"a": "x\ny"}, 'a: "x\\ny"\n    # b\n'),
    ("a: 1\n    # b\n", {"a": ["x\ny"]}, 'a:\n  - "x\\ny"\n    # b\n'),
]
BLOCK_SCALARS: list[tuple[str, dict[str, Any], str]] = [
    ("a: | # b\n  x\nc: 1\n", {"a": "z"}, "a: z # b\nc: 1\n"),
    ("a: >\n  x\nc: 1\n", {"a": "y\nz\n"}, "a: |\n  y\n  z\nc: 1\n"),
    ("a:\n  |\n  x\nc: 1\n", {"a": {"d": 1}}, "a:\n  d: 1\nc: 1\n"),
    ("a:\n  |\n  x\nc: 1\n", {"a": "z"}, "a:\n  z\nc: 1\n"),
    ("a: |\n  x\n\n\nc: 1\n", {"a": None}, "c: 1\n"),
    ("a: |+\n  x\n\nc: 1\n", {"c": None}, "a: |+\n  x\n\n"),
    ("a: |+\r\n  x\r\n\r\nc: 1\r\n", {"b": 1, "c": None}, "a: |+\r\n  x\r\n\r\nb: 1\r\n"),
    ("a: |\n  x", {"b": 1}, "a: |-\n  x\nb: 1"),
    ("a: |+\n  x", {"b": 1}, "a: |-\n  x\nb: 1"),
    ("a:\n  - |\n    x", {"b": 1}, "a:\n  - |-\n    x\nb: 1"),
    ("a: |\n  x", {"a": "z", "b": 1}, "a: z\nb: 1"),
    ("a: |\n  x\nb: 1", {"b": None}, "a: |\n  x\n"),
    ("a: |+\n  x", {"a": "z"}, "a: z"),
    ("a: 1", {"a": "x\ny\n"}, 'a: "x\\ny\\n"'),
    ("a: 1", {"a": "x\ny"}, "a: |-\n  x\n  y"),
    ("a: |\n  x", {"b": "x\ny\n"}, 'a: |-\n  x\nb: "x\\ny\\n"'),
    ("a: |-\n  x\n", {"b": 1}, "a: |-\n  x\nb: 1\n"),
    ("a: |\n", {"b": 1}, "a: |\nb: 1\n"),
]
LISTS: list[tuple[str, dict[str, Any], str]] = [
    ("a:\n- b: 1 # x\n  c: 2\n", {"a": [{"b": 2, "c": 2}]}, "a:\n- b: 2 # x\n  c: 2\n"),
    ("a:\n- b: 1\n  c: 2\n", {"a": [{"c": 2}]}, "a:\n- c: 2\n"),
    ("a:\n- b: 1\n  c: 2\n", {"a": [{}]}, "a:\n- {}\n"),
    ("a:\n- - b\n  - c\n", {"a": [["c"]]}, "a:\n- - c\n"),
    ("a:\n- - b\n", {"a": [["a", "b"]]}, "a:\n- - a\n  - b\n"),
    ("a:\n-   b\n", {"a": [{"c": 1, "d": 2}]}, "a:\n- c: 1\n  d: 2\n"),
    ("a:\n- # x\n  b\n- c\n", {"a": ["b", "d"]}, "a:\n- # x\n  b\n- d\n"),
    ("a:\n-\n- b\n", {"a": [1, "b"]}, "a:\n- 1\n- b\n"),
    ("a:\n  # x\n  - b\n", {"a": ["a", "b"]}, "a:\n  - a\n  # x\n  - b\n"),
    ("a: [b: 1, c]\n", {"a": [{"b": 2}, "c"]}, "a: [{b: 2}, c]\n"),
    ("a: []\n", {"a": ["x", {"b": 1}]}, "a: [x, {b: 1}]\n"),
    ("a: [1]\n", {"b": [[1], {"c": []}]}, "a: [1]\nb:\n  - [1]\n  - c: []\n"),
    ("a:\n- b\n\n\n- c\n", {"a": ["b"]}, "a:\n- b\n"),
    ("a:\n- b\n\n- c\n\n- d\n", {"a": ["b", "d"]}, "a:\n- b\n\n- d\n"),
]
BRACKETS: list[tuple[str, dict[str, Any], str]] = [
    ("a: {b, c: , d: }\n", {"a": {"b": 1, "c": 2}}, "a: {b: 1, c: 2, d: }\n"),
    ('a: {"b":}\n', {"a": {"b": 1}}, 'a: {"b": 1}\n'),
    ("a: {b: x, c: 'y'}\n", {"a": {"b": "1, 2", "c": "z"}}, "a: {b: \"1, 2\", c: 'z'}\n"),
    ("a: { b: 1, c: 2 }\n", {"a": {"c": None}}, "a: { b: 1 }\n"),
    ("a: { b: 1, c: 2 }\n", {"a": {"b": None}}, "a: { c: 2 }\n"),
    ("a: {b: 1, c: 2, d: 3}\n", {"a": {"c": None, "d": None, "e": 4}}, "a: {b: 1, e: 4}\n"),
    ("a: {b: 1, c: 2,}\n", {"a": {"c": None}}, "a: {b: 1,}\n"),
    ("a: {b: {c: 1}}\n", {"a": {"b": {"c": None}}}, "a: {b: {}}\n"),
    ("a: {b: {}}\n", {"a": {"b": {"c": None, "d": 1}}}, "a: {b: {d: 1}}\n"),
    ("a: {\n  b: 1, # x\n  c: 2 # y\n}\n", {"a": {"c": None}}, "a: {\n  b: 1 # x\n}\n"),
    ("a: {\n  b: 1, # x\n  c: 2 # y\n}\n", {"a": {"d": 3}}, "a: {\n  b: 1, # x\n  c: 2, # y\n  d: 3\n}\n"),
    ("a: {\n  b: 1,\n  c: 2,\n}\n", {"a": {"d": 3, "e": 4}}, "a: {\n  b: 1,\n  c: 2,\n  d: 3,\n  e: 4,\n}\n"),
    ("a: {\n  b: 1,\n  c: 2\n}\n", {"a": {"c": None, "d": 3}}, "a: {\n  b: 1,\n  d: 3\n}\n"),
    ("a: {b: 1, # x\n  # of c\n  c: 2}\n", {"a": {"c": None}}, "a: {b: 1 # x\n  }\n"),
    ("a: {b: 1, # x\n  c: 2}\n", {"a": {"b": None}}, "a: {\n  c: 2}\n"),
    ("a: [\n  # x\n  1, 2\n]\n", {"a": [2]}, "a: [\n  2\n]\n"),
    ("a: [\n  # x\n  1\n]\n", {"a": [0, 1]}, "a: [\n  0,\n  # x\n  1\n]\n"),
    ("a: [\n  1, 2\n]\n", {"a": [1, 2, 3]}, "a: [\n  1, 2, 3\n]\n"),
    ("a: [\n  1 ]\n", {"a": [1, 2]}, "a: [\n  1,\n  2 ]\n"),
    ("a: [1, 3]\n", {"a": [0, 1, 2, 3]}, "a: [0, 1, 2, 3]\n"),
]
ANCHORS: list[tuple[str, dict[str, Any], str]] = [
    ("a: &x {b: 1}\nc: *x\nd: 1\n", {"d": 2}, "a: &x {b: 1}\nc: *x\nd: 2\n"),
    ("a: &x {b: 1}\nc: *x\n", {"c": None}, "a: &x {b: 1}\n"),
    ("a: &x {b: 1}\nc: *x\n", {"c": 3}, "a: &x {b: 1}\nc: 3\n"),
    ("a: &x {b: 1}\nc: *x\n", {"a": None, "c": None}, "{}\n"),
    ("a: &x\n  b: 1\n", {"a": {"b": 2}}, "a: &x\n  b: 2\n"),
    ("a: &x # y\n  b: 1\n", {"a": {"b": None}}, "a: &x {} # y\n"),
    ("a: &x # y\n  b: 1\nc: 1\n", {"a": 2}, "a: 2 # y\nc: 1\n"),
    ("a: &x\n  - 1\n", {"a": [1, 2]}, "a: &x\n  - 1\n  - 2\n"),
]


@requirement("CFG-1:edit-keeps-comments")
@pytest.mark.parametrize(
    ("before", "patch", "after"), [*DOCUMENTS, *VALUES, *BLOCK_SCALARS, *LISTS, *BRACKETS, *ANCHORS]
)
def test_only_what_must_change_does(before: str, patch: dict[str, Any], after: str) -> None:
    assert edit(before, patch, file="reconciler.yaml") == after


@pytest.mark.parametrize(
    ("text", "patch", "sentence"),
    [
        ("a: [", {"a": 1}, "cannot be read, so it cannot be edited: Not valid YAML"),
        ("a: 1\na: 2\n", {"a": 1}, "cannot be read"),
        ("- a\n", {"a": 1}, "does not hold an object at its top"),
        ("word", {"a": 1}, "does not hold an object at its top"),
        ("a: &x {b: 1}\nc: *x\n", {"c": {"b": 2}}, "line 2 takes its fields from an alias"),
        ("a: &x {b: 1}\nc: [*x]\n", {"c": [{"b": 2}]}, "line 2 takes its fields from an alias"),
        ("a: &x {b: 1}\nc: *x\n", {"a": {"b": 2}}, r"line 2 repeats by an alias \(\*x\) what this would change"),
        ("a: &x {b: 1}\nc: *x\n", {"a": None}, "line 2 repeats"),
        ("a:\n  - &x b\nc: *x\n", {"a": ["d"]}, "line 3 repeats"),
        ("a: &x\n  b:\n    d: 1\nc: *x\n", {"a": {"b": {"e": 1}}}, "line 4 repeats"),
        ("a: 1\n", {"a": float("inf")}, "made by hand"),
        ("a: 1\n", {"b": 2**60}, "made by hand"),
    ],
)
def test_what_cannot_be_done_carefully_is_refused_in_a_sentence(
    text: str, patch: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(EditRefused, match=sentence) as refused:
        edit(text, patch, file="reconciler.yaml")
    assert refused.value.patch == patch


def test_a_refusal_does_not_say_the_secrets_of_its_patch() -> None:
    with pytest.raises(EditRefused) as refused:
        edit("- a\n", {"mcpServers": {"a": {"headers": {"Authorization": "Bearer sk-abc123"}}}}, file="x.yaml")
    assert "sk-abc123" not in str(refused.value)


def test_an_unreadable_text_comes_back_with_its_problems() -> None:
    with pytest.raises(EditRefused) as refused:
        edit("a: [", {"a": 1}, file="x.yaml")
    assert [problem.code for problem in refused.value.problems] == ["yaml-syntax"]


def test_an_empty_patch_gives_back_any_text() -> None:
    assert edit("a: [", {}, file="x.yaml") == "a: ["


def test_a_list_too_long_to_compare_is_still_changed() -> None:
    numbers = list(range(1100))
    text = "a:\n" + "".join(f"- {number}\n" for number in numbers)
    assert edit(text, {"a": [*numbers[:-1], -1]}, file="x.yaml") == text.replace("- 1099\n", "- -1\n")
