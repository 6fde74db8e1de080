"""The tour of the Connections page, sentence by sentence: a browser, real engines, real servers."""

from __future__ import annotations

import json
import shlex
import socket
from typing import Any

from playwright.sync_api import Page, expect

from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.page import sentences as says
from tests.faces.page.browser import Browsing, Seat
from tests.faces.page.sentences import step
from tests.faces.page.touring import (
    HUES,
    LIVE,
    SAVE_BUTTON,
    STAYED,
    Run,
    add,
    entry,
    fill,
    health,
    hue,
    pictures,
    save,
    servers,
    sit,
    taken_up,
    written,
)
from tests.faces.page.walking import walk
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer
from tests.rig.sdk_http import serving
from tests.rig.tokens import House
from tests.sessions.sign_in.test_azure import places as entra
from tests.sessions.sign_in.test_machine_tokens import places

pytestmark = requirement("PAGE-1:tour")

HOST = socket.gethostname()


def command(name: str) -> str:
    """A command line, as somebody types it."""
    words = light(name)
    return shlex.join([words["command"], *words["args"]])


def shows_no(seat: Seat, *secrets: str) -> None:
    """No view has any of these, wherever one looks."""
    for seen in walk(seat, of_a_kind=1):
        found = [secret for secret in secrets if secret in seat.page.content()]
        assert found == [], seen


def test_a_connection_of_each_transport_is_created(run: Run[Any], browse: Browsing) -> None:
    heard: dict[str, list[dict[str, str]]] = {"sse": [], "http": []}
    urls = {kind: run(serving(kind, heard=heard[kind])) for kind in ("sse", "http")}
    engine = browse.start({})
    seat = sit(browse, engine)
    page = seat.page
    with step(says.HUB, says.TOOLBAR):
        expect(page.locator("h1")).to_have_text("Connections")
        expect(page.locator(".toolbar a")).to_have_text(["Import Connections", "Export Connections", "New Connection"])
        pictures(seat, "tour-empty")
    with step(says.NEW):
        new = page.get_by_role("link", name="New Connection")
        in_the_corner(page, new.bounding_box())
        new.click()
    with step(says.FORM, says.NAME, says.ENDPOINT, says.TRANSPORT):
        page.locator(SAVE_BUTTON).click()
        expect(page.locator("#f-name-error")).to_be_visible()
        fill(page, {"name": "Local sums"})
        page.locator(SAVE_BUTTON).click()
        expect(page.locator("#f-endpoint-error")).to_contain_text("a command is needed")
        options = page.locator("[name=transport] option")
        assert [each.get_attribute("value") for each in options.all()] == ["stdio", "sse", "http"]
        fill(page, {"endpoint": command("local")})
        pictures(seat, "tour-new")
    with step(says.SAVE):
        page.locator(SAVE_BUTTON).click()
        expect(page.locator("#panel button.primary")).to_have_text(f"Run this on {HOST}")
        expect(page.locator("#panel pre.command")).to_contain_text("light.py")
        pictures(seat, "tour-save")
        page.locator("#panel button.primary").click()
        expect(page.locator("#row-local-sums")).to_contain_text("Local sums")
        health(page, "local-sums", "connected")
    for kind in ("sse", "http"):
        with step(says.SUPPORTS, says.HEADERS, says.GROUP, says.DESCRIPTION):
            typed = {"name": f"Sums over {kind}", "transport": kind, "endpoint": urls[kind], "group": "afar"}
            secret = {"headers.0.name": "Authorization", "headers.0.value": f"Bearer {CANARY}-{kind}"}
            add(page, {**typed, "description": f"Adds up over {kind}.", **secret})
            row = page.locator(f"#row-sums-over-{kind}")
            expect(row.locator(".c-transport")).to_have_text(kind)
            health(page, f"sums-over-{kind}", "connected")
            assert {each.get("authorization") for each in heard[kind]} == {f"Bearer {CANARY}-{kind}"}
    with step(says.LISTED):
        for server in servers(engine):
            row = page.locator(f"#row-{server}")
            expect(row.locator(".health")).to_have_text("connected")
            expect(row.locator(".c-transport")).to_have_text(
                "stdio" if server == "local-sums" else server[-4:].strip("-r")
            )
            expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "true")
        pictures(seat, "tour-list")
    assert CANARY not in engine.file.read_text(encoding="utf-8")
    shows_no(seat, CANARY)


def in_the_corner(page: Page, box: Any) -> None:
    """Nothing of the view is further right or higher."""
    main = page.locator("main").bounding_box()
    others = [each.bounding_box() for each in page.locator("main :is(a, button, input):visible").all()]
    right = max(each["x"] + each["width"] for each in others if each)
    top = min(each["y"] for each in others if each)
    assert main is not None
    assert (box["x"] + box["width"], box["y"]) == (right, top)
    assert box["x"] > main["x"] + main["width"] / 2


