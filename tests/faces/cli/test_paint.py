"""Colour, shape, and what never reaches a terminal."""

from __future__ import annotations

import io

import pytest

from reconciler.faces.cli.paint import Painter, painter, redrawn
from reconciler.plan.render.lines import Span


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_colour_is_for_terminals() -> None:
    assert painter(Terminal(), no_colour=False, ascii_only=False).colour
    assert not painter(io.StringIO(), no_colour=False, ascii_only=False).colour


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_can_refuse_colour(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    assert not painter(Terminal(), no_colour=False, ascii_only=False).colour


def test_an_option_can_refuse_colour_and_more_than_ascii() -> None:
    chosen = painter(Terminal(), no_colour=True, ascii_only=True)
    assert (chosen.colour, chosen.either("·", "-")) == (False, "-")


def test_a_stream_that_cannot_show_more_gets_ascii() -> None:
    assert painter(Terminal("ascii"), no_colour=False, ascii_only=False).ascii_only


def test_an_empty_no_color_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert painter(Terminal(), no_colour=False, ascii_only=False).colour


def test_roles_are_colours_only_where_there_is_colour() -> None:
    line = (Span("+", "add"), Span(" one "), Span("", "heading"), Span("  ", "muted"))
    assert Painter().lines([line]) == "+ one\n"
    assert Painter(colour=True).lines([line]) == "\x1b[32m+\x1b[0m one \x1b[2m  \x1b[0m\n"


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("hostile", ["\x1b[31m", "\x1b]0;title\x07", "\u202e", "\x9b1m", "\r", "\u200b", "\x00"])
def test_nothing_that_a_terminal_acts_upon_gets_through(hostile: str, ascii_only: bool) -> None:
    shown = Painter(ascii_only=ascii_only).safe(f"a{hostile}b")
    assert shown.isprintable()
    assert shown.startswith("a") and shown.endswith("b")


def test_text_in_other_scripts_is_shown_as_it_is_unless_only_ascii_may_be() -> None:
    assert Painter().safe("naïve 日本") == "naïve 日本"
    assert Painter(ascii_only=True).safe("naïve") == "na\\u00efve"


def test_a_text_of_several_lines_keeps_them() -> None:
    assert Painter().safe_lines("a\tb\r\nc\x1b\n") == ["a   b", "c\\x1b", ""]


def test_a_table_has_its_columns_below_each_other() -> None:
    rows = [[("one", "plain"), ("x", "plain"), ("first", "plain")], [("three", "plain"), ("", "plain"), ("", "plain")]]
    assert Painter().table(("ID", "A", "WHY"), rows) == "ID     A  WHY\none    x  first\nthree\n"


def test_the_last_column_is_cut_to_the_terminal() -> None:
    rows = [[("one", "plain"), ("a very long reason", "plain")]]
    assert Painter(width=16).table(("ID", "WHY"), rows).splitlines()[1] == "one  a very l..."
    assert Painter().table(("ID", "WHY"), rows).splitlines()[1] == "one  a very long reason"


def test_what_is_redrawn_keeps_the_lines_above() -> None:
    screen = Terminal()
    with redrawn(screen) as draw:
        draw([], ["one is on its way"])
        draw(["one is done"], ["two is on its way"])
        draw(["two is done"], [])
    screen.flush()
    shown = screen.buffer.getvalue().decode()  # type: ignore[attr-defined]  # a BytesIO
    assert shown.index("one is done") < shown.index("two is done")
