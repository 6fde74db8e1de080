"""Nothing that a file, a server or a caller says is more than text on the page: in a browser, on every view."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from reconciler.store import explorer_file, export_file
from tests.faces.page.behind import behind_forms
from tests.faces.page.browser import Browsing, Engine, Seat
from tests.faces.page.calling import calling
from tests.faces.page.payloads import PAYLOADS
from tests.faces.page.touring import PASSPHRASE, fill, title
from tests.faces.page.walking import touch, walk
from tests.requirements import requirement
from tests.waiting import becomes_true

pytestmark = requirement("PAGE-1:hostile")

RIG = Path(__file__).parents[2] / "rig"
SEEN_TO_RUN = 60
"""Payloads that must run where nothing keeps them from it; the others want a click, or another browser."""
PRESSED = ("servers/serve/try?tool=tool0", "servers/s0/edit", "servers/s0/delete", "new", "approvals", "plan", "")
FORMS = "form[method=post]:not([action$='/leave'])"
SEND = """([forms, number]) => {
  const form = document.querySelectorAll(forms)[number];
  form.noValidate = true;
  delete form.dataset.live;
  form.requestSubmit();
}"""
"""In one go: what changes while somebody looks is another form a moment later."""
PROGRAMS = """() => ["href", "src", "action", "formaction", "style", "srcdoc"].flatMap((name) =>
  [...document.querySelectorAll(`[${name}]`)].map((each) => each.getAttribute(name)).filter((value) =>
    !/^(https?:|[a-z-]*[/?#]|vscode:|cursor:|$)/i.test(value)))"""
"""Addresses that are none, and attributes that the page has no use for."""
_TRAP = "window.pwned = () => console.error('a payload ran')"


REFUSED_FILES = (
    {"servers": {each: {"command": each} for each in PAYLOADS}, "groups": {}, "secrets": {}},
    {"servers": {"s": {"command": "x", "group": PAYLOADS[0]}}, "groups": {}, "secrets": {}},
    {"servers": {"s": {"command": "x", PAYLOADS[0]: 1}}, "groups": {}, "secrets": {}},
    {"servers": {"s": {"command": "x"}}, "groups": {PAYLOADS[0]: {}}, "secrets": {}},
)
"""What no engine of ours would export, and none takes."""
LATER = {"servers": {"s": {"command": "x"}}, "groups": {}, "secrets": {}, **dict.fromkeys(PAYLOADS, 1)}
"""What a release after ours may export: what is not known is named, and left out."""


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
        with page.expect_navigation() as shown:
            page.evaluate(SEND, [FORMS, number])
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


@requirement("PAGE-2:page")
def test_no_text_of_a_file_that_is_imported_is_more_than_text(
    browse: Browsing, hostile: dict[str, Any], tmp_path: Path
) -> None:
    groups = {f"g{n}": {"name": each, "description": each} for n, each in enumerate(PAYLOADS)}
    servers = {id: {**entry, "group": f"g{n % len(groups)}"} for n, (id, entry) in enumerate(hostile.items())}
    here = trapped(browse, browse.start(servers, groups=groups, auto_approve=False))
    there = trapped(browse, browse.start({"s0": {"command": "x", "name": PAYLOADS[0]}}, auto_approve=False))
    for seat, name in behind_forms(here, there, tmp_path):
        harmless(seat, name)
    there.page.locator("#take").click()
    title(there.page, "Connections")
    expect(there.page.locator("tr[data-health]")).to_have_count(len(servers) + 1)
    harmless(there, "imported")


@requirement("PAGE-2:page")
def test_no_text_of_a_file_made_by_hand_is_more_than_text(browse: Browsing) -> None:
    seat = trapped(browse, browse.start({}))
    connections = [{"name": each, "endpoint": each, "note": each, "groupName": each, each: 1} for each in PAYLOADS]
    well = [{**each, "endpoint": f"http://127.0.0.1:9/?{n}"} for n, each in enumerate(connections)]
    files = [(422, export_file.seal(each, PASSPHRASE, created=PAYLOADS[0])) for each in REFUSED_FILES]
    files += [(200, export_file.seal(LATER, PASSPHRASE, created=PAYLOADS[0]))]
    files += [(200, explorer_file.seal(each, PASSPHRASE)) for each in (connections, well)]
    for (status, data), name in zip(files, PAYLOADS, strict=False):
        page = seat.go("import")
        page.locator("[name=file]").set_input_files({"name": name, "mimeType": "text/html", "buffer": data})
        fill(page, {"passphrase": PASSPHRASE})
        with page.expect_navigation() as shown:
            page.get_by_role("button", name="Open").click()
        assert shown.value.status == status
        harmless(seat, name)


def harmless(seat: Seat, name: str) -> None:
    """Nothing of what is shown leads to a program, wherever somebody touches it."""
    touch(seat.page)
    assert seat.page.evaluate(PROGRAMS) == [], name
