"""The tour of the page in a browser that runs no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.engine.desk import light
from tests.faces.page import sentences as says
from tests.faces.page.browser import PATIENCE, Browsing, Seat
from tests.faces.page.sentences import step
from tests.faces.page.touring import Run, add, export, fill, health, open_file, save, servers, title
from tests.requirements import requirement
from tests.rig.sdk_http import serving
from tests.waiting import becomes_true

pytestmark = requirement("PAGE-1:accessible", "PAGE-1:tour", "PAGE-2:page")

SERVERS: dict[str, Any] = {
    "notes": light("notes", group="writing", description="Notes of the team"),
    "broken": {"command": "/nothing/here"},
}


def test_nothing_needs_a_script(run: Run[Any], browse: Browsing, tmp_path: Path) -> None:
    seat = browse.sit(browse.start(SERVERS), java_script_enabled=False)
    page = seat.page
    with step(says.LISTED, says.HEALTH, says.ERROR):
        expect(page.locator("#group-writing #row-notes")).to_contain_text("Notes of the team")
        health(page, "notes", "connected")
        page.locator("#why-broken").hover()
        expect(page.locator("#tip-broken")).to_be_visible()
    with step(says.SECTIONS):
        page.locator("#head-writing").click()
        expect(page.locator("#row-notes")).to_be_hidden()
        page.locator("#head-writing").click()
    with step(says.TOGGLE, says.BADGE):
        page.locator("#switch-notes").click()
        expect(page.locator("#switch-notes")).to_have_attribute("aria-checked", "false")
        expect(page.locator("#said")).to_contain_text("notes")
        settled(seat, "notes", "disconnected")
        expect(page.locator("#badge-connections")).to_have_text("0 active")
    with step(says.SAVE):
        add(page, {"name": "Far away", "transport": "http", "endpoint": run(serving("http"))})
        expect(page.locator("#row-far-away")).to_contain_text("Far away")
        settled(seat, "far-away", "connected")
    with step(says.EDIT):
        page.locator("#edit-far-away").click()
        fill(page, {"description": "over there"})
        save(page)
        expect(page.locator("#row-far-away")).to_contain_text("over there")
    file = export(seat, tmp_path)
    seat.go()
    with step(says.DELETE):
        page.locator("#delete-far-away").click()
        page.get_by_role("link", name="Cancel").click()
        deleted(page, "far-away")
        page.locator("#undo").click()
        expect(page.locator("#row-far-away")).to_contain_text("over there")
        deleted(page, "far-away")
        deleted(page, "notes")
    with step(says.IMPORT):
        page.get_by_role("link", name="Import Connections").click()
        open_file(seat, file)
        page.locator("#press-notes").click()
        expect(page.locator("#press-notes")).to_contain_text("Leave it off")
        page.locator("#take").click()
        expect(page.locator("#row-far-away")).to_contain_text("over there")
        settled(seat, "notes", "connected")
        assert servers(seat.engine).keys() == {"notes", "broken", "far-away"}
    with step(says.HUB):
        page.locator("[name=q]").fill("team")
        page.locator("#search").click()
        expect(page.locator("tr[data-health]:visible")).to_have_count(1)
        for view in ("Approvals", "Plan", "Events", "Clients"):
            page.locator(f"nav a[href$='/{view.lower()}']").click()
            title(page, view)


def deleted(page: Page, server: str) -> None:
    page.locator(f"#delete-{server}").click()
    page.locator("#delete").click()
    expect(page.locator(f"#row-{server}")).to_have_count(0)


def settled(seat: Seat, server: str, word: str) -> None:
    """Load the list anew, once the server is as it says."""
    assert becomes_true(lambda: seat.engine.client.server(server)["status"] == word, PATIENCE / 1000)
    seat.go()
    health(seat.page, server, word)
