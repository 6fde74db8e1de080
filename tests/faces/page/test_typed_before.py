"""A visit ends while somebody types: nothing of it is lost, nothing is done, and no secret is written anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from reconciler.engine.host import Host
from reconciler.faces.page.outside import FIELDS, LARGEST
from reconciler.gate.principal import Principal
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.faces.page.browser import Browsing, Seat, mistakes
from tests.faces.page.test_editing import applied, file_of, written
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:typed-before")]

FORM = {"content-type": "application/x-www-form-urlencoded"}
TYPED = {
    "name": 'The "docs" <of> us',
    "transport": "http",
    "endpoint": "http://127.0.0.1:9/mcp",
    "description": "\n two lines,\nand blanks ",
    "headers.0.name": "X-Key",
    "headers.0.value": CANARY,
}


async def leave(visitor: Visitor) -> None:
    """The visit ends, in another tab."""
    assert (await visitor.send("/ui/leave")).status == 200


async def come_in(visitor: Visitor, host: Host) -> None:
    """A new visit of the same browser begins."""
    word = host.visits.link(Principal("visitor", "operator"))
    assert (await visitor.client.get("/ui/enter", params={"word": word})).status_code == 200


def waits(page: Shown) -> dict[str, str]:
    """What was typed, in the page of who is not in."""
    assert (page.status, page.headers["cache-control"]) == (401, "no-store")
    assert "not lost" in page.one(id="typed").text and "reconciler open" in page.one("main").text
    fields = dict(page.one(id="typed").fields)
    assert "form_token" not in fields
    return fields


@pytest.mark.canary_inputs("http")  # the browser that sent it is given it back
async def test_a_form_that_was_typed_waits_in_the_page_and_goes_on_in_the_next_visit(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        before = file_of(engine).read_bytes()
        form = await visitor.page("/new")
        await leave(visitor)
        page = await visitor.press(form, "/new", **TYPED)
        assert waits(page).items() >= TYPED.items()
        page = await visitor.press(page, "/new")
        assert waits(page).items() >= TYPED.items(), "still not in"
        await come_in(visitor, engine.host)
        page = await visitor.press(page, "/new")
        assert (page.status, CANARY in page.html) == (200, False)
        assert "Your visit had ended" in page.one(id="said").text
        fields = dict(page.form("/new").fields)
        assert fields.items() >= {**TYPED, "headers.0.value": ""}.items()
        assert page.one(id="f-headers-0-value").attributes["placeholder"] == "typed, not saved yet"
        assert file_of(engine).read_bytes() == before
        page = await visitor.press(page, "/new")
        assert (await visitor.press(page, page.path)).path == "/ui/"
        [(id, entry)] = written(engine).items()
        assert (entry["name"], entry["description"]) == (TYPED["name"], TYPED["description"])
        assert engine.host.root.vault.get(f"{id}.headers.X-Key") == CANARY


@pytest.mark.parametrize("button", [("test", "yes"), ("more", "rows"), None])
async def test_a_form_of_an_earlier_visit_only_comes_back(tmp_path: Path, button: tuple[str, str] | None) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine, visiting(engine.host) as visitor:
        forms = [await visitor.page("/new"), await visitor.page("/servers/one/edit")]
        await leave(visitor)
        await come_in(visitor, engine.host)
        for form, action in zip(forms, ("/new", "/edit"), strict=True):
            page = await visitor.press(form, action, button, description="typed")
            assert (page.status, page.path) == (200, form.path)
            assert "Your visit had ended" in page.one(id="said").text
            assert dict(page.form(action).fields)["description"] == "typed"
        page = await visitor.press(page, "/edit")
        assert page.path.startswith("/ui/changes/")


async def test_a_snippet_that_was_pasted_before_fills_the_form(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        form = await visitor.page("/new")
        await leave(visitor)
        page = await visitor.press(form, "/new/paste", snippet=json.dumps({"x": {"command": "npx"}}))
        await come_in(visitor, engine.host)
        page = await visitor.press(page, "/new/paste")
        assert (page.path, dict(page.form("/new").fields)["endpoint"]) == ("/ui/new", "npx")


async def test_arguments_that_were_typed_are_there_and_nothing_was_called(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = await visitor.page("/servers/one/try?tool=echo")
        argument = form.form("/try").one("textarea").attributes["name"]
        await leave(visitor)
        page = await visitor.press(form, "/try", **{argument: "half a sentence"})
        assert waits(page)[argument] == "half a sentence"
        await come_in(visitor, engine.host)
        page = await visitor.press(page, "/try")
        assert "Not called" in page.one(id="answer").text and "had ended" in page.one(id="answer").text
        assert dict(page.form("/try").fields)[argument] == "half a sentence"
        assert "half a sentence" in (await visitor.press(page, "/try")).one(id="answer").text


async def test_only_what_our_own_forms_send_is_given_back(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        await leave(visitor)
        ours = {"origin": str(visitor.client.base_url).rstrip("/"), **FORM}
        wanted = "again=yes&x=typed"
        sent = [
            (wanted, ours),
            ("x=typed", ours),
            (wanted, {**ours, "origin": "http://127.0.0.1:1"}),
            (wanted, {**ours, "origin": "http://localhost"}),
            (wanted, {**ours, "content-type": "text/plain"}),
            (wanted, {**ours, "content-type": "multipart/form-data; boundary=x"}),
            (f"{wanted}&y=" + "y" * LARGEST, ours),
            (f"{wanted}&{urlencode({f'f{n}': '' for n in range(FIELDS)})}", ours),
        ]
        found = [await visitor.client.post("/ui/new", content=body, headers=headers) for body, headers in sent]
        assert {answer.status_code for answer in found} <= {401, 403}
        assert ['value="typed"' in answer.text for answer in found] == [True, *[False] * (len(sent) - 1)]
        for method in ("GET", "PUT"):
            answer = await visitor.client.request(method, f"/ui/new?{wanted}", content=wanted, headers=ours)
            assert (answer.status_code, "typed" in answer.text) == (401, False)


def left_elsewhere(seat: Seat) -> None:
    """The visit ends in another tab."""
    other = seat.context.new_page()
    other.goto(f"{seat.base}/ui/")
    other.locator(".leave button").click()
    expect(other.get_by_role("heading")).to_have_text("You left")


def come_in_elsewhere(seat: Seat) -> None:
    """A new visit begins in another tab."""
    other = seat.context.new_page()
    other.goto(seat.engine.link())
    other.wait_for_url("**/ui/")


def test_a_browser_goes_on_where_its_visit_ended(browse: Browsing) -> None:
    seat = browse.sit(browse.start({"notes": light("notes")}), bypass_csp=True)
    seat.go("servers/notes/edit").locator("#f-description").fill("half a sentence")
    left_elsewhere(seat)
    expect(seat.page.locator("#gone")).to_be_visible()
    seat.shoot("visit-ended")
    seat.page.get_by_role("button", name="Save").click()
    expect(seat.page.get_by_role("heading")).to_have_text("You are not in")
    assert mistakes(seat.page) == []
    seat.shoot("not-in-typed")
    come_in_elsewhere(seat)
    seat.page.get_by_role("button", name="Go on with what was typed").click()
    expect(seat.page.locator("#f-description")).to_have_value("half a sentence")
    expect(seat.page.locator("#said")).to_contain_text("Your visit had ended")
    seat.shoot("typed-before")
    seat.page.get_by_role("button", name="Save").click()
    seat.page.wait_for_url("**/ui/changes/*")


def test_a_tool_is_tried_where_the_visit_ended(browse: Browsing) -> None:
    seat = browse.sit(browse.start({"notes": light("notes")}))
    field = seat.go("servers/notes/try?tool=echo").locator("form.try textarea")
    field.fill("half a sentence")
    left_elsewhere(seat)
    seat.page.locator("#call").click()
    expect(seat.page.locator("dialog")).to_contain_text("What you typed is not lost")
    seat.shoot("not-in-dialog")
    come_in_elsewhere(seat)
    seat.page.keyboard.press("Escape")
    seat.page.locator("#call").click()
    expect(seat.page.locator("#answer")).to_contain_text("Not called")
    expect(field).to_have_value("half a sentence")
    seat.page.locator("#call").click()
    expect(seat.page.locator("#answer")).to_contain_text("Answered")
