"""A switch for everyone or for this machine alone: what the page says of it, and what each button writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.faces.page.browser import Browsing, mistakes
from tests.faces.page.test_connections import SWITCH, at, mock, row, switch_of, written
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:for-me")]

MAIN = "desk.reconciler.yaml"
OWN = "desk.reconciler.local.yaml"


def own(folder: Path) -> str:
    return (folder / OWN).read_text(encoding="utf-8")


def says(shown: Shown) -> list[str]:
    return [" ".join(each.text.split()) for each in shown.one(id="says").all("li")]


def offers(shown: Shown) -> list[str]:
    return [each.attributes["name"] for each in shown.form(SWITCH).all("button")]


async def press(visitor: Visitor, server: str, button: str) -> Shown:
    shown = await visitor.page(f"/servers/{server}/whose")
    assert button in offers(shown)
    return await visitor.press(shown, SWITCH, (button, server))


async def test_for_me_alone_leaves_the_file_and_can_be_taken_back(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(name="One"), "two": mock()}) as (engine, visitor):
        before = (tmp_path / MAIN).read_bytes()
        link = row(await visitor.page("/"), "one").one(id="whose-one")
        shown = await visitor.page(link.attributes["href"])
        assert shown.one("h1").text == "Switch One"
        assert says(shown) == [f"For everyone {MAIN} says on.", "Here it is on."]
        assert offers(shown) == ["mine-off", "all-off"]
        shown = await visitor.press(shown, SWITCH, ("mine-off", "one"))
        assert (shown.path, shown.one(id="said").text) == ("/ui/", "Switched off for you alone: One.")
        assert ((tmp_path / MAIN).read_bytes(), own(tmp_path)) == (before, "mcpServers:\n  one:\n    enabled: false\n")
        assert switch_of(shown, "one").attributes["aria-checked"] == "false"
        assert "for me alone" in switch_of(shown, "one").attributes["title"]
        assert shown.one(id="mine-one").text == "off for me" and not shown.has(id="mine-two")
        shown = await visitor.press(shown, SWITCH, ("mine-back", "one"))
        assert shown.one(id="said").text == "Taken back: One is as everyone has it."
        assert own(tmp_path) == "mcpServers: {}\n" and not shown.has(id="mine-one")
        await engine.host.root.settled("one")
        assert row(await visitor.page("/"), "one").attributes["data-health"] == "connected"


async def test_for_everyone_under_an_own_setting_says_plainly_that_nothing_changes_here(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text("mcpServers: {one: {enabled: false}}\n", encoding="utf-8")
    async with at(tmp_path, {"one": mock(enabled=False)}) as (_, visitor):
        shown = await visitor.page("/servers/one/whose")
        assert says(shown) == [
            f"For everyone {MAIN} says off.",
            f"For you alone {OWN} says off, and that comes first here.",
            "Here it is off.",
        ]
        assert offers(shown) == ["mine-on", "mine-back", "all-on"]
        assert "Nothing changes here:" in shown.one(id="all-on-hint").text
        shown = await visitor.press(shown, SWITCH, ("all-on", "one"))
        hidden = f"Here it stays as it was: {OWN}:1:20 says otherwise."
        assert shown.one(id="said").text == f"Switched on for everyone: one. {hidden}"
        assert written(tmp_path)["mcpServers"]["one"]["enabled"] is True
        assert row(shown, "one").attributes["data-health"] == "disconnected"
        shown = await press(visitor, "one", "mine-back")
        assert switch_of(shown, "one").attributes["aria-checked"] == "true"


async def test_for_everyone_without_an_own_setting_is_written_into_the_file(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock()}) as (_, visitor):
        shown = await press(visitor, "one", "all-off")
        assert shown.one(id="said").text == "Switched off for everyone: one."
        assert written(tmp_path)["mcpServers"]["one"]["enabled"] is False and not (tmp_path / OWN).exists()


async def test_a_group_is_switched_for_me_too(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(group="dev"), "two": mock(group="dev")}) as (_, visitor):
        link = (await visitor.page("/")).one(id="whose-group-dev").attributes["href"]
        shown = await visitor.page(link)
        assert (shown.one("h1").text, offers(shown)) == ("Switch the group dev", ["mine-group-off", "all-group-off"])
        shown = await visitor.press(shown, SWITCH, ("mine-group-off", "dev"))
        assert "off for me" in shown.one(id="head-dev").text
        assert own(tmp_path) == "groups:\n  dev:\n    enabled: false\n"
        shown = await visitor.page(link)
        assert offers(shown) == ["mine-group-on", "mine-group-back", "all-group-off"]
        shown = await visitor.press(shown, SWITCH, ("mine-group-back", "dev"))
        assert "off for me" not in shown.one(id="head-dev").text and "groups" not in written(tmp_path)


async def test_a_server_that_only_this_machine_has_is_switched_for_nobody_else(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text(json.dumps({"mcpServers": {"mine": mock()}}), encoding="utf-8")
    async with at(tmp_path, {"one": mock()}) as (_, visitor):
        shown = await visitor.page("/")
        assert shown.one(id="mine-mine").text == "only here" and not shown.has(id="back-mine")
        shown = await visitor.page("/servers/mine/whose")
        assert says(shown) == [f"It is in {OWN} alone: nobody else has it.", "Here it is on."]
        assert offers(shown) == ["mine-off"]
        await visitor.press(shown, SWITCH, ("mine-off", "mine"))
        assert json.loads(own(tmp_path))["mcpServers"]["mine"]["enabled"] is False


async def test_what_a_file_of_another_client_says_for_me_is_taken_back_too(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text("mcpServers: {one: {disabled: true, name: Mine}}\n", "utf-8")
    async with at(tmp_path, {"one": mock()}) as (engine, visitor):
        (tmp_path / MAIN).write_text(json.dumps({"mcpServers": {"one": mock()}}), encoding="utf-8")
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
        shown = await visitor.page("/")
        assert shown.one(id="mine-one").text == "off for me"
        shown = await visitor.press(shown, SWITCH, ("mine-back", "one"))
        assert own(tmp_path) == "mcpServers: {one: {name: Mine}}\n" and not shown.has(id="mine-one")


async def test_what_never_ran_is_shown_before_it_runs_for_me(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"new": light("new", enabled=False)}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": []})
        async with visiting(engine.host) as visitor:
            shown = await press(visitor, "new", "mine-on")
            assert (shown.one("h1").text, (tmp_path / OWN).exists()) == ("Switch on new for you alone?", False)
            assert shown.has("pre", class_="command")
            shown = await visitor.press(shown, shown.path)
            assert shown.one(id="said").text == "Switched on for you alone: new."
            assert own(tmp_path) == "mcpServers:\n  new:\n    enabled: true\n"
            await engine.host.root.settled("new")
            assert row(await visitor.page("/"), "new").attributes["data-health"] == "connected"


@pytest.mark.parametrize("path", ["/servers/nobody/whose", "/groups/nobody/whose"])
async def test_what_is_not_in_the_file_has_no_switch(tmp_path: Path, path: str) -> None:
    async with at(tmp_path, {"one": mock()}) as (_, visitor):
        assert (await visitor.page(path)).status == 404
        assert (await visitor.send(SWITCH, {"mine-on": "nobody"})).status == 404
        assert (await visitor.send(SWITCH, {"all-back": "one"})).status == 400


async def test_while_the_file_is_broken_nothing_is_switched(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock()}) as (_, visitor):
        (tmp_path / MAIN).write_text("mcpServers: [", encoding="utf-8")
        assert (await visitor.page("/servers/one/whose")).status == 409
        assert (await visitor.page("/")).status == 200
        assert (await visitor.send(SWITCH, {"mine-off": "one"})).status == 409
        assert not (tmp_path / OWN).exists()


async def test_an_engine_that_changes_no_file_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / OWN).write_text("mcpServers: {one: {enabled: false}}\n", encoding="utf-8")
    async with at(tmp_path, {"one": mock()}) as (engine, visitor):
        engine.host.root.read_only = True
        shown = await visitor.page("/servers/one/whose")
        assert "--read-only" in shown.one(id="panel").text and not shown.has("form", id="whose")
        assert not (await visitor.page("/")).has(id="back-one")


@pytest.fixture
def page(browse: Browsing) -> Page:
    servers: dict[str, Any] = {"one": mock(name="One"), "two": mock(group="dev")}
    return browse.sit(browse.start(servers), bypass_csp=True).page


def test_by_keys_alone_a_switch_is_for_me_and_axe_finds_nothing(page: Page) -> None:
    page.locator("#whose-one").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog #mine-off")).to_be_visible()
    assert mistakes(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#whose-one")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("dialog #mine-off").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("Switched off for you alone: One.")
    expect(page.locator("#mine-one")).to_have_text("off for me")
    assert mistakes(page) == []
    page.locator("#back-one").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#mine-one")).to_have_count(0)
    expect(page.locator("#switch-one")).to_have_attribute("aria-checked", "true")
    assert mistakes(page) == []
