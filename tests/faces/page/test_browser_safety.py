"""Nothing that a file, a server or a caller says is more than text on the page: in a browser, on every view."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faces.page.browser import Browsing, Engine, Seat
from tests.faces.page.calling import calling
from tests.faces.page.payloads import PAYLOADS
from tests.faces.page.walking import touch, walk
from tests.requirements import requirement
from tests.waiting import becomes_true

pytestmark = requirement("PAGE-1:hostile")

RIG = Path(__file__).parents[2] / "rig"
SEEN_TO_RUN = 60
"""Payloads that must run where nothing keeps them from it; the others want a click, or another browser."""
PRESSED = ("servers/serve/try?tool=tool0", "servers/s0/edit", "servers/s0/delete", "new", "approvals", "plan", "")
FORMS = "form[method=post]:not([action$='/leave'])"
PROGRAMS = """() => ["href", "src", "action", "formaction", "style", "srcdoc"].flatMap((name) =>
  [...document.querySelectorAll(`[${name}]`)].map((each) => each.getAttribute(name)).filter((value) =>
    !/^(https?:|[a-z-]*[/?#]|vscode:|cursor:|$)/i.test(value)))"""
"""Addresses that are none, and attributes that the page has no use for."""
_TRAP = "window.pwned = () => console.error('a payload ran')"


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, Any]:
    """Servers that attack: with what their entries say, with what their commands are called, and at work."""
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(PAYLOADS), encoding="utf-8")
    said = ({"name": each, "description": each, "args": [each], "env": {"A": each}} for each in PAYLOADS)
    servers = {f"s{n}": {**entry, "command": entry["name"]} for n, entry in enumerate(said)}
    for n, each in enumerate(PAYLOADS[:20]):
        servers[f"r{n}"] = {
            "name": each,
            "url": f"http://127.0.0.1:9/?{each.replace(chr(32), '%20')}",
            "headers": {"X-A": each},
        }
    for mode in ("serve", "die", "refuse"):
        script = ["-E", "-S", "-u", str(RIG / "hostile.py"), str(texts), mode]
        servers[mode] = {"command": sys.executable, "args": script, "description": " ".join(PAYLOADS)}
    return servers


def trapped(browse: Browsing, engine: Engine) -> Seat:
    seat = browse.sit(engine)
    seat.context.add_init_script(_TRAP)
    return seat


def settled(engine: Engine) -> bool:
    """Whether every server came up or failed."""
    rows = engine.client.status()["servers"]
    return len(rows) > len(PAYLOADS) and all(row["status"] in ("connected", "error") for row in rows)


def looked_at(seat: Seat) -> set[str]:
    """The kinds of views that there are, each of which was looked at; nothing in them leads to a program."""
    kinds = set()
    for seen in walk(seat):
        assert seen.status in (200, 404), seen
        assert seat.page.evaluate(PROGRAMS) == [], seen
        kinds |= {seen.kind} if seen.status == 200 else set()
    return kinds


def press_each(seat: Seat, below: str) -> None:
    """Send each form of a view as it came, and look at what comes back."""
    page = seat.go(below)
    for number in range(min(page.locator(FORMS).count(), 2)):
        seat.go(below)
        form = page.locator(FORMS).nth(number)
        with page.expect_navigation() as shown:
            form.evaluate("(form) => { form.noValidate = true; delete form.dataset.live; form.requestSubmit(); }")
        assert shown.value.status < 500, (below, number)
        touch(page)


def test_the_payloads_run_where_nothing_keeps_them_from_it(browse: Browsing) -> None:
    context = browse.browser.new_context()
    ran: set[str] = set()
    page = context.new_page()
    now = ""
    page.expose_function("pwned", lambda *_: ran.add(now))
    for now in PAYLOADS:
        page.set_content(f"<!doctype html><p>{now}</p>", wait_until="domcontentloaded")
        touch(page)
    assert len(ran) >= SEEN_TO_RUN, sorted(set(PAYLOADS) - ran)
    context.close()


def test_no_text_is_more_than_text_on_any_view(browse: Browsing, hostile: dict[str, Any]) -> None:
    engine = browse.start(hostile, auto_approve=False)
    assert engine.client.status()["source"]["problems"] == []
    seat = trapped(browse, engine)
    kinds = looked_at(seat)
    engine.client.follow(on=True, auto_approve="all")
    assert becomes_true(lambda: settled(engine), 60)
    with calling(engine, "serve__tool0", {each: [each] for each in PAYLOADS}):
        kinds |= looked_at(seat)
    assert {"ui", "ui/approvals/*", "ui/servers/*", "ui/servers/serve/try?tool"} <= kinds
    for below in PRESSED:
        press_each(seat, below)
    engine.write({each: {"command": each, "group": each} for each in PAYLOADS}, **{each: each for each in PAYLOADS})
    seat.go().locator("#banner").get_by_text("has mistakes").wait_for()
    for seen in walk(seat, of_a_kind=1):
        assert seen.status != 200 or seat.page.locator("#banner li").count() >= len(PAYLOADS)
