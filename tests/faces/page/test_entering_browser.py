"""A browser comes in by a link, and what it shows is live."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.engine.desk import light
from tests.faces.page.browser import Browsing
from tests.requirements import requirement


@requirement("PAGE-1:entering")
def test_a_link_leads_to_the_servers_as_they_live(browse: Browsing) -> None:
    seat = browse({"one": light("one")})
    expect(seat.page.locator("#row-one")).to_contain_text("connected")
    seat.engine.write({"one": light("one"), "two": light("two")})
    expect(seat.page.locator("#row-two")).to_contain_text("connected")
    seat.shoot("first")
