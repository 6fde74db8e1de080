"""What a tour of the page needs: servers on loopback, forms filled in, pictures of what is seen."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Locator, Page, expect

from tests.faces.page.browser import PATIENCE, Browsing, Engine, Seat
from tests.waiting import becomes_true

T = TypeVar("T")
Run: TypeAlias = Callable[[AbstractAsyncContextManager[T]], T]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WIDER = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
"""Whether one has to scroll sideways."""
PASSPHRASE = "tall ships in a bottle"
SAVE_BUTTON = "form#entry button.primary"
YES = "#panel button.primary"
LIVE = "() => { window.stayed = true; }"
STAYED = "() => window.stayed === true"

_GREEN, _RED, _YELLOW = range(120, 170), (*range(345, 360), *range(15)), range(30, 65)
HUES = {"connected": _GREEN, "disconnected": _RED, "error": _YELLOW}


@contextmanager
def loopback() -> Iterator[Run[Any]]:
    """Runs servers of the rig beside a test that waits for a browser; they end with it."""
    with start_blocking_portal() as portal, ExitStack() as ends:
        yield lambda server: ends.enter_context(portal.wrap_async_context_manager(server))


def entry(engine: Engine, server: str) -> dict[str, Any]:
    """What the file says of a server."""
    found: dict[str, Any] = servers(engine)[server]
    return found


def servers(engine: Engine) -> dict[str, Any]:
    """The servers of the file, which is YAML to everybody."""
    found: dict[str, Any] = yaml.safe_load(engine.file.read_text(encoding="utf-8"))["mcpServers"]
    return found


def written(engine: Engine, text: str) -> None:
    """Save a text as the file, whole, as an editor does."""
    saved = engine.file.with_suffix(".new")
    saved.write_text(text, encoding="utf-8")
    saved.replace(engine.file)


def taken_up(engine: Engine, server: str, group: str | None = None) -> None:
    """Wait until the engine goes by what the file says of a server, in this group."""

    def there() -> bool:
        rows = {row["id"]: row for row in engine.client.status()["servers"]}
        return server in rows and (rows[server]["sync"], rows[server]["group"]) == ("Synced", group)

    assert becomes_true(there, PATIENCE / 1000)


def fill(page: Page, typed: Mapping[str, str]) -> None:
    """Fill in the fields of a form, by their names."""
    for name, text in typed.items():
        field = page.locator(f"form.entry [name='{name}']")
        expect(field).to_be_visible()
        if field.evaluate("(field) => field.tagName") == "SELECT":
            field.select_option(text)
        else:
            field.fill(text)


def save(page: Page) -> None:
    """Save a form, and say yes to what it would do."""
    page.locator(SAVE_BUTTON).click()
    page.locator(YES).click()
    expect(page).to_have_url(re.compile("/ui/$"))


def add(page: Page, typed: Mapping[str, str]) -> None:
    """Create a connection, from the list and back to it."""
    page.get_by_role("link", name="New Connection").click()
    fill(page, typed)
    save(page)


def health(page: Page, server: str, word: str) -> Locator:
    """What the row of a server says of its health, once it says this."""
    found = page.locator(f"#row-{server} .health")
    expect(found).to_have_text(word)
    return found


def hue(of: Locator) -> int:
    """The colour of a text, in degrees of the circle."""
    red, green, blue = map(int, re.findall(r"\d+", of.evaluate("(each) => getComputedStyle(each).color"))[:3])
    return int(colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[0] * 360)


def export(seat: Seat, to: Path) -> Path:
    """Export every connection, from the list on; the file that was downloaded."""
    page = seat.page
    page.get_by_role("link", name="Export Connections").click()
    fill(page, {"passphrase": PASSPHRASE, "again": PASSPHRASE})
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download() as download:
        page.locator("#download").click()
    to.mkdir(exist_ok=True)
    there = to / download.value.suggested_filename
    download.value.save_as(there)
    return there


def open_file(seat: Seat, file: Path, passphrase: str = PASSPHRASE) -> None:
    """Have an exported file opened, from the form on."""
    seat.page.locator("[name=file]").set_input_files(file)
    fill(seat.page, {"passphrase": passphrase})
    seat.page.get_by_role("button", name="Open").click()


def title(page: Page, words: str) -> None:
    """Wait for a view, by its title."""
    expect(page.locator("h1")).to_have_text(words)


def pictures(seat: Seat, name: str) -> None:
    """What is seen now, in the light, in the dark, and on a phone, where nothing is wider than that."""
    page = seat.page
    seat.shoot(f"{name}-light")
    page.emulate_media(color_scheme="dark")
    seat.shoot(f"{name}-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(NARROW)
    seat.shoot(f"{name}-narrow")
    assert not page.evaluate(WIDER), f"{name} is wider than a phone"
    page.set_viewport_size(WIDE)


def sit(browse: Browsing, engine: Engine, **options: Any) -> Seat:
    """A browser of the usual size, at the list."""
    return browse.sit(engine, viewport=WIDE, color_scheme="light", **options)
