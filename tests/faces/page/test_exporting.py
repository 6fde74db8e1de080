"""Exporting and importing on the page: a file goes out of one engine and into another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from reconciler.store.portable import FILE_NAME, open_servers
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import ANY_PORT, Hosted, hosted
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-2:page")]

PASSPHRASE = "tall ships in a bottle"


def servers() -> dict[str, Any]:
    return {
        "one": light("one", name="One <b>", env={"TOKEN": "${secret:shared}"}),
        "far": {"url": "http://127.0.0.1:9/mcp", "enabled": False},
        "wants": {"url": "http://127.0.0.1:9/mcp", "oauth": True, "enabled": False},
    }


def store(engine: Hosted, **secrets: str) -> None:
    for name, value in secrets.items():
        engine.host.root.vault.put(name, value)


async def exported(visitor: Visitor, **typed: Any) -> Shown:
    page = await visitor.page("export")
    return await visitor.press(page, "/export", passphrase=PASSPHRASE, again=PASSPHRASE, **typed)


async def file_in(visitor: Visitor, ready: Shown) -> bytes:
    """What a click on the link downloads."""
    link = ready.one("a", id="download")
    answer = await visitor.client.get(link.attributes["href"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="{FILE_NAME}"'
    assert answer.headers["cache-control"] == "no-store"
    return answer.content


def fresh(folder: Path) -> Path:
    """A folder of its own for an engine."""
    folder.mkdir()
    return folder


async def opened(visitor: Visitor, data: bytes, passphrase: str = PASSPHRASE) -> Shown:
    return await visitor.upload("import", FILE_NAME, data, passphrase=passphrase)


@pytest.fixture
async def sealed(tmp_path: Path) -> bytes:
    """What another engine exported."""
    async with hosted(fresh(tmp_path / "there"), servers()) as engine, visiting(engine.host) as visitor:
        store(engine, shared=CANARY)
        return await file_in(visitor, await exported(visitor))


async def test_all_servers_go_into_a_file_with_their_secrets(tmp_path: Path) -> None:
    async with hosted(tmp_path, servers()) as engine, visiting(engine.host) as visitor:
        store(engine, shared=CANARY)
        ready = await exported(visitor)
        assert (ready.status, ready.one("h1").text) == (200, f"{FILE_NAME} is ready")
        data = await file_in(visitor, ready)
        assert not ready.has(id="missing")
    assert CANARY.encode() not in data
    assert PASSPHRASE not in ready.html
    payload = open_servers(data, PASSPHRASE).payload
    assert (payload["servers"], payload["secrets"]) == (servers(), {"shared": CANARY})


async def test_some_servers_go_and_what_is_missing_is_said(tmp_path: Path) -> None:
    async with hosted(tmp_path, servers()) as engine, visiting(engine.host) as visitor:
        ready = await exported(visitor, which="some", server=["one"])
        assert [each.text for each in ready.one(id="missing").all("code")] == ["shared"]
        assert open_servers(await file_in(visitor, ready), PASSPHRASE).payload["servers"].keys() == {"one"}


async def test_the_other_format_says_what_it_has_no_place_for(tmp_path: Path) -> None:
    sent = {"kept": {"url": "http://127.0.0.1:9/mcp", "enabled": False}, "mock": {"enabled": False, "mock": {}}}
    async with hosted(tmp_path, sent) as engine, visiting(engine.host) as visitor:
        ready = await exported(visitor, format="mcp-explorer")
        assert "mock" in ready.one(id="left-out").text
        found = open_servers(await file_in(visitor, ready), PASSPHRASE)
        assert found.payload["servers"].keys() == {"kept"}


@pytest.mark.parametrize(
    ("typed", "beside"),
    [
        ({"again": "tall ships in a battle"}, "f-again-error"),
        ({"passphrase": "123456789012", "again": "123456789012"}, "f-passphrase-error"),
        ({"which": "some"}, None),
        ({"which": "some", "server": ["nobody"]}, None),
    ],
)
async def test_what_cannot_be_exported_is_said_in_the_form(
    tmp_path: Path, typed: dict[str, Any], beside: str | None
) -> None:
    async with hosted(tmp_path, servers()) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("export")
        words = {"passphrase": PASSPHRASE, "again": PASSPHRASE, **typed}
        answer = await visitor.press(page, "/export", **words)
        assert answer.status == 422
        assert answer.has(id="problems")
        assert beside is None or answer.has(id=beside)
        assert words["passphrase"] not in answer.html
        kept = dict(answer.form("/export").fields)
        assert kept["which"] == typed.get("which", "all")


async def test_what_would_come_is_shown_in_three_lists_and_nothing_changes(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        file = engine.host.root.sources.main
        before = file.read_bytes()
        page = await opened(visitor, sealed)
        assert page.one("h1").text == f"Import {FILE_NAME}?"
        lists = {"ready": ["row-far"], "needs-you": ["row-wants"], "commands": ["row-one"]}
        for id, rows in lists.items():
            section = page.one("section", aria_labelledby=id)
            assert [each.attributes["id"] for each in section.all("article")] == rows
        assert "sign in to it" in page.one(id="row-wants").text
        assert "One <b>" in page.one(id="row-one").text
        assert page.one("button", id="take").text == "Import 3 connections"
        assert CANARY not in page.html
        assert (file.read_bytes(), engine.host.root.vault.list()) == (before, ())


async def test_commands_come_switched_off_until_somebody_wants_them_on(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        done = await visitor.press(page, page.path, ("import", "yes"))
        assert (done.path, done.one(id="said").text) == (
            "/ui/",
            "3 connections came. 1 stays off until you switch it on.",
        )
        document = engine.host.root.ledger.document
        assert {id: document.facts(id)["enabled"] for id in document.servers} == dict.fromkeys(servers(), False)
        assert engine.host.root.vault.get("shared") == CANARY
        gone = await visitor.page(page.path)
        assert gone.status == 409


async def test_what_is_switched_on_runs_with_the_import(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        button = page.one("button", id="press-one")
        assert button.text.startswith("Run this on ")
        wanted = await visitor.press(page, page.path, ("run", "one"))
        assert "Leave it off" in wanted.one("button", id="press-one").text
        off_again = await visitor.press(wanted, page.path, ("off", "one"))
        assert off_again.one("button", id="press-one").text == button.text
        wanted = await visitor.press(off_again, page.path, ("run", "one"))
        done = await visitor.press(wanted, page.path, ("import", "yes"))
        assert done.one(id="said").text == "3 connections came."
        project = engine.host.root
        with anyio.fail_after(20):
            while project.serving("one") is None:
                await project.news.after(project.news.number)


async def test_a_clash_comes_beside_what_is_here(tmp_path: Path, sealed: bytes) -> None:
    here = {"one": light("other", name="Mine", enabled=False)}
    async with hosted(fresh(tmp_path / "here"), here) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        assert "One <b> (v2)" in page.one(id="row-one-v2").text
        await visitor.press(page, page.path, ("import", "yes"))
        written = (await engine.host.root.read()).reading.written
        assert written is not None
        names = {id: each.get("name") for id, each in written["mcpServers"].items()}
        assert (names["one"], names["one-v2"]) == ("Mine", "One <b> (v2)")


async def test_what_was_shown_is_what_is_done(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        file = engine.host.root.sources.main
        file.write_text("version: 1\nmcpServers:\n  one: {command: other, enabled: false}\n", encoding="utf-8")
        shown = await visitor.press(page, page.path, ("import", "yes"))
        assert "this is what would come now" in shown.one(id="said").text
        assert shown.has(id="row-one-v2")
        assert "far" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("button", [("import", "yes"), ("run", "far")])
async def test_what_was_wanted_on_and_comes_no_more_is_asked_for_anew(
    tmp_path: Path, sealed: bytes, button: tuple[str, str]
) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        wanted = await visitor.press(page, page.path, ("run", "one"))
        file = engine.host.root.sources.main
        file.write_text("version: 1\nmcpServers:\n  one: {command: other, enabled: false}\n", encoding="utf-8")
        shown = await visitor.press(wanted, page.path, button)
        assert (shown.status, shown.path) == (200, page.path)
        assert "this is what would come now" in shown.one(id="said").text
        assert shown.one("button", id="press-one-v2").attributes["name"] == "run", "nobody said that this may run"
        assert "far" not in file.read_text(encoding="utf-8")
        await visitor.press(shown, page.path, ("import", "yes"))
        assert yaml.safe_load(file.read_text(encoding="utf-8"))["mcpServers"]["one-v2"]["enabled"] is False


async def test_what_does_not_come_cannot_be_wanted_on(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        refused = await visitor.press(page, page.path, ("run", "none"))
        assert (refused.status, "there are: " in refused.one(id="problem").text) == (404, True)
        assert (await visitor.page(page.path)).has("button", id="press-one")


async def test_what_is_here_already_is_nothing_to_import(tmp_path: Path, sealed: bytes) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, sealed)
        await visitor.press(page, page.path, ("import", "yes"))
        store(engine)
        again = await opened(visitor, sealed)
        assert not again.has(id="take")
        assert "nothing to import" in again.one(id="preview").text


@pytest.mark.parametrize(
    ("change", "passphrase", "beside"),
    [
        (lambda data: data, "tall ships in a battle", "f-passphrase-error"),
        (lambda data: b'{"mcpServers": {}}', PASSPHRASE, "f-file-error"),
        (lambda data: data[:-40], PASSPHRASE, "f-file-error"),
        (lambda data: b"", PASSPHRASE, "f-file-error"),
    ],
)
async def test_a_file_that_cannot_be_opened_is_refused_in_the_form(
    tmp_path: Path, sealed: bytes, change: Any, passphrase: str, beside: str
) -> None:
    async with hosted(fresh(tmp_path / "here")) as engine, visiting(engine.host) as visitor:
        page = await opened(visitor, change(sealed), passphrase)
        assert (page.status, page.path) == (422, "/ui/import")
        assert page.one(id=beside).text
        assert passphrase not in page.html
        assert engine.host.root.vault.list() == ()


async def test_no_file_is_said_beside_the_file(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        answer = await visitor.send("import", passphrase=PASSPHRASE)
        assert (answer.status, answer.one(id="f-file-error").text) == (422, "choose the file")


async def test_a_read_only_engine_shows_what_would_come(tmp_path: Path, sealed: bytes) -> None:
    async with (
        hosted(fresh(tmp_path / "here"), listening=replace(ANY_PORT, read_only=True)) as engine,
        visiting(engine.host) as visitor,
    ):
        page = await opened(visitor, sealed)
        assert page.has(id="row-one")
        assert not page.has(id="take")
        assert "--read-only" in page.one(id="preview").text
