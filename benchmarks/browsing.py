"""Chromium in front of the page: how long it takes until something is seen. Times are those of its own clock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "chromium"
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")

_LOADED = """() => new Promise((found) => {
  const look = () => {
    const [navigation] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (paint && navigation.domContentLoadedEventEnd) found([paint.startTime, navigation.domContentLoadedEventEnd]);
    else setTimeout(look, 5);
  };
  look();
})"""
_SWITCHED = """(server) => new Promise((found) => {
  const begun = performance.now();
  const button = () => document.getElementById(`switch-${server}`);
  const before = button().getAttribute("aria-checked");
  const look = () => {
    const now = button().getAttribute("aria-checked");
    if (now !== before && button().getAttribute("aria-busy") === null) found(performance.now() - begun);
    else requestAnimationFrame(look);
  };
  button().click();
  look();
})"""
_SEARCHED = """(text) => new Promise((found) => {
  const begun = performance.now();
  const [field, output] = [document.getElementById("q"), document.getElementById("found")];
  const before = output.value;
  const look = () => {
    if (output.value !== before) found(performance.now() - begun);
    else requestAnimationFrame(look);
  };
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  look();
})"""
_SAYS = "([server, text]) => document.getElementById(`row-${server}`).textContent.includes(text)"


@dataclass(frozen=True, slots=True)
class Load:
    """Seconds since the page was asked for: until something of it was painted, and until all of it was there."""

    painted: float
    there: float


class Seat:
    """A browser that came in."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def load(self, address: str) -> Load:
        """Open an address."""
        self._page.goto(address)
        painted, there = self._page.evaluate(_LOADED)
        return Load(painted / 1000, there / 1000)

    def wait_for(self, server: str, text: str) -> None:
        """Return when the row of a server says so."""
        self._page.wait_for_function(_SAYS, arg=[server, text])

    def switch(self, server: str) -> float:
        """Seconds from pressing its switch to the row that shows it."""
        return float(self._page.evaluate(_SWITCHED, server)) / 1000

    def search(self, text: str) -> float:
        """Seconds from typing to the number of what was found."""
        return float(self._page.evaluate(_SEARCHED, text)) / 1000


@contextmanager
def seats(link: str) -> Iterator[Seat]:
    """A browser with a fresh profile that came in by a link."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=list(_FLAGS))
        try:
            page = browser.new_page()
            page.set_default_timeout(60_000)
            page.goto(link)
            page.wait_for_url("**/ui/")
            yield Seat(page)
        finally:
            browser.close()
