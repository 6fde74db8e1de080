"""What of a file may be shown: everything but the literals of secret fields, whole or broken."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.excerpt import render_problem
from reconciler.config.read import Source, read
from reconciler.config.shown_broken import comment_hidden, line_hidden
from tests.canary import CANARY, canary_written
from tests.config.drawn import Drawn, texts


def shown(text: str, name: str = "a.yaml") -> str:
    found = read([Source(name, text)], default_project="p").shown(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env: {A: secret, B: 'x y'}", "env: {A: ******, B: '* *'}"),
        ("env: {A: 12345, B: true}", "env: {A: *****, B: ****}"),
        ("env: {A: '${env:NAME:-secret} x'}", "env: {A: '${env:NAME**********} *'}".replace("*" * 10, "*" * 8)),
        ("env: [NAME, 'A=secret']", "env: [NAME, 'A=******']"),
        ("env: {'A=secret': x}", "env: {'A=******': *}"),
        ("headers: {A: |\n        secret\n      }", None),
        ("oauth: {clientId: me, clientSecret: secret}", "oauth: {clientId: me, clientSecret: ******}"),
        ("azure: {clientSecret: [secret], scope: s}", "azure: {clientSecret: [******], scope: s}"),
        ("enviroment: {TOKEN: secret}", "enviroment: {TOKEN: ******}"),
        ("secrets: [secret]", "secrets: [******]"),
        ("apiKey: secret", "apiKey: ******"),
        ("colour: red", "colour: red"),
        ("args: [--api-key=12345678, -y]", "args: [--api-key=********, -y]"),
        ("metadata: {token: secret, team: us}", "metadata: {token: ******, team: us}"),
        ("name: x # password: secret", "name: x # password: ******"),
        ("name: x # just a word", "name: x # just a word"),
        ("name: ${env:NAME}", "name: ${env:NAME}"),
    ],
)
def test_only_the_values_of_secret_fields_are_stars(text: str, expected: str | None) -> None:
    start = "mcpServers:\n  a:\n    command: x\n    "
    if expected is None:
        assert "secret" not in shown(start + text)
    else:
        assert shown(start + text) == start + expected


def test_an_anchor_does_not_carry_a_secret_out() -> None:
    text = "x: &s\n  A: secret\nmcpServers:\n  a: {command: a, env: *s}\n  b: {command: b, env: *s}\n"
    assert shown(text) == text.replace("secret", "******")


def test_comments_in_json_are_hidden_like_in_yaml() -> None:
    text = (
        '{ // "T": "secret"\n /* a: secret\n secret */ "mcpServers": {"a": {"url": "http://x//", "env": {"A": "b"}}}}'
    )
    expected = text.replace("secret", "******").replace("*/", "**").replace('"b"', '"*"')
    assert shown(text, "a.json") == expected


@settings(max_examples=80, deadline=None)
@given(texts())
def test_hiding_changes_no_length_and_no_line(drawn: Drawn) -> None:
    for text in (drawn.text, drawn.text + "\n]: ["):
        hidden = shown(text)
        assert [len(line) for line in hidden.split("\n")] == [len(line) for line in text.split("\n")]
        assert all(before == after or after == "*" for before, after in zip(text, hidden, strict=True))


def test_every_secret_field_of_the_model_is_hidden_in_every_form() -> None:
    written = canary_written()
    for text in (json.dumps(written), json.dumps(written, indent=2)):
        for name in ("a.yaml", "a.json"):
            assert CANARY not in shown(text, name)
            for damage in ("]", "\n\x00", "\n<<<<<<< ours\n", '"'):
                assert CANARY not in shown(text + damage, name)
                assert CANARY not in shown(damage + text, name)


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_secret_is_hidden_wherever_the_file_breaks_off(cut: int) -> None:
    text = "version: 1\nmcpServers:\n  a:\n    command: a\n    env:\n      TOKEN: " + CANARY + "\n      OTHER: [x\n"
    text = text[: len(text) - cut]
    reading = read([Source("a.yaml", text)], default_project="p")
    rendered = "\n".join(line for p in reading.problems for line in render_problem(p, reading.shown("a.yaml")))
    longest = max((CANARY[:length] for length in range(len(CANARY) + 1) if CANARY[:length] in text), key=len)
    assert len(longest) < 4 or longest not in rendered


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  command: npx -y", "  command: npx -y"),
        ("  TOKEN: secret # more", "  TOKEN: ****** * ****"),
        ("  - item", "  - ****"),
        ("  - command: x", "  - command: x"),
        ('  "env": {"A": "b"}', '  "env": {"*": "*"}'),
        ("  env: {A: b, command: c}", "  env: {** *, command: c}"),
        ("  enabled: true, TOKEN: 5", "  enabled: true, ****** 5"),
        ("  url: http://a/?key=12345678", "  url: http://a/?key=********"),
        ("continued text", "********* ****"),
        ("A: b: c", "A: ** *"),
        ("# TOKEN: secret", "# TOKEN: ******"),
        ("# a word", "# a word"),
        ("<<<<<<< HEAD", "<<<<<<< HEAD"),
        ("---", "---"),
        ("  'it''s", "  '**''*"),
        ("", ""),
    ],
)
def test_of_a_broken_line_only_our_own_words_stay(line: str, expected: str) -> None:
    assert line_hidden(line) == expected


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# a b", "# a b"),
        ("# a=b c", "# a=* *"),
        ("# see https://x", "# see https:***"),
        ("# " + "npm_" + "a1" * 16, "# " + "*" * 36),
    ],
)
def test_a_comment_shows_no_value(comment: str, expected: str) -> None:
    assert comment_hidden(comment) == expected


@given(st.text(st.characters(exclude_characters="\n\r")))
def test_a_broken_line_keeps_its_length(line: str) -> None:
    assert len(line_hidden(line)) == len(line)
    assert re.sub(r"\S", "", line_hidden(line)) == re.sub(r"\S", "", line)
