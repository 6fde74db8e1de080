"""A problem as people see it: its line, a caret under the place, the way out; nothing hostile gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.excerpt import render_problem
from reconciler.config.visible import visible
from reconciler.problems import Place, Problem
from tests.requirements import requirement

TEXT = "version: 1\nmcpServers:\n  docs:\n    url: https://example.com/mcp\n    enabeld: false\n"
PLACE = Place("reconciler.yaml", 5, 5, 12)


def problem(place: Place | None = PLACE, hint: str | None = 'did you mean "enabled"?') -> Problem:
    return Problem("error", "unknown-field", "s", 'server "docs" has no field "enabeld"', place, hint)


@requirement("CFG-6:place-and-caret")
def test_a_problem_shows_its_place_its_line_and_a_caret_with_the_way_out() -> None:
    assert render_problem(problem(), TEXT) == [
        'reconciler.yaml:5:5: error[unknown-field]: server "docs" has no field "enabeld"',
        "    5 |     enabeld: false",
        '      |     ^^^^^^^ did you mean "enabled"?',
    ]


@requirement("CFG-6:place-and-caret")
@pytest.mark.parametrize(
    ("place", "caret"),
    [
        (Place("f", 1, 1), "^"),
        (Place("f", 1, 9), "        ^"),
        (Place("f", 1, 11), "          ^"),
        (Place("f", 1, 40), "          ^"),
        (Place("f", 1, 1, 99), "^^^^^^^^^^"),
    ],
)
def test_the_caret_stands_under_the_columns_that_the_line_has(place: Place, caret: str) -> None:
    assert render_problem(problem(place, None), TEXT)[1:] == ["    1 | version: 1", f"      | {caret}"]


def test_a_problem_without_a_line_has_only_its_way_out() -> None:
    head = 'reconciler.yaml:5:5: error[unknown-field]: server "docs" has no field "enabeld"'
    hint = '      = did you mean "enabled"?'
    assert render_problem(problem(), None) == [head, hint]
    assert render_problem(problem(), "one line") == [head, hint]
    assert render_problem(problem(hint=None), None) == [head]
    assert render_problem(problem(None), TEXT) == ['error[unknown-field]: server "docs" has no field "enabeld"', hint]


def test_large_line_numbers_have_room() -> None:
    rendered = render_problem(problem(Place("f", 123456, 1, 2), None), "a\n" * 123456)
    assert rendered[1:] == ["123456 | a", "       | ^"]


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    text = "日本e\u0301x: y"
    assert render_problem(problem(Place("f", 1, 5, 6), None), text)[1:] == [f"    1 | {text}", "      |      ^"]


def test_tabs_are_shown_as_spaces() -> None:
    assert render_problem(problem(Place("f", 1, 2, 3), None), "\tx\r\n")[1:] == ["    1 |     x", "      |     ^"]


def test_a_long_line_is_cut_around_the_place() -> None:
    line = "a" * 200 + "HERE" + "b" * 200
    _, shown, caret = render_problem(problem(Place("f", 1, 201, 205), None), line)
    assert len(shown) < 120
    assert shown.startswith("    1 | ...a")
    assert shown.endswith("b...")
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_the_byte_order_mark_is_not_part_of_the_first_line() -> None:
    assert render_problem(problem(Place("f", 1, 1, 2), None), "\ufeffa")[1:] == ["    1 | a", "      | ^"]


def test_a_secret_on_the_line_is_stars_even_when_nobody_hid_it() -> None:
    rendered = render_problem(problem(Place("f", 1, 1), None), "x: ghp_" + "a1B2" * 5)
    assert rendered[1] == "    1 | x: " + "*" * 24


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31m", "\\x1b[31m"),
        ("\x00", "\\x00"),
        ("\u202e", "\\u202e"),
        ("\u2066", "\\u2066"),
        ("\u200b", "\\u200b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\x9b", "\\x9b"),
        ("é日😀", "é日😀"),
    ],
)
def test_hostile_characters_are_escapes_everywhere(hostile: str, shown: str) -> None:
    assert visible(f"a{hostile}b") == f"a{shown}b"
    found = Problem("error", "x", "s", hostile, Place(hostile, 1, 2, 3), hostile)
    rendered = render_problem(found, f"a{hostile}b")
    assert "\n".join(rendered).count(shown) == 4
    assert hostile == shown or not any(hostile in line for line in rendered)


@given(st.text(st.characters(exclude_characters="\n")), st.integers(1, 50), st.integers(0, 60))
def test_every_problem_is_three_printable_lines(line: str, column: int, end: int) -> None:
    rendered = render_problem(problem(Place("f", 1, column, end)), line)
    assert len(rendered) == 3
    assert all("\x20" <= character != "\x7f" for text in rendered for character in text)
