"""The tour of the page by keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.engine.desk import light
from tests.faces.page import sentences as says
from tests.faces.page.browser import Browsing, Seat
from tests.faces.page.keys import NO_MOUSE, press, tab_to, type_into
from tests.faces.page.sentences import step
from tests.faces.page.touring import PASSPHRASE, Run, health, servers, title
from tests.requirements import requirement
from tests.rig.sdk_http import serving

pytestmark = requirement("PAGE-1:accessible", "PAGE-1:tour", "PAGE-2:page")

SERVERS: dict[str, Any] = {
    "notes": light("notes", group="writing", description="Notes of the team"),
    "broken": {"command": "/nothing/here"},
}
SAVE = "form#entry button.primary"
YES = "#panel button.primary"


def test_keys_alone_do_everything(run: Run[Any], browse: Browsing, tmp_path: Path) -> None:
    seat = browse(SERVERS)
    seat.context.add_init_script(NO_MOUSE)
    page = seat.go()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    toggled(page)
    explained(page)
    collapsed(page)
    created(page, run(serving("http")))
    edited(page)
    deleted(page)
    file = exported(page, tmp_path)
    imported(seat, file)
    every_view(page)


def toggled(page: Page) -> None:
    with step(says.TOGGLE, says.BADGE):
        switch = tab_to(page, "#switch-notes")
        for word, checked, count in (("disconnected", "false", 0), ("connected", "true", 1)):
            page.keyboard.press("Space")
            health(page, "notes", word)
            expect(page.locator("#badge-connections")).to_have_text(f"{count} active")
            expect(switch).to_have_attribute("aria-checked", checked)
            expect(switch).to_be_focused()


def explained(page: Page) -> None:
    with step(says.ERROR):
        tab_to(page, "#why-broken")
        tip = page.locator("#tip-broken")
        expect(tip).to_be_visible()
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()


def collapsed(page: Page) -> None:
    with step(says.SECTIONS):
        press(page, "details:has(#row-notes) > summary")
        expect(page.locator("#row-notes")).to_be_hidden()
        page.keyboard.press("Enter")
        expect(page.locator("#row-notes")).to_be_visible()


def created(page: Page, url: str) -> None:
    with step(says.NEW, says.FORM, says.SAVE):
        press(page, "a[href$='/ui/new']")
        title(page, "New connection")
        type_into(page, name="Far away", transport="http", endpoint=url, group="afar")
        press(page, SAVE)
        press(page, YES)
        expect(page.locator("#said")).to_contain_text("Far away")
        expect(page.locator("#group-afar #row-far-away")).to_contain_text("http")
        health(page, "far-away", "connected")


def edited(page: Page) -> None:
    with step(says.EDIT):
        press(page, "#edit-far-away")
        type_into(page, description="over there")
        press(page, SAVE)
        press(page, YES)
        expect(page.locator("#row-far-away")).to_contain_text("over there")


def deleted(page: Page) -> None:
    with step(says.DELETE):
        press(page, "#delete-notes")
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_be_hidden()
        expect(page.locator("#delete-notes")).to_be_focused()
        page.keyboard.press("Enter")
        press(page, "dialog #delete")
        expect(page.locator("#row-notes")).to_have_count(0)
        press(page, "#undo")
        health(page, "notes", "connected")


def exported(page: Page, folder: Path) -> Path:
    with step(says.EXPORT):
        press(page, "a[href$='/ui/export']")
        title(page, "Export connections")
        type_into(page, passphrase=PASSPHRASE, again=PASSPHRASE)
        press(page, "form.entry button.primary")
        expect(page.locator("#download")).to_be_focused()
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        file = folder / download.value.suggested_filename
        download.value.save_as(file)
        press(page, "main a[href$='/ui/']")
        title(page, "Connections")
        return file


def imported(seat: Seat, file: Path) -> None:
    page = seat.page
    with step(says.IMPORT):
        press(page, "#delete-notes")
        press(page, "dialog #delete")
        expect(page.locator("#row-notes")).to_have_count(0)
        press(page, "a[href$='/ui/import']")
        with page.expect_file_chooser() as chooser:
            press(page, "form.entry [name=file]")
        chooser.value.set_files(file)
        type_into(page, passphrase=PASSPHRASE)
        page.keyboard.press("Enter")
        title(page, f"Import {file.name}?")
        button = tab_to(page, "#press-notes")
        expect(button).to_contain_text("Run this on")
        page.keyboard.press("Enter")
        expect(button).to_contain_text("Leave it off")
        expect(button).to_be_focused()
        press(page, "#take")
        health(page, "notes", "connected")
        assert servers(seat.engine).keys() == {"notes", "broken", "far-away"}


def every_view(page: Page) -> None:
    with step(says.HUB):
        for view in ("Approvals", "Plan", "Events", "Clients"):
            press(page, f"nav a[href$='/{view.lower()}']")
            title(page, view)
        press(page, "form[action$='/leave'] button")
        title(page, "You left")
