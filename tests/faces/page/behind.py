"""The views that only a form leads to: what was typed wrong, what would change, a file that is ready, what comes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from playwright.sync_api import expect

from reconciler.store.portable import FILE_NAME
from tests.faces.page.browser import Seat
from tests.faces.page.touring import PASSPHRASE, SAVE_BUTTON, export, fill, open_file, title


def behind_forms(here: Seat, there: Seat, folder: Path) -> Iterator[tuple[Seat, str]]:
    """Come to one after the other, and tell its name while it is shown. What one engine exports is about to come into
    the other in the end; the file is in `folder`."""
    for name in chain(_of_a_server(here), _leaving(here, folder)):
        yield here, name
    for name in coming(there, folder / FILE_NAME):
        yield there, name


def _leaving(seat: Seat, folder: Path) -> Iterator[str]:
    page = seat.go("export")
    fill(page, {"passphrase": PASSPHRASE, "again": "another"})
    page.locator("[name=which][value=some]").check()
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#f-again-error")).to_be_visible()
    yield "export-refused"
    seat.go()
    export(seat, folder)
    yield "export-ready"


def _of_a_server(seat: Seat) -> Iterator[str]:
    page = seat.go("new")
    page.locator(SAVE_BUTTON).click()
    expect(page.locator("#f-name-error")).to_be_visible()
    yield "new-refused"
    fill(page, {"name": "Far away", "transport": "http", "endpoint": "http://127.0.0.1:9/mcp", "signin": "azure"})
    page.locator(SAVE_BUTTON).click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    yield "azure-refused"
    fill(page, {"signin": ""})
    page.locator(SAVE_BUTTON).click()
    expect(page.locator("#panel")).to_be_visible()
    yield "review"


def coming(seat: Seat, file: Path) -> Iterator[str]:
    """What is shown of a file, with a wrong passphrase and with the right one; one of its commands is to run."""
    page = seat.go("import")
    open_file(seat, file, "another passphrase")
    expect(page.locator("#f-passphrase-error")).to_be_visible()
    yield "import-refused"
    open_file(seat, file)
    title(page, f"Import {file.name}?")
    yield "preview"
    page.get_by_role("button", name="Run this on").first.click()
    expect(page.get_by_role("button", name="Leave it off")).to_be_visible()
    yield "preview-run"
