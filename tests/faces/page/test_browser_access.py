"""Everybody can use the page: axe finds nothing in any view, keys do everything, and no script is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.engine.desk import light
from tests.faces.page.browser import Browsing, Seat, mistakes
from tests.faces.page.calling import calling
from tests.faces.page.walking import Seen, walk
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:accessible")

SERVERS: dict[str, Any] = {
    "notes": light("notes", group="writing", description="Notes of the team"),
    "drafts": light("drafts", group="writing", enabled=False),
    "broken": {"command": "/nothing/here", "args": ["a b"]},
    "remote": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer secret"}},
}
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MANY_TABS = 100
WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def named(seen: Seen) -> str:
    """What its picture is called."""
    return re.sub(r"[^a-z]+", "-", seen.kind.replace("*", "x"))


def checked(seat: Seat, theme: str) -> list[str]:
    """What axe finds on every view, with a picture of each."""
    found = []
    for seen in walk(seat, of_a_kind=1):
        seat.shoot(f"{theme}-{named(seen)}")
        found += [f"{seen.kind} {mistake}" for mistake in mistakes(seat.page)]
    return found


def test_axe_finds_what_is_wrong(browse: Browsing) -> None:
    with browse.browser.new_context() as context:
        page = context.new_page()
        page.set_content("<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img src=x></main>")
        assert [mistake.partition(":")[0] for mistake in mistakes(page)] == ["image-alt"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_view(browse: Browsing, theme: str) -> None:
    engine = browse.start(SERVERS)
    seat = browse.sit(engine, bypass_csp=True, color_scheme=theme, viewport=WIDE, reduced_motion="reduce")
    with calling(engine, "notes__echo", {"text": "hello"}):
        found = checked(seat, theme)
    engine.write({**SERVERS, "notes": {"comand": "x"}})
    seat.go().locator("#banner").get_by_text("has mistakes").wait_for()
    found += mistakes(seat.page)
    seat.shoot(f"{theme}-banner")
    seat.page.locator("#delete-drafts").click()
    seat.page.locator("dialog #panel").wait_for()
    found += mistakes(seat.page)
    seat.shoot(f"{theme}-dialog")
    assert found == []


def test_nothing_is_wider_than_a_phone(browse: Browsing) -> None:
    seat = browse.sit(browse.start(SERVERS), viewport=NARROW)
    too_wide = []
    for seen in walk(seat, of_a_kind=1):
        seat.shoot(f"narrow-{named(seen)}")
        too_wide += [seen.kind] if seat.page.evaluate(WIDER) else []
    assert too_wide == []


def tab_to(page: Page, selector: str) -> Locator:
    """Go on with Tab until an element has the focus, as seen by a ring around it."""
    goal = page.locator(selector)
    for _ in range(MANY_TABS):
        page.keyboard.press("Tab")
        if goal.evaluate("(goal) => goal === document.activeElement && goal.matches(':focus-visible')"):
            return goal
    raise AssertionError(f"Tab does not reach {selector}")


def press(page: Page, selector: str, key: str = "Enter") -> None:
    tab_to(page, selector)
    page.keyboard.press(key)


def title(page: Page, words: str) -> None:
    expect(page.locator("h1")).to_have_text(words)


def test_keys_alone_do_everything(browse: Browsing) -> None:
    seat = browse(SERVERS)
    page = seat.page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    switch = tab_to(page, "#switch-notes")
    for health, checked in (("disconnected", "false"), ("connected", "true")):
        page.keyboard.press("Space")
        expect(page.locator("#row-notes .health")).to_have_text(health)
        expect(switch).to_have_attribute("aria-checked", checked)
        expect(switch).to_be_focused()

    tab_to(page, "#why-broken")
    tip = page.locator("#tip-broken")
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()

    press(page, "details:has(#row-notes) > summary")
    expect(page.locator("#row-notes")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#row-notes")).to_be_visible()

    press(page, "a[href$='/ui/new']")
    title(page, "New connection")
    tab_to(page, "[name=name]")
    page.keyboard.type("Far away")
    tab_to(page, "[name=transport]")
    page.keyboard.type("http")
    tab_to(page, "[name=endpoint]")
    page.keyboard.type("http://127.0.0.1:9/mcp")
    press(page, "form#entry button.primary")
    press(page, "#panel button.primary")
    expect(page.locator("#said")).to_contain_text("Far away")
    expect(page.locator("#row-far-away")).to_contain_text("http")

    press(page, "#edit-far-away")
    tab_to(page, "[name=description]")
    page.keyboard.type("over there")
    press(page, "form#entry button.primary")
    press(page, "#panel button.primary")
    expect(page.locator("#row-far-away")).to_contain_text("over there")

    press(page, "#delete-far-away")
    expect(page.locator("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator("#delete-far-away")).to_be_focused()
    page.keyboard.press("Enter")
    press(page, "dialog #delete")
    expect(page.locator("#row-far-away")).to_have_count(0)
    press(page, "#undo")
    expect(page.locator("#row-far-away")).to_contain_text("over there")

    for view in ("Approvals", "Plan", "Events", "Clients"):
        press(page, f"nav a[href$='/{view.lower()}']")
        title(page, view)
    press(page, "form[action$='/leave'] button")
    title(page, "You left")


def test_nothing_needs_a_script(browse: Browsing) -> None:
    page = browse.sit(browse.start(SERVERS), java_script_enabled=False).page
    expect(page.locator("#row-notes")).to_contain_text("Notes of the team")
    expect(page.locator("#row-broken")).to_contain_text("/nothing/here")

    page.locator("#switch-notes").click()
    expect(page.locator("#switch-notes")).to_have_attribute("aria-checked", "false")
    expect(page.locator("#said")).to_contain_text("notes")

    page.locator("#edit-remote").click()
    page.locator("[name=description]").fill("over there")
    page.locator("form#entry button.primary").click()
    page.locator("#panel button.primary").click()
    expect(page.locator("#row-remote")).to_contain_text("over there")

    page.locator("#delete-remote").click()
    page.locator("#delete").click()
    expect(page.locator("#row-remote")).to_have_count(0)
    page.locator("#undo").click()
    expect(page.locator("#row-remote")).to_contain_text("over there")

    page.locator("[name=q]").fill("team")
    page.locator("#search").click()
    expect(page.locator("tr[data-health]:visible")).to_have_count(1)
    for view in ("Approvals", "Plan", "Events", "Clients"):
        page.locator(f"nav a[href$='/{view.lower()}']").click()
        title(page, view)
