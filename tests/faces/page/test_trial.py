"""*Test* beside *Save*: it tries what was typed, a command only after a yes to it, and nothing is lost or kept."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from playwright.sync_api import expect

from tests.canary import CANARY
from tests.engine.desk import LIGHT, light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.browser import Browsing, mistakes
from tests.faces.page.test_editing import applied, file_of, patch, written
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement
from tests.rig.sdk_http import serving
from tests.rig.starting import processes_owned_by

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:test")]

COMMAND = shlex.join([sys.executable, "-E", "-S", "-u", str(LIGHT)])
TEST = ("test", "yes")
YES = f"Run this on {socket.gethostname()}"


def script(text: str) -> str:
    return shlex.join([sys.executable, "-E", "-S", "-c", text])


async def ask(visitor: Visitor, page: Shown | None = None, /, **typed: Any) -> Shown:
    """Fill the form of a new server in, or the one shown, and press Test."""
    page = page or await visitor.page("/new")
    return await visitor.press(page, page.path, TEST, **typed)


async def say_yes(visitor: Visitor, page: Shown) -> Shown:
    """Say yes to the command that is shown."""
    assert page.path.startswith("/ui/tests/"), page.one("main").text
    return await visitor.press(page, page.path)


def came(page: Shown) -> str:
    return " ".join(page.one(id="tested").text.split())


def untouched(engine: Hosted, text: str) -> bool:
    """Whether nothing of a test stayed: in the file, in what is accepted, in the vault, or as a process."""
    project = engine.host.root
    quiet = not project.vault.list() and not project.tried and not processes_owned_by(project.opening.cookie)
    return file_of(engine).read_text(encoding="utf-8") == text and not project.ledger.document.servers and quiet


async def test_a_command_is_shown_first_and_run_after_the_yes_and_the_form_comes_back(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        text = file_of(engine).read_text(encoding="utf-8")
        typed = {"name": "Light", "endpoint": COMMAND, "description": "dear", "env.0.name": "KEY"}
        page = await ask(visitor, None, **typed, **{"env.0.value": CANARY})
        assert page.one("h1").text == 'Test "Light"?'
        assert page.one("pre", class_="command").text == COMMAND
        assert "KEY" in page.one(id="panel").text and CANARY not in page.html
        assert YES in [each.text for each in page.all("button")]
        assert untouched(engine, text)
        page = await say_yes(visitor, page)
        assert page.path == "/ui/new"
        assert came(page) == "The test connected It has 10 tools. The session was ended, and nothing is saved yet."
        assert "typed" in dict(page.form("/new").fields) and CANARY not in page.html
        fields = dict(page.form("/new").fields)
        assert {name: fields[name] for name in typed} == typed
        assert untouched(engine, text)
        page = await visitor.press(page, "/new")
        page = await visitor.press(page, page.path)
        assert page.path == "/ui/" and engine.host.root.vault.get("light.env.KEY") == CANARY


async def test_a_command_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        text = file_of(engine).read_text(encoding="utf-8")
        ill = script("import os, sys; print('<b>ill</b>', os.environ['KEY'], file=sys.stderr); sys.exit(3)")
        typed = {"endpoint": ill, "env.0.name": "KEY", "env.0.value": CANARY}
        page = await say_yes(visitor, await ask(visitor, None, **typed))
        assert "The test failed" in came(page) and "It exited with status 3; its last words: " in came(page)
        assert page.one(id="tested").one("pre").text == "<b>ill</b> ***"
        assert dict(page.form("/new").fields)["endpoint"] == ill
        assert untouched(engine, text)
        said = str(await engine.host.root.records.events(0, 100, None))
        assert "visitor tests server by running" in said and "The test of server failed: It exited" in said


async def test_a_url_is_tried_at_once_with_the_secrets_that_were_typed(tmp_path: Path) -> None:
    heard: list[dict[str, str]] = []
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor, serving(heard=heard) as url:
        text = file_of(engine).read_text(encoding="utf-8")
        typed = {"transport": "http", "endpoint": url, "headers.0.name": "X-Key", "headers.0.value": CANARY}
        page = await ask(visitor, None, **typed)
        assert (page.path, "It has 2 tools." in came(page)) == ("/ui/new", True)
        assert {one["x-key"] for one in heard} == {CANARY} and CANARY not in page.html
        assert untouched(engine, text)
        page = await visitor.press(page, "/new", TEST)
        assert "It has 2 tools." in came(page), "the secret is still there for the next test"


async def test_mistakes_stand_beside_their_fields_as_when_it_is_saved(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        for typed, said in (
            ({"endpoint": "'"}, "has a quotation mark"),
            ({"endpoint": "x", "env.0.name": "a=b"}, "a=b"),
            ({"transport": "http", "endpoint": "nonsense"}, "begin with http"),
        ):
            page = await ask(visitor, None, **typed)
            assert page.status == 422, typed
            assert said in page.one(id="problems").text
            assert dict(page.form("/new").fields)["endpoint"] == typed["endpoint"]
        assert processes_owned_by(engine.host.root.opening.cookie) == []


async def test_an_edit_is_tried_with_what_is_stored_and_the_server_goes_on(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": light("docs", env={"KEY": "${secret:k}"})}) as engine:
        engine.host.root.vault.put("k", CANARY)
        await applied(engine)
        before, pids = written(engine), processes_owned_by(engine.host.root.opening.cookie)
        async with visiting(engine.host) as visitor:
            needs = "import os, sys; sys.exit(0 if len(os.environ['KEY']) == 23 and os.environ['MORE'] == 'm' else 9)"
            typed = {"endpoint": script(needs), "env.1.name": "MORE", "env.1.value": "m"}
            page = await ask(visitor, await visitor.page("/servers/docs/edit"), **typed)
            page = await say_yes(visitor, page)
            assert page.path == "/ui/servers/docs/edit" and "status 0" in came(page)
            assert dict(page.form("/edit").fields)["endpoint"] == typed["endpoint"]
            page = await ask(visitor, await visitor.page("/servers/docs/edit"))
            assert "It has 10 tools." in came(await say_yes(visitor, page)), "what was not changed is tried too"
        assert (written(engine), processes_owned_by(engine.host.root.opening.cookie)) == (before, pids)


async def test_what_others_changed_meanwhile_is_tried_together_with_what_was_typed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": light("docs")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("/servers/docs/edit")
        await patch(engine, {"docs": {"cwd": str(tmp_path), "description": "theirs"}})
        page = await ask(visitor, page, description="mine", endpoint=COMMAND)
        assert str(tmp_path) in page.one(id="panel").text
        page = await say_yes(visitor, page)
        assert "It has 10 tools." in came(page)
        assert dict(page.form("/edit").fields)["description"] == "mine"


async def test_a_yes_is_to_exactly_the_launch_that_was_shown(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": light("docs")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await ask(visitor, await visitor.page("/servers/docs/edit"), endpoint=COMMAND)
        await patch(engine, {"docs": {"env": {"OTHER": "theirs"}}})
        again = await say_yes(visitor, page)
        assert again.path == page.path
        assert "The file changed meanwhile" in again.one(id="said").text and "OTHER" in again.one(id="panel").text
        assert "It has 10 tools." in came(await say_yes(visitor, again))
        assert (await visitor.press(again, again.path)).status == 409, "a test is made once"


async def test_a_change_that_runs_a_command_is_tried_from_where_it_is_looked_at(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("/new")
        look = await visitor.press(page, "/new", name="Light", endpoint=COMMAND)
        assert look.path.startswith("/ui/changes/")
        [button] = [each for each in look.all("button") if each.text == "Test"]
        page = await visitor.send(button.attributes["formaction"], {})
        back = await say_yes(visitor, page)
        assert back.path == look.path and "It has 10 tools." in came(back)
        done = await visitor.press(back, back.path)
        assert done.path == "/ui/" and "light" in written(engine)
        assert (await visitor.send(button.attributes["formaction"], {})).status == 409


async def test_what_runs_nothing_new_has_no_test_where_it_is_looked_at(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": light("docs")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("/servers/docs/edit")
        look = await visitor.press(page, page.path, description="other")
        assert "Test" not in [each.text for each in look.all("button")]


async def test_one_test_at_a_time(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await ask(visitor, endpoint=script("import signal; signal.pause()"), name="slow")
        other = await ask(visitor, endpoint=COMMAND, name="other")
        async with engine.host.root.events.listen() as news:
            slow = asyncio.create_task(say_yes(visitor, page))
            with anyio.fail_after(10):
                await news.get()
        refused = await say_yes(visitor, other)
        assert refused.status == 409 and "a test is running" in refused.one("main").text
        url = await ask(visitor, transport="http", endpoint="http://127.0.0.1:1/", description="dear")
        assert url.status == 422 and "a test is running" in url.one(id="problems").text
        assert dict(url.form("/new").fields)["description"] == "dear"
        [instance] = engine.host.root.tried
        await instance.close()
        assert "The test failed" in came(await slow)
        assert "It has 10 tools." in came(await say_yes(visitor, other))


@pytest.mark.parametrize(("role", "read_only"), [("viewer", False), ("editor", False), ("operator", True)])
async def test_who_may_run_nothing_tests_nothing(tmp_path: Path, role: Any, read_only: bool) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host, role) as visitor:
        engine.host.root.read_only = read_only
        page = await ask(visitor, endpoint=COMMAND, name="Light")
        assert page.status == 422
        assert ("--read-only" if read_only else f"has the role {role}") in page.one(id="problems").text
        assert dict(page.form("/new").fields)["name"] == "Light"
        assert processes_owned_by(engine.host.root.opening.cookie) == []


def test_in_a_browser_axe_finds_nothing_and_what_came_has_the_focus(browse: Browsing) -> None:
    seat = browse.sit(browse.start({}), bypass_csp=True)
    page = seat.go("new")
    page.get_by_label("Name", exact=True).fill("Light")
    page.get_by_label("Endpoint URL or command").fill(COMMAND)
    page.get_by_role("button", name="Test").click()
    expect(page.locator("pre.command")).to_have_text(COMMAND)
    assert mistakes(page) == []
    page.get_by_role("button", name=YES).press("Enter")
    expect(page.locator("#tested")).to_contain_text("It has 10 tools.")
    expect(page.locator("#tested")).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Light")
    assert mistakes(page) == []
    seat.shoot("test-connected")
    page.get_by_label("Endpoint URL or command").fill("/nowhere/at/all")
    page.get_by_role("button", name="Test").click()
    page.get_by_role("button", name=YES).click()
    expect(page.locator("#tested")).to_contain_text("/nowhere/at/all")
    assert mistakes(page) == []
    seat.shoot("test-failed")
