"""Adding and editing servers on the page, with others who change the same file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.faces.cli.listening import Listening
from tests.canary import CANARY
from tests.engine.desk import LIGHT, light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

DOCS: dict[str, Any] = {
    "url": "https://docs.example/mcp",
    "enabled": False,
    "headers": {"X-Key": "${env:KEY}"},
    "metadata": {"team": ["a"]},
    "timeouts": {"call": "5s"},
}
EDIT = "/servers/docs/edit"


def file_of(engine: Hosted) -> Path:
    return engine.host.root.sources.main


def written(engine: Hosted) -> dict[str, Any]:
    """The servers of the file."""
    found: dict[str, Any] = yaml.safe_load(file_of(engine).read_text(encoding="utf-8"))["mcpServers"]
    return found


async def applied(engine: Hosted) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
    assert answer.status == 200, answer.body


async def patch(engine: Hosted, body: dict[str, Any]) -> None:
    """Somebody else changes the file."""
    answer = await engine.ask("PATCH", "/api/v1/config", "operator", {"mcpServers": body}, if_match="*")
    assert answer.status == 200, answer.body


async def yes(visitor: Visitor, page: Shown) -> Shown:
    """Say yes to what is shown."""
    assert page.path.startswith("/ui/changes/"), page.one("main").text
    done = await visitor.press(page, page.path)
    assert (done.status, done.path) == (200, "/ui/"), done.one("main").text
    return done


def asked(page: Shown) -> list[str]:
    """Theirs and ours of each field that both changed."""
    return [each.text for one in page.all("fieldset") for each in one.all("code")]


def wrong(page: Shown) -> dict[str, str]:
    """The marked inputs of a form by name, each with the texts that describe it."""
    assert page.status == 422
    assert page.one(id="problems").attributes.keys() >= {"autofocus", "tabindex"}
    found = {}
    for element in page.all(aria_invalid="true"):
        ids = element.attributes["aria-describedby"].split()
        found[element.attributes["name"]] = page.one(id=ids[0]).text
    return found


@requirement("PAGE-1:new")
async def test_a_command_is_added_and_runs(tmp_path: Path) -> None:
    line = f"{sys.executable} -E -S -u '{LIGHT}' --name 'with space'"
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("new")
        page = await visitor.press(page, "/new", name="Ünit Tests (CI)", endpoint=line, group="dev")
        assert "will be added and connected" in page.one(id="outcomes").text
        page = await yes(visitor, page)
        assert "Ünit Tests (CI)" in page.one(id="said").text
        assert written(engine)["unit-tests-ci"] == {
            "name": "Ünit Tests (CI)",
            **light("with space"),
            "group": "dev",
        }
        await engine.host.root.settled("unit-tests-ci")
        assert engine.host.root.serving("unit-tests-ci") is not None


@requirement("PAGE-1:new")
@pytest.mark.parametrize(
    ("typed", "id", "declared"),
    [
        ("dev", "dev", {}),
        ("development", "dev", {}),
        ("DEV", "dev", {}),
        ("used", "used", {}),
        ("other.one", "other.one", {}),
        ("Team Ä", "team-a", {"team-a": {"name": "Team Ä"}}),
    ],
)
async def test_a_group_is_meant_by_its_name_and_a_new_one_is_declared(
    tmp_path: Path, typed: str, id: str, declared: dict[str, Any]
) -> None:
    groups = {"dev": {"name": "Development"}}
    docs = {"docs": {**DOCS, "group": "used"}}
    document = {"version": 1, "project": "desk", "groups": groups, "mcpServers": docs}
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        file_of(engine).write_text(json.dumps(document), encoding="utf-8")
        page = await visitor.page("new")
        page = await visitor.press(page, "/new", name="N", transport="http", endpoint="https://x.example/", group=typed)
        await yes(visitor, page)
        assert written(engine)["n"]["group"] == id
        assert (await engine.host.root.read()).reading.written == {
            **document,
            "groups": {**groups, **declared},
            "mcpServers": {**docs, "n": written(engine)["n"]},
        }


@requirement("PAGE-1:new")
async def test_mistakes_stand_beside_their_fields_and_nothing_typed_is_lost(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        text = file_of(engine).read_text(encoding="utf-8")
        page = await visitor.press(await visitor.page("new"), "/new", endpoint="x")
        assert wrong(page) == {"name": "a name is needed: what people call it"}
        typed = {
            "name": "N",
            "id": "a b",
            "transport": "http",
            "endpoint": "ftp://x",
            "group": "b\u202ec",
            "approval": "never",
        }
        header = {"headers.0.name": "Bad Name", "headers.0.value": "v\tw"}
        page = await visitor.press(page, "/new", **typed, **header)
        assert wrong(page).keys() == {"id", "endpoint", "group", "headers.0.name"}
        assert "U+0020" in wrong(page)["id"]
        fields = dict(page.form("/new").fields)
        assert {name: fields[name] for name in typed} == typed
        assert fields["headers.0.name"] == "Bad Name"
        assert file_of(engine).read_text(encoding="utf-8") == text
        page = await visitor.press(
            page, "/new", id="docs", endpoint="https://x.example/", group="dev", **{"headers.0.name": "X-A"}
        )
        assert wrong(page) == {"id": 'there is a server "docs" already'}
        page = await visitor.press(page, "/new", id="docs-2", enabled=[])
        await yes(visitor, page)
        expected = {"name": "N", "url": "https://x.example/", "headers": {"X-A": "${secret:docs-2.headers.X-A}"}}
        assert written(engine)["docs-2"] == {**expected, "group": "dev", "requireApproval": False, "enabled": False}
        assert engine.host.root.vault.get("docs-2.headers.X-A") == "v\tw"


@requirement("PAGE-1:new")
async def test_an_id_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        page = await visitor.press(
            await visitor.page("new"), "/new", name="Docs", transport="http", endpoint="https://x.example/", enabled=[]
        )
        assert page.one("h1").text == 'Add "Docs" as docs-v2?'
        await yes(visitor, page)
        assert set(written(engine)) == {"docs", "docs-v2"}


@requirement("PAGE-1:new")
async def test_what_was_shown_can_be_changed_before_the_yes(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        typed = {"name": "N", "transport": "http", "endpoint": "https://x.example/", "headers.0.name": "X-A"}
        page = await visitor.press(await visitor.page("new"), "/new", **typed, **{"headers.0.value": CANARY})
        change = next(link for link in page.all("a") if link.text == "Change it")
        page = await visitor.page(change.attributes["href"])
        assert CANARY not in page.html
        page = await visitor.press(page, "/new", group="dev", enabled=[])
        await yes(visitor, page)
        assert written(engine)["n"]["group"] == "dev"
        assert engine.host.root.vault.get("n.headers.X-A") == CANARY


@requirement("PAGE-1:edit")
async def test_one_field_is_changed_and_the_rest_stays_to_the_letter(tmp_path: Path) -> None:
    text = """\
