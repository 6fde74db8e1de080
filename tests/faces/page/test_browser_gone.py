"""Whoever looks at the page of an engine that is gone is told so: in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.engine.desk import light
from tests.faces.page.browser import Browsing, mistakes
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:live")


def test_whoever_looks_is_told_that_nothing_comes_any_more(browse: Browsing) -> None:
    engine = browse.start({"notes": light("notes")})
    looking, typing = browse.sit(engine, bypass_csp=True), browse.sit(engine)
    typing.go("servers/notes/edit").locator("#f-description").fill("half a sentence")
    for seat in (looking, typing):
        expect(seat.page.locator("#gone")).to_be_hidden()
    engine.run("stop")
    for seat in (looking, typing):
        expect(seat.page.locator("#gone")).to_be_visible()
    assert mistakes(looking.page) == []
    looking.shoot("gone")
    expect(typing.page.locator("#f-description")).to_have_value("half a sentence")


def test_a_click_that_reaches_no_engine_says_so_at_once(browse: Browsing) -> None:
    engine = browse.start({"notes": light("notes")})
    seats = [browse.sit(engine), browse.sit(engine)]
    for seat, clicked in zip(seats, ("#switch-notes", "#delete-notes"), strict=True):
        seat.context.set_offline(True)
        seat.page.locator(clicked).click()
        expect(seat.page.locator("#gone")).to_be_visible(timeout=2_000)
        seat.context.set_offline(False)
        seat.page.locator(clicked).click()
        expect(seat.page.locator("#gone")).to_be_hidden()
