"""Everybody can use the page: axe finds nothing in any view, light and dark, and a phone is wide enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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


def wrong(seat: Seat, name: str) -> list[str]:
    """What axe finds in what is shown now, light and dark, and whether it is wider than a phone; with pictures."""
    found = []
    for theme in ("light", "dark"):
        seat.page.emulate_media(color_scheme=theme)
        found += [f"{name} {theme} {mistake}" for mistake in mistakes(seat.page)]
        seat.shoot(f"{theme}-{name}")
    seat.page.set_viewport_size(NARROW)
    found += [f"{name} is wider than a phone"] if seat.page.evaluate(WIDER) else []
    seat.shoot(f"narrow-{name}")
    seat.page.set_viewport_size(WIDE)
    return found


def both(browse: Browsing, **options: Any) -> list[Seat]:
    """A browser at the engine, and one at another, in whose file something else has the same id."""
    return [browse.sit(browse.start(servers), **options) for servers in (SERVERS, {"notes": light("others")})]


def test_axe_finds_what_is_wrong(browse: Browsing) -> None:
    with browse.browser.new_context() as context:
        page = context.new_page()
        page.set_content("<!doctype html><html lang=en><title>x</title><main><h1>x</h1><img src=x></main>")
        assert [mistake.partition(":")[0] for mistake in mistakes(page)] == ["image-alt"]


def test_everybody_can_use_any_view(browse: Browsing) -> None:
    engine = browse.start(SERVERS)
    seat = browse.sit(engine, bypass_csp=True, viewport=WIDE, reduced_motion="reduce")
    with calling(engine, "notes__echo", {"text": "hello"}):
        found = [each for seen in walk(seat, of_a_kind=1) for each in wrong(seat, named(seen))]
    engine.write({**SERVERS, "notes": {"comand": "x"}})
    seat.go().locator("#banner").get_by_text("has mistakes").wait_for()
    found += wrong(seat, "banner")
    seat.page.locator("#delete-drafts").click()
    seat.page.locator("dialog #panel").wait_for()
    found += wrong(seat, "dialog")
    assert found == []


def test_everybody_can_use_what_is_behind_any_form(browse: Browsing, tmp_path: Path) -> None:
    here, there = both(browse, bypass_csp=True, viewport=WIDE, reduced_motion="reduce")
    found = []
    for seat, name in behind_forms(here, there, tmp_path):
        seat.page.locator("main .primary").last.hover()
        touch(seat.page)
        found += wrong(seat, name)
    assert found == []