def test_credentials_are_kept_and_used_and_never_shown(run: Run[Any], browse: Browsing) -> None:
    guarded, house = run(OAuthServer()), House()
    behind, microsoft = run(places(house)), House()
    azure, told = run(entra(microsoft))
    settings = told.transport.azure
    engine = browse.start({})
    seat = sit(browse, engine)
    page = seat.page
    with step(says.SUPPORTS):
        add(page, {"name": "Person", "transport": "http", "endpoint": guarded.url, "signin": "person"})
        health(page, "person", "sign-in needed")
        page.locator("#sign-in-person").click()
        with seat.context.expect_page() as opened:
            page.locator("#sign-in-page").click()
        opened.value.wait_for_load_state()
        expect(page.locator("#server-sign-in")).to_contain_text("Somebody signed in")
        pictures(seat, "tour-signed-in")
        opened.value.close()
        seat.go()
        health(page, "person", "connected")
    with step(says.SUPPORTS):
        oauth = {"clientId": "a client", "clientSecret": f"{CANARY}-oauth", "issuer": behind.issuer}
        typed = {"name": "Program", "transport": "http", "endpoint": behind.there.url, "signin": "program"}
        add(page, {**typed, **{f"oauth.{name}": text for name, text in oauth.items()}})
        health(page, "program", "connected")
    with step(says.SUPPORTS):
        typed = {"name": "Entra", "transport": "http", "endpoint": azure.url, "signin": "azure"}
        secret = {"azure.clientSecret": f"{CANARY}-azure"}
        add(page, {**typed, **{f"azure.{name}": text for name, text in settings.items()}, **secret})
        health(page, "entra", "connected")
    with step(says.SUPPORTS, says.EDIT):
        for server, part, texts in (("program", "oauth", oauth), ("entra", "azure", settings)):
            seat.go(f"servers/{server}/edit")
            for name, text in texts.items():
                field = page.locator(f"[name='{part}.{name}']")
                expect(field).to_have_value("" if name == "clientSecret" else text)
            expect(page.locator(f"[name='{part}.clientSecret']")).to_have_attribute(
                "placeholder", "set; type to replace it"
            )
            pictures(seat, f"tour-{part}")
            page.locator(SAVE_BUTTON).click()
            expect(page.locator("#said")).to_have_text("Nothing was changed.")
            assert CANARY not in json.dumps(entry(engine, server))
    assert [secret in house.asked[0].headers["authorization"] for secret in (CANARY,)] == [False]
    shows_no(seat, CANARY)


def test_a_toggle_connects_and_disconnects_live(browse: Browsing) -> None:
    engine = browse.start({"notes": light("notes"), "drafts": light("drafts")})
    seat, other = sit(browse, engine), sit(browse, engine)
    page, count = seat.page, seat.page.locator("#badge-connections")
    for each in (seat, other):
        each.page.evaluate(LIVE)
    with step(says.HUB, says.AT_ANY_TIME, says.TOGGLE, says.BADGE, says.HEALTH, says.CONNECTED, says.DISCONNECTED):
        expect(count).to_have_text("2 active")
        for word, active in (("disconnected", 1), ("connected", 2), ("disconnected", 1)):
            page.get_by_role("switch", name="notes").click()
            health(page, "notes", word)
            expect(count).to_have_text(f"{active} active")
            health(other.page, "notes", word)
            expect(other.page.locator("#badge-connections")).to_have_text(f"{active} active")
            assert entry(engine, "notes")["enabled"] is (word == "connected")
            assert [row["status"] for row in engine.client.status()["servers"]].count("connected") == active
        assert page.evaluate(STAYED)
        assert other.page.evaluate(STAYED)
        pictures(seat, "tour-toggled")


MINE = """\
# The servers of the team.
version: 1
project: page
mcpServers:
  notes:  # ours
    command: /nothing/here
    enabled: false
"""


def test_every_field_is_edited_in_the_file(run: Run[Any], browse: Browsing) -> None:
    heard: list[dict[str, str]] = []
    url = run(serving("http", heard=heard))
    engine = browse.start({})
    seat = sit(browse, engine)
    page = seat.page
    written(engine, MINE)
    with step(says.EDIT, says.ASSIGN):
        expect(page.locator("#row-notes")).to_be_visible()
        taken_up(engine, "notes")
        changes: list[tuple[dict[str, str], dict[str, Any]]] = [
            ({"name": "Notes"}, {"name": "Notes"}),
            ({"endpoint": f"{command('notes')} --mark 'a b'"}, {**light("notes", "--mark", "a b")}),
            ({"cwd": "."}, {"cwd": "."}),
            ({"env.0.name": "LANG", "env.0.value": "${LANG}"}, {"env": {"LANG": "${LANG}"}}),
            ({"group": "writing"}, {"group": "writing"}),
            ({"description": "What we\nwrote down."}, {"description": "What we\nwrote down."}),
            ({"approval": "writes"}, {"requireApproval": "writes"}),
            ({"transport": "http", "endpoint": url}, {"url": url}),
            ({"headers.0.name": "X-Team", "headers.0.value": "${env:HOME}"}, {"headers": {"X-Team": "${env:HOME}"}}),
        ]
        for typed, wanted in changes:
            page.locator("#edit-notes").click()
            fill(page, typed)
            save(page)
            now = entry(engine, "notes")
            assert {name: now.get(name) for name in wanted} == wanted
        page.locator("#edit-notes").click()
        pictures(seat, "tour-edit")
        page.locator("[name=enabled]").check()
        save(page)
        health(page, "notes", "connected")
        assert any(each.get("x-team") for each in heard)
    assert entry(engine, "notes").keys() == {
        "name",
        "url",
        "group",
        "description",
        "requireApproval",
        "headers",
        "enabled",
    }
    assert engine.file.read_text(encoding="utf-8").startswith("# The servers of the team.\n")