version: 1
project: desk
mcpServers:
  docs:  # ours
    url: https://docs.example/mcp
    enabled: false   # for now
    headers: {X-Key: '${env:KEY}'}
    metadata: {team: [a]}
"""
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        file_of(engine).write_text(text, encoding="utf-8")
        await applied(engine)
        page = await visitor.press(await visitor.page(EDIT), EDIT, name="Docs", description="two\nlines")
        assert "goes on as it is" in page.one(id="outcomes").text
        await yes(visitor, page)
        now = file_of(engine).read_text(encoding="utf-8")
        assert now.startswith(text)
        assert written(engine)["docs"]["description"] == "two\nlines"
        page = await visitor.press(await visitor.page(EDIT), EDIT)
        assert page.one(id="said").text == "Nothing was changed."
        assert file_of(engine).read_text(encoding="utf-8") == now


@requirement("PAGE-1:edit")
async def test_what_others_changed_meanwhile_stays(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = await visitor.page(EDIT)
        await patch(
            engine, {"docs": {"group": "theirs", "headers": {"X-More": "${env:MORE}"}, "timeouts": {"call": "9s"}}}
        )
        page = await visitor.press(
            form, EDIT, description="mine", **{"headers.1.name": "X-Mine", "headers.1.value": "m"}
        )
        await yes(visitor, page)
        headers = {"X-Key": "${env:KEY}", "X-More": "${env:MORE}", "X-Mine": "${secret:docs.headers.X-Mine}"}
        expected = {**DOCS, "group": "theirs", "headers": headers, "timeouts": {"call": "9s"}, "description": "mine"}
        assert written(engine)["docs"] == expected


@requirement("PAGE-1:edit")
@pytest.mark.parametrize(
    ("choice", "name", "key"), [("theirs", "Theirs", "${env:NEW}"), ("mine", "Mine", "${secret:docs.headers.X-Key}")]
)
async def test_where_both_changed_the_same_one_chooses(tmp_path: Path, choice: str, name: str, key: str) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = await visitor.page(EDIT)
        await patch(engine, {"docs": {"name": "Theirs", "headers": {"X-Key": "${env:NEW}"}}})
        page = await visitor.press(form, EDIT, name="Mine", group="dev", **{"headers.0.value": CANARY})
        assert "/merge/" in page.path
        assert CANARY not in page.html
        assert [each.text for each in page.all("legend")] == ["name", "headers.X-Key"]
        assert asked(page) == ["Theirs", "Mine", "${env:NEW}", "***"]
        page = await visitor.press(page, page.path, **{"keep.name": choice, "keep.headers.X-Key": choice})
        await yes(visitor, page)
        assert written(engine)["docs"] == {**DOCS, "name": name, "group": "dev", "headers": {"X-Key": key}}
        assert engine.host.root.vault.get("docs.headers.X-Key") == (CANARY if choice == "mine" else None)


@requirement("PAGE-1:edit")
async def test_a_file_that_changes_while_one_chooses_is_asked_about_again(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = await visitor.page(EDIT)
        await patch(engine, {"docs": {"name": "Theirs"}})
        page = await visitor.press(form, EDIT, name="Mine", group="dev")
        await patch(engine, {"docs": {"name": "Later"}})
        page = await visitor.press(page, page.path, **{"keep.name": "mine"})
        assert asked(page) == ["Later", "Mine"]
        page = await visitor.press(page, page.path, **{"keep.name": "mine"})
        await yes(visitor, page)
        assert (written(engine)["docs"]["name"], written(engine)["docs"]["group"]) == ("Mine", "dev")


@requirement("PAGE-1:edit")
async def test_a_server_that_is_gone_takes_nothing_typed_along(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        form = await visitor.page(EDIT)
        await patch(engine, {"docs": None})
        page = await visitor.press(form, EDIT, description="long and dear")
        assert page.status == 422
        assert 'there is no server "docs"' in page.one(id="problems").text
        assert dict(page.form(EDIT).fields)["description"] == "long and dear"
        assert (await visitor.page(EDIT)).status == 404


@requirement("PAGE-1:edit")
async def test_a_command_becomes_a_url(tmp_path: Path) -> None:
    command = {"command": "x", "args": ["y"], "cwd": "d", "env": {"A": "${env:A}"}, "enabled": False, "type": "stdio"}
    async with hosted(tmp_path, {"docs": command}) as engine, visiting(engine.host) as visitor:
        page = await visitor.page(EDIT)
        changes = {"transport": "sse", "endpoint": "https://docs.example/sse", "signin": "person"}
        await yes(visitor, await visitor.press(page, EDIT, **changes))
        expected = {"type": "sse", "url": "https://docs.example/sse", "oauth": True, "enabled": False}
        assert written(engine)["docs"] == expected


@requirement("PAGE-1:edit")
async def test_a_broken_file_is_not_written_and_the_form_stays(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = await visitor.page(EDIT)
        file_of(engine).write_text("mcpServers: [", encoding="utf-8")
        page = await visitor.press(form, EDIT, description="dear")
        assert "mend it first" in page.one(id="problems").text
        assert dict(page.form(EDIT).fields)["description"] == "dear"


@requirement("PAGE-1:edit")
async def test_an_engine_that_only_reads_says_what_to_commit(tmp_path: Path) -> None:
    only = Listening("127.0.0.1:0", read_only=True)
    async with hosted(tmp_path, {"docs": DOCS}, listening=only) as engine, visiting(engine.host) as visitor:
        page = await visitor.press(await visitor.page(EDIT), EDIT, description="dear")
        page = await visitor.press(page, page.path)
        assert "--read-only" in page.one(id="said").text
        assert dict(page.form(EDIT).fields)["description"] == "dear"


@requirement("PAGE-1:write-only")
async def test_secrets_are_never_in_a_page_and_never_lost(tmp_path: Path) -> None:
    docs = {**DOCS, "headers": {"X-Key": CANARY}, "oauth": {"clientId": "c", "clientSecret": CANARY}}
    async with hosted(tmp_path, {"docs": docs}) as engine, visiting(engine.host) as visitor:
        form = await visitor.page(EDIT)
        assert CANARY not in form.html
        new = {"headers.0.value": CANARY + "1", "oauth.clientSecret": CANARY + "2"}
        page = await visitor.press(form, EDIT, group="b\u202ec", **new)
        assert wrong(page).keys() == {"group"}
        assert CANARY not in page.html
        assert page.html.count("typed, not saved yet") == 2
        page = await visitor.press(page, EDIT, ("more", "rows"))
        assert sum(each.attributes.get("name", "").startswith("headers.") for each in page.all("input")) > 10
        page = await visitor.press(page, EDIT, group="dev")
        assert CANARY not in page.html
        await yes(visitor, page)
        vault = engine.host.root.vault
        assert vault.get("docs.headers.X-Key") == CANARY + "1"
        assert vault.get("docs.oauth.clientSecret") == CANARY + "2"
        page = await visitor.press(await visitor.page(EDIT), EDIT, **{"headers.0.off": "on"})
        await yes(visitor, page)
        assert "headers" not in written(engine)["docs"]


@requirement("PAGE-1:new")
async def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>\u202e'
    docs = {**DOCS, "description": hostile, "group": "dev", "headers": {"X": hostile}}
    async with hosted(tmp_path, {"docs": docs}) as engine, visiting(engine.host) as visitor:
        page = await visitor.page(EDIT)
        assert not any("alert" in each.text for each in page.all("script"))
        assert dict(page.form(EDIT).fields)["description"] == hostile
        page = await visitor.press(await visitor.page("new"), "/new", name=hostile, endpoint=hostile + " '", id=hostile)
        assert page.status == 422
        assert not any("alert" in each.text for each in page.all("script"))
        assert dict(page.form("/new").fields)["name"] == hostile


@requirement("PAGE-1:edit")
async def test_of_two_projects_each_is_edited_by_itself(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"docs": DOCS}, "other") as engine:
        async with visiting(engine.host, project="other") as visitor:
            typed = {"name": "docs", "transport": "http", "endpoint": "https://o.example/", "enabled": []}
            page = await visitor.press(await visitor.page("new"), "/p/other/ui/new", **typed)
            done = await visitor.press(page, page.path)
            assert (done.status, done.path) == (200, "/p/other/ui/")
        assert written(engine) == {"docs": DOCS}
        assert "docs" in engine.host.projects["other"].ledger.document.servers
