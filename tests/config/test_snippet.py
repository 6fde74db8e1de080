"""Servers out of what people copy from a README: files of clients, parts of them, single entries."""

from __future__ import annotations

import pytest

from reconciler.config import snippet
from reconciler.config.snippet import NotASnippet, servers_in
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:snippet")

ONE = '{"command": "npx", "args": ["-y", "x"], "env": {"KEY": "v"}}'
WANT = {"command": "npx", "args": ["-y", "x"], "env": {"KEY": "v"}}


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"x": %s}}',
        '{"servers": {"x": %s}}',
        '{"inputs": [], "servers": {"x": %s}}',
        '{"mcp": {"servers": {"x": %s}}, "editor.fontSize": 12}',
        '{"x": %s}',
        '"x": %s,\n',
        '\n  "mcpServers": {\n    "x": %s\n  },\n',
        "mcpServers:\n  x: %s\n",
        "    mcpServers:\n      x: %s\n",
        '\n{\n\t"mcpServers": {\n\t\t"x": %s\n\t}\n}\n',
        '\t"x": %s',
        '// VS Code\n{\n /* several,\n * lines " { */ "servers": { // one\n    "x": %s, // the next\n  },\n}\n// end',
        '{"context_servers": {"x": %s,},}',
        '// what is below mcpServers\n"x": %s, // and so on',
        '/**/ {"x": %s}, /* and so on */',
    ],
)
def test_whatever_stands_around_a_server_it_is_found(text: str) -> None:
    assert servers_in(text % ONE) == {"x": WANT}


def test_an_entry_alone_has_no_id() -> None:
    assert servers_in(ONE) == {"": WANT}
    assert servers_in('{"url": "https://a.example/"},') == {"": {"url": "https://a.example/"}}


def test_comments_and_commas_in_a_text_are_that_text() -> None:
    url = "https://a.example/*,//x,}*/"
    assert servers_in(f'{{"url": "{url}", // the address,\n}},') == {"": {"url": url}}
    assert servers_in(f"url: {url}\n") == {"": {"url": url}}
    assert servers_in('{"command": "x", "args": ["\\ud83d\\ude00", /* "y", */],}') == {
        "": {"command": "x", "args": ["\U0001f600"]}
    }
    assert servers_in("{command: x, args: [y,],}  # YAML") == {"": {"command": "x", "args": ["y"]}}


def test_words_of_clients_become_ours_and_other_members_stay() -> None:
    text = '{"mcpServers": {"x": {"type": "streamable-http", "url": "u", "disabled": true, "autoApprove": []}}}'
    assert servers_in(text) == {"x": {"type": "http", "url": "u", "enabled": False, "autoApprove": []}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no server is in it"),
        ("hello", "no server is in it"),
        ("[1]", "no server is in it"),
        ('{"mcpServers": {}}', "no server is in it"),
        ('{"mcpServers": []}', "no server is in it"),
        ('{"mcpServers": {"x": 1}}', "no server is in it"),
        ('{"mcp": {}, "x": 1}', "no server is in it"),
        ('{"a": {"command": "x"}, "a": {"command": "y"}}', "line 1: "),
        ("{", "line 1: "),
        ('{"mcpServers": {}, // none\n}', "no server is in it"),
        ("// nothing", "no server is in it"),
        (f'{{"x": {ONE}}} {{"y": {ONE}}}', "line 1: "),
        ('// a\n{"x": {"command" "y"}}', "line 2: a colon is missing"),
        ('// a\n"x": {"command": "y",\n "args": [}', "line 3: a value is missing"),
        ('{ // a\n "x": {"command": "y"}', "line 2: a comma or `}` is missing"),
        ('{"x": // a\n/* b', "line 2: this comment has no end"),
    ],
)
def test_what_is_no_snippet_is_told_with_its_place(text: str, why: str) -> None:
    with pytest.raises(NotASnippet, match=why):
        servers_in(text)


def test_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snippet, "MAX_BYTES", 3)
    with pytest.raises(NotASnippet, match="more than 0 MiB"):
        servers_in(ONE)
