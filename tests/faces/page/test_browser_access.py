"""Everybody can use the page: axe finds nothing in any view, light and dark, and a phone is wide enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.engine.desk import light
from tests.faces.page.behind import behind_forms
from tests.faces.page.browser import Browsing, Seat, mistakes
from tests.faces.page.calling import calling
from tests.faces.page.touring import NARROW, WIDE, WIDER
from tests.faces.page.walking import Seen, touch, walk
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:accessible")

SERVERS: dict[str, Any] = {
    "notes": light("notes", group="writing", description="Notes of the team"),
    "drafts": light("drafts", group="writing", enabled=False),
    "broken": {"command": "/nothing/here", "args": ["a b"]},
    "remote": {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": "Bearer secret"}},
}


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


def both(browse: Browsing, **options: Any) -> list[Seat]:
    """A browser at the engine, and one at another, in whose file something else has the same id."""
    return [browse.sit(browse.start(servers), **options) for servers in (SERVERS, {"notes": light("others")})]


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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_behind_any_form(browse: Browsing, theme: str, tmp_path: Path) -> None:
    here, there = both(browse, bypass_csp=True, color_scheme=theme, viewport=WIDE, reduced_motion="reduce")
    found = []
    for seat, name in behind_forms(here, there, tmp_path):
        seat.page.locator("main .primary").last.hover()
        touch(seat.page)
        found += [f"{name} {mistake}" for mistake in mistakes(seat.page)]
        seat.shoot(f"{theme}-{name}")
    assert found == []


def test_nothing_is_wider_than_a_phone(browse: Browsing, tmp_path: Path) -> None:
    seat, there = both(browse, viewport=NARROW)
    too_wide = []
    for seen in walk(seat, of_a_kind=1):
        seat.shoot(f"narrow-{named(seen)}")
        too_wide += [seen.kind] if seat.page.evaluate(WIDER) else []
    for shown, name in behind_forms(seat, there, tmp_path):
        shown.shoot(f"narrow-{name}")
        too_wide += [name] if shown.page.evaluate(WIDER) else []
    assert too_wide == []
