"""A browser for every module of tests that asks for one, and what it looks at for every test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.faces.page.browser import CHROMIUM, Browsing, chromium
from tests.faces.page.touring import Run, loopback


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browse" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.needs(CHROMIUM))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium."""
    with chromium() as found:
        yield found


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    """`run(server)` is a server of the rig, on loopback. Asked for before `browse`, it outlives the engines."""
    with loopback() as found:
        yield found


@pytest.fixture
def browse(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browsing]:
    """`browse(servers)` is an engine with a browser that came in to it."""
    for name in ("RECONCILER_FILE", "RECONCILER_STATE_DIR", "RECONCILER_LISTEN", "RECONCILER_READ_ONLY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    browsing = Browsing(browser, tmp_path)
    try:
        yield browsing
    finally:
        browsing.end()
