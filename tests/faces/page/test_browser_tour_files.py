"""The tour of the page, where files come and go: export, import, and an editor that saves the same file."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from playwright.sync_api import expect

from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.page import sentences as says
from tests.faces.page.browser import Browsing, Engine
from tests.faces.page.sentences import step
from tests.faces.page.touring import (
    LIVE,
    PASSPHRASE,
    SAVE_BUTTON,
    STAYED,
    entry,
    export,
    fill,
    health,
    open_file,
    pictures,
    servers,
    sit,
    taken_up,
    written,
)
from tests.requirements import requirement

pytestmark = requirement("PAGE-1:tour", "PAGE-2:page")

HOST = socket.gethostname()


def engines(browse: Browsing) -> tuple[Engine, Engine]:
    """One with connections, and another with one that has the same id and says something else."""
    far = {"url": "http://127.0.0.1:9/mcp", "headers": {"Authorization": f"Bearer {CANARY}"}, "enabled": False}
    wants = {"url": "http://127.0.0.1:9/mcp", "oauth": True, "enabled": False}
    here = {"notes": light("notes", name="Notes", group="writing"), "sums": light("sums", name="Sums")}
    there = {"notes": light("mine", name="Notes"), "mine": light("mine", name="Mine")}
    return browse.start({**here, "far": {**far, "name": "Far"}, "wants": {**wants, "name": "Wants"}}), browse.start(
        there
    )


def test_connections_are_exported_and_merged_on_another_machine(browse: Browsing, tmp_path: Path) -> None:
    here, there = engines(browse)
    seat, other = sit(browse, here), sit(browse, there)
    page = other.page
    health(seat.page, "notes", "connected")
    with step(says.EXPORT, says.SHARE):
        seat.page.get_by_role("link", name="Export Connections").click()
        fill(seat.page, {"passphrase": PASSPHRASE, "again": PASSPHRASE[:-1]})
        seat.page.get_by_role("button", name="Export", exact=True).click()
        expect(seat.page.locator("#f-again-error")).to_have_text("the two passphrases are not the same")
        pictures(seat, "tour-export-refused")
        seat.go()
        file = export(seat, tmp_path / "downloads")
        pictures(seat, "tour-exported")
        assert file.suffix == ".json"
    with step(says.ENCRYPTED):
        sealed = json.loads(file.read_text(encoding="utf-8"))
        assert "aes-256" in json.dumps(sealed).lower()
        assert not [
            word for word in (CANARY, "127.0.0.1", "Bearer", "Sums") if word in file.read_text(encoding="utf-8")
        ]
    with step(says.IMPORT, says.UNREADABLE):
        page.get_by_role("link", name="Import Connections").click()
        open_file(other, file, "another passphrase")
        expect(page.locator("#f-passphrase-error")).to_contain_text("passphrase")
        pictures(other, "tour-import-refused")
    with step(says.IMPORT, says.SHARE):
        open_file(other, file)
        for title, rows in {"ready": ["far"], "needs-you": ["wants"], "commands": ["notes-v2", "sums"]}.items():
            section = page.locator(f"section[aria-labelledby={title}] article")
            assert [each.get_attribute("id") for each in section.all()] == [f"row-{row}" for row in rows]
        expect(page.locator("#row-notes-v2")).to_contain_text("Notes (v2)")
        expect(page.locator("#press-sums")).to_contain_text(f"Run this on {HOST}")
        pictures(other, "tour-preview")
        assert CANARY not in page.content()
        page.locator("#press-sums").click()
        expect(page.locator("#press-sums")).to_contain_text("Leave it off")
        pictures(other, "tour-preview-run")
        assert servers(there).keys() == {"notes", "mine"}
        page.locator("#take").click()
        health(page, "sums", "connected")
        for id, word in {"notes": "connected", "mine": "connected", "notes-v2": "disconnected"}.items():
            health(page, id, word)
        expect(page.locator("#name-notes-v2")).to_have_text("Notes (v2)")
        expect(page.locator("#group-writing #row-notes-v2")).to_be_visible()
        assert servers(there).keys() == {"notes", "mine", "notes-v2", "sums", "far", "wants"}
        pictures(other, "tour-imported")
    for below in ("", "servers/far", "servers/far/edit", "plan", "events"):
        assert CANARY not in other.go(below).content()


def test_what_an_editor_saves_is_shown_and_nothing_is_lost(browse: Browsing) -> None:
    engine = browse.start({"notes": light("notes", description="first")})
    seat = sit(browse, engine)
    page, banner = seat.page, seat.page.locator("#banner")
    page.evaluate(LIVE)
    with step(says.HUB, says.LISTED):
        engine.write({"notes": light("notes", description="second"), "more": light("more")})
        expect(page.locator("#row-notes")).to_contain_text("second")
        health(page, "more", "connected")
    with step(says.HEALTH):
        good = engine.file.read_text(encoding="utf-8")
        written(engine, good.replace('"description"', '"descripton"'))
        expect(banner).to_contain_text("reconciler.yaml has mistakes")
        expect(banner.locator("code")).to_have_text(f"reconciler.yaml:{place(engine, 'descripton')}")
        pictures(seat, "tour-banner")
        health(page, "notes", "connected")
        written(engine, good)
        expect(banner).to_be_empty()
        assert page.evaluate(STAYED)
    with step(says.EDIT):
        page.locator("#edit-notes").click()
        fill(page, {"name": "Our notes", "description": "mine"})
        engine.write({"notes": light("notes", description="theirs", group="writing")})
        taken_up(engine, "notes", "writing")
        page.locator(SAVE_BUTTON).click()
        choice = page.get_by_role("group", name="description")
        expect(choice).to_contain_text("theirs")
        expect(choice).to_contain_text("mine")
        pictures(seat, "tour-clash")
        choice.get_by_role("radio", name="mine").check()
        page.get_by_role("button", name="Go on").click()
        page.locator("#panel button.primary").click()
        expect(page.locator("#row-notes")).to_contain_text("Our notes")
        expected = light("notes", description="mine", group="writing", name="Our notes")
        assert entry(engine, "notes") == expected


def place(engine: Engine, word: str) -> str:
    """Line and column of a word in the file."""
    lines = engine.file.read_text(encoding="utf-8").splitlines()
    [(line, text)] = [(number, text) for number, text in enumerate(lines, 1) if f'"{word}"' in text]
    return f"{line}:{text.index(word)}"
