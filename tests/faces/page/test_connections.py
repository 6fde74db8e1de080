"""The list of servers as a browser without a window has it: groups, health, switches, the search, and what is live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.faces.page import connections
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Element, Shown, Visitor, visiting
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:list")]

SWITCH = "/switch"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)' autofocus x='",
    "</title></table></form><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;&#60;b&#62;",
    "javascript:alert(1)",
)


def mock(**fields: Any) -> dict[str, Any]:
    """A written server that is there at once."""
    tools = [{"name": "look", "inputSchema": {"type": "object"}}]
    return {"command": "nothing", "mock": {"tools": tools}, **fields}


@asynccontextmanager
async def at(folder: Path, servers: dict[str, Any], **settings: Any) -> AsyncIterator[tuple[Hosted, Visitor]]:
    """An engine to which all of this was applied, and somebody who came in to its page."""
    async with hosted(folder) as engine:
        save(folder, servers, **settings)
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
        async with visiting(engine.host) as visitor:
            yield engine, visitor


def save(folder: Path, servers: dict[str, Any], **settings: Any) -> None:
    """Save the file of the project."""
    document = {"version": 1, "project": "desk", **settings, "mcpServers": servers}
    (folder / "desk.reconciler.yaml").write_text(json.dumps(document), encoding="utf-8")


def written(folder: Path, name: str = "desk.reconciler.yaml") -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def row(shown: Element, server: str) -> Element:
    return shown.one("tr", id=f"row-{server}")


def switch_of(shown: Element, server: str) -> Element:
    return row(shown, server).one("button", role="switch")


def ids(shown: Element) -> list[str]:
    return [each.attributes["id"].removeprefix("row-") for each in shown.all("tr") if "id" in each.attributes]


async def test_servers_are_in_sections_by_group_with_their_count_and_health(tmp_path: Path) -> None:
    servers = {
        "loose": mock(),
        "good": mock(group="dev", name="Good", description="Does good"),
        "bad": {"command": "/nowhere/at/all", "group": "dev", "requireApproval": "writes"},
        "off": mock(group="ops", enabled=False, requireApproval=False),
    }
    async with at(tmp_path, servers, groups={"dev": {"name": "Development"}}) as (_, visitor):
        shown = await visitor.page("/")
        assert ids(shown) == ["bad", "good", "off", "loose"]
        heads = [" ".join(each.text.split()) for each in shown.all("summary")]
        assert heads == [
            "Development 2 servers 1 error 1 connected",
            "ops 1 server 1 disconnected",
            "No group 1 server 1 connected",
        ]
        assert all("open" in each.attributes for each in shown.all("details"))
        good = row(shown, "good")
        assert good.attributes["data-health"] == "connected"
        cells = [" ".join(cell.text.split()) for cell in good.inside if isinstance(cell, Element)]
        assert cells[:5] == ["connected", "Good goodDoes good", "mock", "1 tool", "ask first"]
        assert shown.one(id="badge-connections").text == "2 active"
        links = [each.attributes["href"] for each in good.all("a")]
        assert links == [f"/ui/servers/good{below}" for below in ("", "/whose", "/edit", "/delete")]
        assert "data-dialog" in good.one(id="delete-good").attributes
        assert "writes ask first" in row(shown, "bad").text and "ask nobody" in row(shown, "off").text


async def test_why_a_server_is_not_well_is_in_a_tooltip_of_its_health(tmp_path: Path) -> None:
    async with at(tmp_path, {"bad": {"command": "/nowhere/at/all"}}) as (_, visitor):
        bad = row(await visitor.page("/"), "bad")
        health = bad.one("button", class_="health error")
        tip = bad.one(role="tooltip")
        assert health.attributes["aria-describedby"] == tip.attributes["id"]
        assert "/nowhere/at/all" in tip.text
        assert health.one("use").attributes["href"] == "#icon-error"


async def test_a_server_that_somebody_signs_in_to_says_so_and_where(tmp_path: Path) -> None:
    async with OAuthServer() as server, at(tmp_path, {"there": {"url": server.url, "oauth": True}}) as (_, visitor):
        there = row(await visitor.page("/"), "there")
        assert there.attributes["data-health"] == "sign-in"
        assert there.one(id="sign-in-there").attributes["href"] == "/ui/servers/there"
        assert "sign-in needed" in there.text


async def test_toolbar_and_empty_list_lead_to_new_and_import(tmp_path: Path) -> None:
    async with at(tmp_path, {}) as (_, visitor):
        shown = await visitor.page("/")
        links = {each.text.strip(): each.attributes["href"] for each in shown.all("a")}
        assert links["New Connection"] == "/ui/new" and links["Import Connections"] == "/ui/import"
        assert links["Export Connections"] == "/ui/export"
        assert "No connections yet." in shown.one(id="list").text
        assert not shown.has(id="filter")


@requirement("PAGE-1:switches")
async def test_a_switch_writes_into_the_file_and_says_what_it_did(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": light("one", name="One"), "two": mock()}) as (engine, visitor):
        shown = await visitor.page("/")
        switch = switch_of(shown, "one")
        assert switch.attributes["aria-checked"] == "true"
        assert "desk.reconciler.yaml" in switch.attributes["title"] and "Ends its session" in switch.attributes["title"]
        shown = await visitor.press(shown, SWITCH, ("off", "one"))
        assert (shown.path, shown.one(id="said").text) == ("/ui/", "Switched off: One.")
        assert written(tmp_path)["mcpServers"]["one"]["enabled"] is False
        assert switch_of(shown, "one").attributes["aria-checked"] == "false"
        assert row(shown, "one").attributes["data-health"] == "disconnected"
        assert shown.one(id="badge-connections").text == "1 active"
        shown = await visitor.press(shown, SWITCH, ("on", "one"))
        assert shown.one(id="said").text == "Switched on: One."
        await engine.host.root.settled("one")
        assert row(await visitor.page("/"), "one").attributes["data-health"] == "connected"
        assert not (await visitor.page("/")).one(id="said").text, "it is said once"


@requirement("PAGE-1:switches")
async def test_what_never_ran_is_shown_before_a_switch_runs_it(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"new": light("new", enabled=False)}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": []})
        async with visiting(engine.host) as visitor:
            shown = await visitor.press(await visitor.page("/"), SWITCH, ("on", "new"))
            assert shown.path.startswith("/ui/changes/")
            assert shown.one("h1").text == "Switch on new?"
            assert written(tmp_path)["mcpServers"]["new"]["enabled"] is False
            shown = await visitor.press(shown, shown.path)
            assert (shown.path, shown.one(id="said").text) == ("/ui/", "Switched on: new.")
            await engine.host.root.settled("new")
            assert row(await visitor.page("/"), "new").attributes["data-health"] == "connected"


@requirement("PAGE-1:switches")
async def test_a_whole_group_goes_off_and_comes_back_as_it_was(tmp_path: Path) -> None:
    servers = {"a": mock(group="dev"), "b": mock(group="dev", enabled=False), "c": mock()}
    async with at(tmp_path, servers) as (engine, visitor):
        shown = await visitor.press(await visitor.page("/"), SWITCH, ("group-off", "dev"))
        assert shown.one(id="said").text == "Switched off: the group dev."
        assert written(tmp_path)["groups"] == {"dev": {"enabled": False}}
        assert shown.one(id="badge-connections").text == "1 active"
        assert "switched off" in shown.one(id="head-dev").text
        assert shown.one(id="whole-dev").attributes["aria-checked"] == "false"
        assert (
            "disabled" in switch_of(shown, "a").attributes and "group dev" in switch_of(shown, "a").attributes["title"]
        )
        refused = await visitor.send(SWITCH, {"on": "a"})
        assert refused.status == 409 and "the group dev is switched off" in refused.one(id="problem").text
        shown = await visitor.press(shown, SWITCH, ("group-on", "dev"))
        await engine.host.root.settled("a")
        shown = await visitor.page("/")
        assert [switch_of(shown, one).attributes["aria-checked"] for one in "abc"] == ["true", "false", "true"]
        assert not shown.has(id="whole-"), "those without a group are switched one by one"


@requirement("PAGE-1:switches")
@pytest.mark.parametrize(
    ("form", "status"),
    [({"on": "nobody"}, 404), ({"group-off": "nobody"}, 404), ({}, 400), ({"on": "one", "off": "one"}, 400)],
)
async def test_a_switch_of_nothing_changes_nothing(tmp_path: Path, form: dict[str, str], status: int) -> None:
    async with at(tmp_path, {"one": mock()}) as (_, visitor):
        before = written(tmp_path)
        assert (await visitor.send(SWITCH, form)).status == status
        assert written(tmp_path) == before


@requirement("PAGE-1:switches")
async def test_what_an_overlay_decides_is_switched_there_and_the_switch_says_so(tmp_path: Path) -> None:
    overlay = tmp_path / "desk.reconciler.local.yaml"
    overlay.write_text('{"mcpServers": {"one": {"enabled": true}}}', encoding="utf-8")
    async with at(tmp_path, {"one": mock(enabled=False), "two": mock()}) as (_, visitor):
        shown = await visitor.page("/")
        assert overlay.name in switch_of(shown, "one").attributes["title"]
        assert overlay.name not in switch_of(shown, "two").attributes["title"]
        await visitor.press(shown, SWITCH, ("off", "one"))
        assert written(tmp_path, overlay.name)["mcpServers"]["one"]["enabled"] is False


@requirement("PAGE-1:switches")
async def test_an_engine_that_changes_no_file_has_no_switches_to_press(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(group="dev")}) as (engine, visitor):
        engine.host.root.read_only = True
        shown = await visitor.page("/")
        for switch in shown.all("button", role="switch"):
            assert "disabled" in switch.attributes and switch.attributes["title"] == "This engine changes no file"
        refused = await visitor.send(SWITCH, {"off": "one"})
        assert refused.status == 409 and "--read-only" in refused.one(id="problem").text


async def test_what_waits_for_a_yes_is_a_row_and_other_settings_are_none(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock()}) as (engine, visitor):
        both = {"one": mock(), "two": light("two", name="Two")}
        save(tmp_path, both, defaults={"requireApproval": False})
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": []})
        assert "@project" in {pending.server for pending in engine.host.root.waiting.all}
        shown = await visitor.page("/")
        assert ids(shown) == ["one", "two"] and "@project" not in shown.html
        two = row(shown, "two")
        assert two.one(id="waits-two").attributes["href"] == "/ui/plan"
        assert "create waits for a yes" in two.text and "Two" in two.text
        assert row(shown, "one").attributes["data-health"] == "connected"


async def test_nothing_of_a_server_becomes_markup(tmp_path: Path) -> None:
    servers = {
        f"s{number}": mock(name=text, description=text, group=f"g{number % 3}") for number, text in enumerate(HOSTILE)
    }
    groups = {"g0": {"name": HOSTILE[0], "description": HOSTILE[1]}, "g1": {"color": "#ff0000"}}
    async with at(tmp_path, servers, groups=groups) as (_, visitor):
        shown = await visitor.page("/")
        for server, fields in servers.items():
            assert row(shown, server).one(id=f"name-{server}").text == fields["name"]
            assert row(shown, server).one("span", class_="about").text == fields["description"]
        assert shown.one(id="title-g0").text == HOSTILE[0]
        assert not [each for each in shown.all() if any(name.startswith("on") for name in each.attributes)]
        assert len(list(shown.all("script"))) == 1 and not shown.has("img")


async def test_what_cannot_be_seen_is_written_out(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(name="in\u200bvisible", description="a\u202eb")}) as (_, visitor):
        shown = await visitor.page("/")
        assert "in\\u200bvisible" in row(shown, "one").text and "a\\u202eb" in row(shown, "one").text


@requirement("PAGE-1:search")
async def test_a_search_without_script_hides_the_rest(tmp_path: Path) -> None:
    servers = {
        "one": mock(name="First", group="dev"),
        "two": mock(description="the first of its kind"),
        "bad": {"command": "/nowhere/at/all", "name": "first too", "group": "dev"},
        "other": mock(group="ops"),
    }
    async with at(tmp_path, servers) as (_, visitor):

        async def found(query: str) -> set[str]:
            shown = await visitor.page(f"/?{query}")
            seen = {one for one in ids(shown) if "hidden" not in row(shown, one).attributes}
            assert shown.one(id="found").text == f"{len(seen)} of 4"
            for section in shown.all("section"):
                assert ("hidden" in section.attributes) == (not seen & set(ids(section)))
            return seen

        assert await found("q=FIRST") == {"one", "two", "bad"}
        assert await found("q=first&health=error") == {"bad"}
        assert await found("q=&health=") == set(servers)
        assert await found("q=nothing") == set()
        shown = await visitor.page("/?q=%22%3E%3Cb%3E&health=connected")
        assert shown.one(id="q").attributes["value"] == '"><b>'
        chosen = [
            each.attributes["value"] for each in shown.all("input", name="health") if "checked" in each.attributes
        ]
        assert chosen == ["connected"]


@requirement("PAGE-1:live")
async def test_only_what_changed_is_made_and_sent_anew(tmp_path: Path) -> None:
    servers = {f"s{number}": mock(group=f"g{number % 2}") for number in range(40)}
    async with at(tmp_path, servers) as (_, visitor):
        shown = await visitor.page("/")
        made = connections._row.cache_info().misses
        await visitor.page("/")
        assert connections._row.cache_info().misses == made, "rows that did not change were made again"
        async with parts(visitor, shown) as heard:
            await visitor.press(shown, SWITCH, ("off", "s7"))
            sent: dict[str, str] = {}
            while not {"row-s7", "head-g1", "nav"} <= sent.keys() or ">19<" not in sent["head-g1"]:
                sent |= await heard()
        assert sent.keys() <= {"row-s7", "head-g1", "nav", "all-g1"}
        assert 'aria-checked="false"' in sent["row-s7"] and "39 active" in sent["nav"]
        assert connections._row.cache_info().misses <= made + 4, "a change of one row made others"


@requirement("PAGE-1:live")
async def test_a_browser_that_hears_the_stream_need_not_get_the_list_with_every_form(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(name="One")}) as (_, visitor):
        body = {"form_token": visitor.form_token, "off": "one"}
        answer = await visitor.client.post("/ui/switch", data=body, headers={"prefer": "return=minimal"})
        shown = Shown(answer)
        assert shown.one(id="said").text == "Switched off: One." and shown.has(id="banner") and shown.has(id="nav")
        assert not shown.has(id="list") and ids(shown) == []


@requirement("PAGE-1:live")
async def test_a_server_that_comes_or_goes_brings_the_list_anew(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(), "two": mock()}) as (engine, visitor):
        shown = await visitor.page("/")
        async with parts(visitor, shown) as heard:
            save(tmp_path, {"two": mock(), "three": mock()})
            await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})
            sent: dict[str, str | None] = {}
            while 'id="row-three"' not in (sent.get("list") or "") or sent.get("row-one", "") is not None:
                sent |= await heard()
        assert 'id="row-one"' not in (sent["list"] or "")


@requirement("PAGE-1:live")
async def test_what_changes_between_a_page_and_its_stream_is_sent(tmp_path: Path) -> None:
    """It may change before anybody tells of it, as a file does until its watch looks."""
    groups = {"dev": {"name": "Before"}}
    async with at(tmp_path, {"one": mock(group="dev")}, groups=groups) as (_, visitor):
        shown = await visitor.page("/")
        save(tmp_path, {"one": mock(group="dev")}, groups={"dev": {"name": "After"}})
        async with parts(visitor, shown) as heard:
            sent = await heard()
        assert sent.keys() == {"head-dev"} and "After" in sent["head-dev"]


@requirement("PAGE-1:live")
async def test_a_stream_that_broke_off_goes_on_with_what_was_not_heard(tmp_path: Path) -> None:
    async with at(tmp_path, {"one": mock(), "two": mock()}) as (_, visitor):
        shown = await visitor.page("/")
        async with parts(visitor, shown) as heard:
            await visitor.press(shown, SWITCH, ("off", "one"))
            sent: dict[str, str] = {}
            while "row-one" not in sent:
                sent |= await heard()
        await visitor.press(shown, SWITCH, ("off", "two"))
        async with parts(visitor, shown, heard.at) as heard:
            more = await heard()
            while "row-two" not in more:
                more |= await heard()
        assert "list" not in more


class Heard:
    """A stream: calling it gives the next part by its id, None for one that went. `at` is the last id of an event."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self.at = ""
        self._lines = lines

    async def __call__(self) -> dict[str, Any]:
        async for line in self._lines:
            if line.startswith("id: "):
                self.at = line.removeprefix("id: ")
            if line.startswith("data: "):
                part = json.loads(line.removeprefix("data: "))
                return {part["id"]: part["html"]}
        raise EOFError("the stream ended")


@asynccontextmanager
async def parts(visitor: Visitor, shown: Shown, last: str = "") -> AsyncIterator[Heard]:
    """The stream of the page that is shown, from the event `last` on."""
    headers, query = {"accept": "text/event-stream"}, {"at": shown.one("body").attributes["data-at"]}
    headers |= {"last-event-id": last} if last else {}
    with anyio.fail_after(20):
        async with visitor.client.stream("GET", "/ui/", params=query, headers=headers) as answer:
            yield Heard(answer.aiter_lines())
