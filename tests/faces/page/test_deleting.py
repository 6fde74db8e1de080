"""Deleting a server on the page, and putting it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.project import Project
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:delete")]

TEXT = """\
version: 1
project: desk
mcpServers:
  # the first
  one:   # stays here
    url: https://one.example/mcp   # where it is
    enabled: false
    headers: {{X-Key: '{canary}'}}

  two:
    url: https://two.example/mcp
    enabled: false
"""


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


async def applied(engine: Hosted, text: str) -> None:
    """Save a text and apply it."""
    file_of(engine).write_text(text, encoding="utf-8")
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
    assert answer.status == 200, answer.body


async def deleted(visitor: Visitor, server: str) -> Shown:
    """Ask for the deletion and say yes."""
    page = await visitor.page(f"servers/{server}/delete")
    assert page.status == 200
    return await visitor.press(page, f"/servers/{server}/delete")


def accepted(engine: Hosted) -> dict[str, Any]:
    project: Project = engine.host.root
    return dict(project.ledger.document.servers)


async def test_the_question_says_what_goes_and_the_answer_does_it(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one", name="One <b>"), "two": light("two")}) as engine:
        await applied(engine, file_of(engine).read_text(encoding="utf-8"))
        async with visiting(engine.host) as visitor:
            page = await visitor.page("servers/one/delete")
            panel = page.one(id="panel").text
            assert (page.one("h1").text, page.one(id="delete").text) == ("Delete One <b>?", "Delete One <b>")
            assert "desk.reconciler.yaml" in panel
            assert "its session ends" in panel
            assert set(accepted(engine)) == {"one", "two"}
            page = await visitor.press(page, "/servers/one/delete")
            assert (page.status, page.path) == (200, "/ui/")
            assert "Deleted: One <b>." in page.one(id="said").text
            assert set(accepted(engine)) == {"two"}
            assert '"one"' not in file_of(engine).read_text(encoding="utf-8")


async def test_it_is_put_back_to_the_letter(tmp_path: Path) -> None:
    text = TEXT.format(canary=CANARY)
    async with hosted(tmp_path) as engine:
        await applied(engine, text)
        before = accepted(engine)
        async with visiting(engine.host) as visitor:
            page = await deleted(visitor, "one")
            assert "one.example" not in file_of(engine).read_text(encoding="utf-8")
            page = await visitor.press(page.one(id="said"), "/undo/" + _key(page))
            assert page.one(id="said").text == "one is back as it was."
            assert file_of(engine).read_text(encoding="utf-8") == text
            assert accepted(engine) == before


def _key(page: Shown) -> str:
    return page.one(id="said").one("form").attributes["action"].rpartition("/")[2]


async def test_what_others_saved_meanwhile_stays(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        await applied(engine, TEXT.format(canary="${env:KEY}"))
        async with visiting(engine.host) as visitor:
            page = await deleted(visitor, "one")
            left = file_of(engine).read_text(encoding="utf-8")
            file_of(engine).write_text(left + "  three:  # new\n    url: https://three.example/\n", encoding="utf-8")
            page = await visitor.press(page.one(id="said"), "/undo/" + _key(page))
            assert page.path.startswith("/ui/changes/")
            page = await visitor.press(page, page.path)
            text = file_of(engine).read_text(encoding="utf-8")
            assert "three:  # new" in text
            assert "https://one.example/mcp" in text
            assert accepted(engine)["one"]["headers"] == {"X-Key": "${env:KEY}"}
            assert "three" not in accepted(engine)


async def test_it_is_put_back_once(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        await applied(engine, TEXT.format(canary="${env:KEY}"))
        async with visiting(engine.host) as visitor:
            page = await deleted(visitor, "one")
            key = _key(page)
            assert (await visitor.press(page.one(id="said"), f"/undo/{key}")).status == 200
            text = file_of(engine).read_text(encoding="utf-8")
            again = await visitor.send(f"undo/{key}")
            assert (again.status, "undone already" in again.one(id="problem").text) == (409, True)
            assert file_of(engine).read_text(encoding="utf-8") == text


async def test_a_protected_server_says_why_not(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": {"url": "https://one.example/", "enabled": False, "protect": True}}) as engine:
        await applied(engine, file_of(engine).read_text(encoding="utf-8"))
        async with visiting(engine.host) as visitor:
            page = await visitor.page("servers/one/delete")
            assert "one is protected" in page.one(id="why-not").text
            assert not page.has("button", id="delete")
            refused = await visitor.send("servers/one/delete")
            assert (refused.status, "one is protected" in refused.one(id="problem").text) == (409, True)
            assert set(accepted(engine)) == {"one"}


async def test_what_is_not_there_is_not_asked_about(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        assert (await visitor.page("servers/none/delete")).status == 404
        assert (await visitor.send("servers/none/delete")).status == 404
        assert (await visitor.send("undo/none")).status == 409


async def test_what_nobody_said_yes_to_is_shown_before_it_comes_back(tmp_path: Path) -> None:
    never = {"one": {"command": "/nothing/here", "args": ["a b"]}}
    async with hosted(tmp_path, never) as engine, visiting(engine.host) as visitor:
        page = await deleted(visitor, "one")
        page = await visitor.press(page.one(id="said"), "/undo/" + _key(page))
        assert page.one("pre", class_="command").text == "/nothing/here 'a b'"
        assert "/nothing/here" not in file_of(engine).read_text(encoding="utf-8")
        assert accepted(engine) == {}


@pytest.mark.parametrize("body", [{"new": {"command": "/nothing/here"}}, {"one": {"requireApproval": False}}])
async def test_what_waits_for_a_yes_is_not_put_back_as_if_it_had_one(tmp_path: Path, body: dict[str, Any]) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        await applied(engine, TEXT.format(canary="${env:KEY}"))
        answer = await engine.ask("PATCH", "/api/v1/config", "editor", {"mcpServers": body}, if_match="*")
        assert answer.json["pending"], answer.body
        (server,) = body
        page = await deleted(visitor, server)
        assert page.one(id="said").text == f"Deleted: {server}."
