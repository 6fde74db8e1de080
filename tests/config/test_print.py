"""What is printed reads the same everywhere: here, by a YAML 1.1 reader and by another YAML 1.2 reader."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.config.print import Style, YamlFlow, is_plain, member_lines, scalar_text, string_text
from reconciler.config.print_json import JsonFlow
from reconciler.merge_patch import equal
from tests.config import drawn
from tests.config.test_edit import LAW, load

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = (
    st.sampled_from(drawn.AWKWARD)
    | st.text(characters, max_size=12)
    | st.from_regex(r"[-+.0-9a-fx_:TZ ]{1,9}", fullmatch=True)
)
values = st.recursive(
    drawn.leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
styles = st.builds(
    Style,
    indent=st.sampled_from([2, 4]),
    dash=st.sampled_from([0, 2, 4]),
    short_lists=st.booleans(),
    literals=st.booleans(),
)


def readings(text: str) -> list[Any]:
    """What three readers understand."""
    return [load(text), yaml.safe_load(text), YAML(typ="safe", pure=True).load(text)]


@LAW
@given(texts, st.sampled_from(["", "'", '"']))
def test_a_text_is_the_same_text_to_every_reader(text: str, style: str) -> None:
    for written in (f"k: {string_text(text, style)}\n", f"k: {{a: {string_text(text, style, flow=True)}, b: 1}}\n"):
        for read in readings(written):
            found = read["k"] if isinstance(read["k"], str) else read["k"]["a"]
            assert found == text


@LAW
@given(texts)
def test_a_text_is_the_same_key_to_every_reader(text: str) -> None:
    for read in readings(f"{string_text(text)}: 1\nother: {{{string_text(text, flow=True)}: 1}}\n"):
        assert read == {text: 1, "other": {text: 1}} or text == "other"


@LAW
@given(values, styles)
def test_a_block_says_what_was_printed(value: Any, style: Style) -> None:
    text = "\n".join(member_lines("key", value, 0, style)) + "\n"
    assert equal(load(text), {"key": value})
    assert equal(yaml.safe_load(text), {"key": value})


@LAW
@given(values, st.booleans())
def test_brackets_say_what_was_printed(value: Any, quoted: bool) -> None:
    assert equal(load("key: " + YamlFlow(quoted).value(value)), {"key": value})


@LAW
@given(values, st.sampled_from(["", "  ", "\t"]), st.booleans())
def test_json_says_what_was_printed(value: Any, unit: str, short: bool) -> None:
    text = JsonFlow(unit=unit, short_lists=short).value({"key": value})
    assert equal(load(text, "x.json"), {"key": value})


@pytest.mark.parametrize(
    "word", ["-y", "--port", "./run", "a,b", "3.11-slim", "${env:A}", "https://example.com:80/a#b", "é 日本"]
)
def test_ordinary_words_need_no_quotes(word: str) -> None:
    assert string_text(word) == word


@pytest.mark.parametrize(
    "word", ["no", "On", "y", "NULL", "010", "1_0", "12:30", "1e3", "0b1", ".5", "-.INF", "2001-1-1", "=", "<<"]
)
def test_words_that_some_reader_takes_for_something_else_are_quoted(word: str) -> None:
    assert string_text(word) == f'"{word}"'


@pytest.mark.parametrize("word", ["${env:A}", "a,b", "[x", "x]"])
def test_some_words_are_plain_only_outside_of_brackets(word: str) -> None:
    assert is_plain(word) == (not word.startswith("["))
    assert not is_plain(word, flow=True)


@pytest.mark.parametrize(
    ("text", "style", "written"),
    [
        ("a", "'", "'a'"),
        ("a", '"', '"a"'),
        ("it's", "'", "'it''s'"),
        ("a\nb", "'", '"a\\nb"'),
        ('say "x": y', "", "'say \"x\": y'"),
        ("\x07\x85\u2028\ufeff\0", "", '"\\x07\\x85\\u2028\\ufeff\\0"'),
        ("C:\\", '"', '"C:\\\\"'),
    ],
)
def test_quotes_are_those_asked_for_where_they_can_hold_the_text(text: str, style: str, written: str) -> None:
    assert string_text(text, style) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "true"), (None, "null"), (7, "7"), (1.5, "1.5"), (1e16, "1.0e+16"), (1.5e-9, "1.5e-09"), (-0.0, "-0.0")],
)
def test_numbers_are_numbers_in_yaml_1_1_too(value: Any, written: str) -> None:
    assert scalar_text(value) == written
    assert equal(yaml.safe_load(written), value)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo", ["k: |-", "  one", "  two"]),
        ("one\n\ntwo\n", ["k: |", "  one", "", "  two"]),
        ("one\n\n", ['k: "one\\n\\n"']),
        (" one\ntwo", ['k: " one\\ntwo"']),
        ("one \ntwo", ['k: "one \\ntwo"']),
        ("one\n\ttwo", ['k: "one\\n\\ttwo"']),
    ],
)
def test_text_of_several_lines_is_a_block_where_no_trimming_can_change_it(text: str, lines: list[str]) -> None:
    assert member_lines("k", text, 0, Style()) == lines


def test_half_a_character_is_escaped_in_json() -> None:
    assert JsonFlow().value("\ud83d") == '"\\ud83d"'