def test_a_connection_is_deleted_after_a_dialog(browse: Browsing) -> None:
    engine = browse.start({"notes": light("notes", name="Notes"), "drafts": light("drafts")})
    seat = sit(browse, engine)
    page, dialog = seat.page, seat.page.get_by_role("dialog")
    before = engine.file.read_text(encoding="utf-8")
    with step(says.DELETE):
        page.locator("#delete-notes").click()
        expect(dialog.get_by_role("heading")).to_have_text("Delete Notes?")
        pictures(seat, "tour-delete")
        dialog.get_by_role("link", name="Cancel").click()
        expect(dialog).to_be_hidden()
        expect(page.locator("#row-notes")).to_be_visible()
        assert engine.file.read_text(encoding="utf-8") == before
        page.locator("#delete-notes").click()
        dialog.get_by_role("button", name="Delete Notes").click()
        expect(page.locator("#row-notes")).to_have_count(0)
        assert servers(engine).keys() == {"drafts"}
        pictures(seat, "tour-deleted")
        page.locator("#undo").click()
        health(page, "notes", "connected")
        assert engine.file.read_text(encoding="utf-8") == before
    with step(says.PERMANENT):
        page.locator("#delete-notes").click()
        dialog.get_by_role("button", name="Delete Notes").click()
        expect(page.locator("#row-notes")).to_have_count(0)
        seat.go()
        expect(page.locator("#row-drafts")).to_be_visible()
        expect(page.locator("#row-notes, #undo")).to_have_count(0)
        assert servers(engine).keys() == {"drafts"}
        assert [row["id"] for row in engine.client.status()["servers"]] == ["drafts"]


def test_groups_are_sections_that_stay_as_somebody_left_them(browse: Browsing) -> None:
    before = {"notes": light("notes"), "drafts": light("drafts"), "sums": light("sums", group="other-project")}
    engine = browse.start(before)
    seat = sit(browse, engine)
    page = seat.page
    with step(says.AT_ANY_TIME, says.ASSIGN, says.GROUP):
        for server in ("notes", "drafts"):
            page.locator(f"#edit-{server}").click()
            fill(page, {"group": "writing"})
            save(page)
            assert entry(engine, server)["group"] == "writing"
            health(page, server, "connected")
    with step(says.SECTIONS, says.PROJECTS):
        expect(page.locator(".group h2")).to_have_text(["other-project", "writing"])
        section = page.locator("#group-writing")
        expect(section.locator("tbody tr")).to_have_count(2)
        page.locator("#head-writing").click()
        expect(page.locator("#row-notes")).to_be_hidden()
        expect(page.locator("#row-sums")).to_be_visible()
        pictures(seat, "tour-groups")
        page.evaluate(LIVE)
        engine.write({**servers(engine), "letters": light("letters", group="writing")})
        expect(section.locator("tbody tr")).to_have_count(3)
        expect(page.locator("#head-writing .connected")).to_contain_text("3")
        expect(page.locator("#row-letters")).to_be_hidden()
        assert page.evaluate(STAYED)
        page.locator("#head-writing").click()
        health(page, "letters", "connected")


def test_health_is_told_by_colour_word_and_message(browse: Browsing) -> None:
    seat = browse({"up": light("up"), "off": light("off", enabled=False), "gone": {"command": "/nothing/here"}})
    page = seat.page
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if theme == "light" else "dark")
        with step(says.HEALTH, says.CONNECTED, says.DISCONNECTED, says.ERROR):
            for server, word in (("up", "connected"), ("off", "disconnected"), ("gone", "error")):
                assert hue(health(page, server, word)) in HUES[word], word
            tip = page.locator("#tip-gone")
            expect(tip).to_be_hidden()
            page.locator("#why-gone").hover()
            expect(tip).to_be_visible()
            expect(tip).to_contain_text("/nothing/here")
            seat.shoot(f"tour-error-{theme}")
            page.locator("h1").hover()
            expect(tip).to_be_hidden()
            page.locator("#why-gone").focus()
            expect(tip).to_be_visible()
            expect(page.locator("#why-gone")).to_have_accessible_description(tip.inner_text())
            page.locator("#why-gone").blur()
