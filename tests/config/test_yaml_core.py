"""The YAML reader against another YAML 1.2 implementation: the same text has the same value in both."""

import io
import math
import re
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from ruamel.yaml import YAML

from reconciler.config.events import parse_yaml
from reconciler.config.tree import find, walk
from reconciler.merge_patch import equal
from tests.config.drawn import AWKWARD, documents, texts

SCALARS = [
    "a", "a b", "a  b", "a: b", "- a", "- a\n- b", "[]", "{}", "[a]", "{a: b}", "{a: }", "{a}", "[a, ]",
    "[[a], [b, c]]", "true", "True", "TRUE", "false", "False", "FALSE", "yes", "no", "on", "off", "y", "n", "Yes",
    "NO", "tRue", "truE", "null", "Null", "NULL", "~", "nULL", "a: ~", "a: null", "a:", "a: ''", 'a: ""', "a: 'null'",
    'a: "true"', "a: '1'", "0", "1", "-1", "+1", "00", "010", "0o17", "0o8", "0x1F", "0xG", "-0", "123456789012345",
    "9007199254740991", "1.5", "-1.5", "+1.5", ".5", "5.", "-.5", "1e3", "1E3", "1e+3", "1e-3", "1.5e3", "e3", "1e",
    ".e1", ".", "1.2.3", "v1.2", "1:30", "12:30:45", "1,000", "0.0", "-0.0", "0o", "0x", "+", "-", "+a", "--", "---a",
]  # fmt: skip
TEXTS = [
    "'a'", "'it''s'", "' a '", "'a\n  b'", "'a\n\n  b'", '"a"', '"a\\nb"', '"a\\tb"', '"\\x41"', '"\\u00e9"',
    '"\\U0001F600"', '"a\\\n  b"', '"a\n  b"', '"\\"q\\""', '"\\\\"', '"\\/"', '"\\0"', '"\\e"', '"\\N\\_\\L\\P"',
    '"a \\\n   \\ b"', "a: |\n  x\n  y\n", "a: |\n  x\n\n  y\n", "a: |-\n  x\n", "a: |+\n  x\n\n", "a: |2\n    x\n",
    "a: >\n  x\n  y\n", "a: >-\n  x\n\n  y\n", "a: >+\n  x\n\n", "a: >\n  x\n    y\n  z\n", "a: |\n  # no comment\n",
    "a: | # comment\n  x\n", "|\n x", ">\n x\n y\n", "a: |\n\n  x\n", "a: |1\n x\n", "- |\n x\n- >\n y\n",
    "plain\n  continued", "a: b\n  c", "a: b\n\n  c", "a: b #c", "a: b#c", "a: #c\n  b", "# c\na: b\n# d\n",
    "a: 'b' # c", "http://example.com/a?b=c#d", "a: http://example.com:80/", "@a: b"[1:], "a@b", "a,b", "a: a,b",
    "[a-b, c]", "a: b:c", "a:b: c", "é: ü", "日本: 語", "😀: 😀", "a: '😀'", '"a b": c', "'a': b", '{"a": "b"}',
    '{"a":1}',
    '{"a":[1,2,{"b":null}]}', "a: [b, {c: d}]",
]  # fmt: skip
COLLECTIONS = [
    "a: 1\nb: 2", "a:\n  b: 1\n  c: 2\nd: 3", "a:\n- 1\n- 2", "a:\n  - 1\n  - 2\nb: 3", "- a: 1\n  b: 2\n- c: 3",
    "- - a\n  - b\n- c", "-\n  a: 1", "-\n  - a", "a:\n    b:\n        c: 1", "{a: 1,\n b: 2}", "[a,\n b]",
    "a: {\n  b: 1,\n  c: [1, 2]\n}", "{a: {b: {c: 1}}}", "? a\n: b", "? a\n: - b\n  - c", "? 'a'\n: {b: c}",
    "a: &x 1\nb: *x", "a: &x [1, 2]\nb: *x\nc: [*x, *x]", "a: &x {b: 1}\nc: *x", "&x a: b\nc: *x",
    "a: &x\n  b: 1\nc: *x", "a: !!str 1", "a: !!int '5'", "a: !!float 1", "a: !!bool 'true'", "a: !!null ''",
    "a: !!map {b: 1}", "a: !!seq [1]", "!!map {a: 1}", "--- a", "---\na: 1\n", "---\na: 1\n...\n",
    "%YAML 1.2\n---\na: yes", "a: 1\n...\n# end", "\ufeffa: 1", "a: 1\r\nb:\r\n  c: 2\r\n", "a: |\r\n  x\r\n  y\r\n",
    "a: 'x\r\n  y'", "a: 1\n\n\nb: 2\n\n", "a:   1   \nb: 2", "'': 1", "a: ''",
    "x: {a: [b, c], d: {e: [f]}}\ny: [{a: 1}, {b: 2}]", "a: [\n  # comment\n  1, # one\n  2\n]",
    "a: {x: 'y, z', w: \"}\"}", "key with spaces: value",
]  # fmt: skip
OURS = {
    "2001-12-14": "2001-12-14",
    "2001-12-14T21:59:43Z": "2001-12-14T21:59:43Z",
    "1_000": "1_000",
    "0x1_F": "0x1_F",
    "0o1_7": "0o1_7",
    "1__0": "1__0",
    "0b11": "0b11",
    "+0x1F": "+0x1F",
    "-0o17": "-0o17",
}
"""Words that the other one reads as more than the core schema says (dates, `_` in numbers): here they are text."""

MISPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]|(?:[:,-] |[{\\[]|^)[?:]", re.MULTILINE)
"""What the other one prints bare: characters that YAML 1.2 does not count as printable, `?` and `:` at the start."""


def ours(text: str) -> Any:
    root, problems = parse_yaml(text, "a.yaml")
    assert problems == []
    assert root is not None
    return root.value


def theirs(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about `1e3`, which YAML 1.1 read as text
        return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", SCALARS + TEXTS + COLLECTIONS)
def test_a_text_has_the_value_that_another_reader_gives_it(text: str) -> None:
    assert equal(ours(text), theirs(text))


def test_the_corpus_is_wide() -> None:
    assert len(set(SCALARS + TEXTS + COLLECTIONS)) >= 180


@pytest.mark.parametrize(("text", "value"), OURS.items())
def test_only_what_the_core_schema_names_is_more_than_text(text: str, value: str) -> None:
    assert ours(text) == value
    assert theirs(text) != value


@pytest.mark.parametrize("word", [word for word in AWKWARD if word.isprintable()])
def test_a_quoted_word_is_text(word: str) -> None:
    assert ours("'" + word.replace("'", "''") + "'") == word


@settings(max_examples=150, deadline=None)
@given(documents)
def test_what_another_writer_prints_is_read_as_it_reads_it_itself(value: dict[str, Any]) -> None:
    written = io.StringIO()
    printer = YAML(typ="safe", pure=True)
    printer.width = 1_000_000
    printer.dump(value, written)
    text = written.getvalue()
    if not MISPRINTED.search(text):
        assert equal(ours(text), theirs(text))


@settings(max_examples=150, deadline=None)
@given(texts())
def test_a_drawn_text_is_read_as_it_was_drawn(drawn: Any) -> None:
    assert equal(ours(drawn.text), drawn.value)


@settings(max_examples=80, deadline=None)
@given(texts())
def test_every_node_stands_where_it_says(drawn: Any) -> None:
    """The text between a plain leaf's marks reads as that leaf's value."""
    root, _ = parse_yaml(drawn.text, "a.yaml")
    assert root is not None
    for path, node in walk(root):
        assert 0 <= node.first <= node.last <= len(drawn.text) + 1
        assert find(root, path) is node
        if isinstance(node.value, bool | int | float) and math.isfinite(node.value):
            assert equal(ours(drawn.text[node.first : node.last]), node.value)
