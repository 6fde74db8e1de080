"""A change is shown before it is made, and the yes is to what was shown."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.project import utc_now
from reconciler.faces.page.outcome import commands, outcomes
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.observed import Observed
from reconciler.model.pins import Pins
from reconciler.plan.build import make_plan
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:review")]

EDIT = "/servers/docs/edit"
DOCS: dict[str, Any] = {"url": "https://docs.example/mcp", "enabled": False}


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


async def applied(engine: Hosted) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
    assert answer.status == 200, answer.body


async def patch(engine: Hosted, body: dict[str, Any]) -> None:
    answer = await engine.ask("PATCH", "/api/v1/config", "operator", {"mcpServers": body}, if_match="*")
    assert answer.status == 200, answer.body


async def edited(visitor: Visitor, **typed: str) -> Shown:
    """What is shown of a change of `docs`."""
    page = await visitor.press(await visitor.page(EDIT), EDIT, **typed)
    assert page.path.startswith("/ui/changes/"), page.one("main").text
    return page


def described(engine: Hosted) -> str:
    """What the accepted document says of `docs`."""
    text: str = engine.host.root.ledger.document.servers["docs"].get("description", "")
    return text


async def test_a_command_is_shown_whole_and_the_button_names_the_machine(tmp_path: Path) -> None:
    docs = {"command": "/nothing/here", "args": ["--token=ghp_0123456789abcdefghijkl", "a b"], "enabled": False}
    async with hosted(tmp_path, {"docs": docs}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await edited(visitor, enabled="on")
        assert page.one("pre", class_="command").text == "/nothing/here '--token=***' 'a b'"
        assert page.one("button", class_="primary").text == f"Run this on {socket.gethostname()}"
        page = await edited(visitor, description="d")
        assert page.one("button", class_="primary").text == "Save"
        assert not page.has("pre", class_="command")


async def test_nothing_is_done_before_the_yes_and_all_of_it_after(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        text = file_of(engine).read_text(encoding="utf-8")
        page = await edited(visitor, description="mine")
        assert (file_of(engine).read_text(encoding="utf-8"), described(engine)) == (text, "")
        assert (await visitor.page(page.path)).one(id="outcomes").text == page.one(id="outcomes").text
        done = await visitor.press(page, page.path)
        assert (described(engine), done.one(id="said").text) == ("mine", '"docs" was changed.')
        assert (await visitor.page(page.path)).status == 409
        assert (await visitor.send(page.path, plan="pln-1")).status == 409


async def test_the_yes_is_to_what_was_shown_and_to_nothing_else(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await edited(visitor, description="mine")
        await patch(engine, {"docs": {"description": "theirs"}})
        again = await visitor.press(page, page.path)
        assert (again.path, described(engine)) == (page.path, "theirs")
        assert "this is what it would do now" in again.one(id="said").text
        assert "theirs" in again.one("pre", class_="plan").text
        await visitor.press(again, page.path)
        assert described(engine) == "mine"


async def test_a_yes_without_what_was_shown_is_none(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await edited(visitor, description="mine")
        assert (await visitor.send(page.path)).status == 409
        assert (await visitor.send(page.path, plan="pln-other")).path == page.path
        assert (await visitor.send(page.path, plan="x", form_token="other")).status == 403
        assert described(engine) == ""


async def test_a_change_is_kept_for_one_visit_and_one_project(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}, "other") as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await edited(visitor, description="mine")
        async with visiting(engine.host) as somebody:
            assert (await somebody.page(page.path)).status == 409
        assert (await visitor.client.get(page.path.replace("/ui/", "/p/other/ui/"))).status_code == 409


async def test_what_the_door_refuses_at_last_brings_back_what_was_typed(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await edited(visitor, description="dear")
        file_of(engine).write_text("mcpServers: [", encoding="utf-8")
        back = await visitor.press(page, page.path)
        assert back.path == f"/ui{EDIT}"
        assert "Nothing was changed" in back.one(id="said").text
        assert dict(back.form(EDIT).fields)["description"] == "dear"


async def test_who_may_not_say_yes_is_told_so(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine:
        await applied(engine)
        async with visiting(engine.host, "viewer") as visitor:
            page = await edited(visitor, description="mine")
            page = await visitor.press(page, page.path)
            assert "may not change the file" in page.one(id="said").text
            assert described(engine) == ""


async def test_a_reconnect_is_announced_and_no_secret_is_shown(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": light("docs", env={"KEY": CANARY})}) as engine:
        await applied(engine)
        async with visiting(engine.host) as visitor:
            page = await edited(visitor, **{"env.0.value": CANARY + "new"})
            assert '"docs" will reconnect: its session ends once the new one works.' in page.one(id="outcomes").text
            assert "One secret goes into the vault" in page.one(id="outcomes").text
            assert CANARY not in page.html
            await visitor.press(page, page.path)
            await engine.host.root.settled("docs")
            assert engine.host.root.vault.get("docs.env.KEY") == CANARY + "new"


def said(before: dict[str, Any], after: dict[str, Any], *, stored: int = 0, rewrites: bool = True) -> list[str]:
    """The sentences for a change of one server from what was accepted; {} for none."""
    old, new = ({"version": 1, "mcpServers": {"a": each} if each else {}} for each in (before, after))
    accepted = Accepted(document=Document(old))
    plan = make_plan(accepted, Document(new), Observed(False, {}), Pins(), now=utc_now(), place=lambda _: None)
    return outcomes(plan, stored=stored, rewrites=rewrites)


URL = {"url": "https://a.example/"}


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({}, {**URL, "name": "A"}, '"A" (a) will be added and connected.'),
        ({}, {**URL, "enabled": False}, '"a" will be added and stays off.'),
        (URL, {"url": "https://b.example/"}, '"a" will reconnect: its session ends once the new one works.'),
        (
            {**URL, "strategy": "recreate"},
            {"url": "https://b.example/", "strategy": "recreate"},
            '"a" will reconnect: its session ends first.',
        ),
        (URL, {**URL, "description": "d"}, '"a" goes on as it is, with other settings.'),
        (URL, {**URL, "enabled": False}, '"a" will be disconnected.'),
        ({**URL, "enabled": False}, URL, '"a" will be connected.'),
        (URL, {**URL, "group": "g"}, '"a" will be in another group; its session stays.'),
        (URL, {}, '"a" will be deleted, and its session ends.'),
    ],
)
def test_each_thing_that_happens_has_its_sentence(before: Any, after: Any, sentence: str) -> None:
    assert said(before, after) == [sentence]


def test_what_happens_beside_servers_is_said_too() -> None:
    assert said(URL, URL) == ["Only the text of the file changes."]
    assert said(URL, URL, rewrites=False) == ["Nothing changes: the file says so already."]
    assert said(URL, URL, stored=1) == ["One secret goes into the vault; the file names it only."]
    assert said(URL, URL, stored=2) == ["2 secrets go into the vault; the file names them only."]
    old, new = (Document({"version": 1, "lock": lock, "mcpServers": {}}) for lock in ("off", "warn"))
    accepted = Accepted(document=old)
    plan = make_plan(accepted, new, Observed(False, {}), Pins(), now=utc_now(), place=lambda _: None)
    assert outcomes(plan, stored=0, rewrites=True) == ["The settings of the project change."]
    assert commands(plan) == []


async def test_changes_are_not_kept_without_end(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        first = await edited(visitor, description="first")
        for number in range(32):
            last = await edited(visitor, description=str(number))
        assert (await visitor.page(first.path)).status == 409
        assert (await visitor.page(last.path)).status == 200
        assert json.loads(file_of(engine).read_text(encoding="utf-8"))["mcpServers"]["docs"] == DOCS
