"""A piece of a client's file on the form of a new server: one fills it, several are shown as an import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.canary import CANARY
from tests.faces.cli.hosted import hosted
from tests.faces.page.browser import Browsing, mistakes
from tests.faces.page.test_editing import file_of, written
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:snippet")]

GITHUB = {
    "command": "npx",
    "args": ["-y", "@modelcontextprotocol/server-github", "a b"],
    "env": {"TOKEN": CANARY},
    "autoApprove": ["x"],
}


async def paste(visitor: Visitor, snippet: Any) -> Shown:
    text = snippet if isinstance(snippet, str) else json.dumps(snippet)
    return await visitor.press(await visitor.page("/new"), "/new/paste", snippet=text)


async def test_one_server_fills_the_form_and_its_secrets_are_not_shown(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        before = file_of(engine).read_bytes()
        page = await paste(visitor, {"mcpServers": {"github": GITHUB}})
        fields = dict(page.form("/new").fields)
        assert page.path == "/ui/new" and CANARY not in page.html
        assert "no place for: autoApprove." in page.one(id="said").text
        assert (fields["name"], fields["id"], fields["transport"]) == ("github", "github", "stdio")
        assert fields["endpoint"] == "npx -y @modelcontextprotocol/server-github 'a b'"
        assert (fields["env.0.name"], fields["enabled"]) == ("TOKEN", "on")
        assert file_of(engine).read_bytes() == before
        page = await visitor.press(page, "/new", enabled="")
        page = await visitor.press(page, page.path)
        assert page.path == "/ui/"
        want = {"command": "npx", "args": GITHUB["args"], "env": {"TOKEN": "${secret:github.env.TOKEN}"}}
        assert written(engine)["github"] == {"name": "github", **want, "enabled": False}
        assert engine.host.root.vault.get("github.env.TOKEN") == CANARY


async def test_an_address_with_headers_and_without_a_name_fills_the_form(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        entry = {"type": "streamable-http", "url": "https://a.example/mcp", "headers": {"Authorization": CANARY}}
        page = await paste(visitor, entry)
        fields = dict(page.form("/new").fields)
        assert (fields["transport"], fields["endpoint"]) == ("http", "https://a.example/mcp")
        assert (fields["headers.0.name"], fields["name"], fields["id"]) == ("Authorization", "", "")
        assert CANARY not in page.html


async def test_several_are_shown_as_an_import(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        servers = {"github": GITHUB, "docs": {"url": "https://a.example/mcp"}}
        page = await paste(visitor, {"servers": servers})
        assert page.path.startswith("/ui/import/") and page.one("h1").text == "Import the snippet?"
        assert page.has(id="row-github") and page.has(id="row-docs") and CANARY not in page.html
        assert "autoApprove: is not taken over" in page.one(id="also").text
        await visitor.press(page, page.path, ("import", "yes"))
        assert written(engine).keys() == {"github", "docs"} and written(engine)["github"]["enabled"] is False
        assert CANARY not in file_of(engine).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("snippet", "why"),
    [
        ("", "no server is in it"),
        ("{", "line 1: "),
        ({"command": 7, "url": "x", "headers": 3}, "this form can hold"),
        ({"command": "x", "args": [1]}, "this form can hold"),
        ({"command": "x", "env": {"PORT": 80}}, "this form can hold"),
        ({"command": "x", "type": "telepathy"}, "this form can hold"),
        ({"a": {"command": "x", "args": [1]}, "b": {"command": CANARY}}, '"args[0]" of server "a" must be text'),
    ],
)
async def test_what_is_none_is_told_beside_it_and_never_sent_back(tmp_path: Path, snippet: Any, why: str) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await paste(visitor, snippet)
        assert page.status == 422 and why in page.one(id="problems").text
        assert "open" in page.one("details", id="paste").attributes
        assert CANARY not in page.html and "telepathy" not in page.html


def test_in_a_browser_axe_finds_nothing(browse: Browsing) -> None:
    page = browse.sit(browse.start({}), bypass_csp=True).go("new")
    page.get_by_text("Paste what a README shows").press("Enter")
    page.get_by_label("Snippet").fill(json.dumps({"mcpServers": {"docs": {"url": "https://a.example/mcp"}}}))
    assert mistakes(page) == []
    page.get_by_role("button", name="Fill in").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("docs")
    assert mistakes(page) == []
