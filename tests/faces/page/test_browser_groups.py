"""Groups of the list that somebody closed: what stays so, and where."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.engine.desk import light
from tests.faces.page.browser import Browsing, Seat
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:closed")

SERVERS = {"notes": light("notes", group="writing"), "drafts": light("drafts", group="rest"), "alone": light("alone")}
ALL = ["group-", "group-rest", "group-writing"]


def are_open(seat: Seat, *groups: str) -> None:
    """Hold until these groups are open, and the others are not."""
    expect(seat.page.locator(".group > details")).to_have_count(len(ALL))
    for group in ALL:
        rows = seat.page.locator(f"[id='{group}'] table")
        expect(rows).to_be_visible(visible=group in groups)


def press(seat: Seat, head: str) -> None:
    """Open or close a group."""
    seat.page.locator(head).focus()
    seat.page.keyboard.press("Enter")


def test_a_group_that_was_closed_stays_closed_in_this_browser(browse: Browsing) -> None:
    engine = browse.start(SERVERS)
    seat, other = browse.sit(engine), browse.sit(engine)
    are_open(seat, *ALL)
    press(seat, "#head-writing")
    press(seat, "#head-")
    are_open(seat, "group-rest")
    seat.go()
    are_open(seat, "group-rest")
    seat.page.locator("#switch-drafts").click()
    expect(seat.page.locator("#row-drafts")).to_have_attribute("data-health", "disconnected")
    engine.write({**SERVERS, "more": light("more", group="rest")})
    expect(seat.page.locator("#row-more")).to_be_visible()
    are_open(seat, "group-rest")
    press(seat, "#head-writing")
    are_open(seat, "group-rest", "group-writing")
    seat.page.reload()
    are_open(seat, "group-rest", "group-writing")
    seat.shoot("closed-group")
    other.page.reload()
    are_open(other, *ALL)


def test_a_browser_that_keeps_nothing_has_all_open_and_a_page_that_works(browse: Browsing) -> None:
    seat = browse(SERVERS)
    for broken in ("localStorage.setItem(`closed /ui/`, '{')", "localStorage.setItem(`closed /ui/`, '7')"):
        seat.page.evaluate(broken)
        seat.page.reload()
        are_open(seat, *ALL)
    seat.context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    seat.page.reload()
    seat.page.locator("#head-rest").click()
    are_open(seat, "group-", "group-writing")
    seat.page.locator("#q").fill("notes")
    expect(seat.page.locator("#found")).to_have_text("1 of 3")
