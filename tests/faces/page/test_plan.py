"""The plan: what waits, what the file would do, and the way back; each yes is to what was shown."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.faces.page.plan import MOST
from reconciler.gate.principal import Role
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.test_server import applied, texts, watching
from tests.faces.page.visiting import Element, Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:plan")]


class Desk:
    """An engine with one server that was applied, and somebody who looks at its plan."""

    def __init__(self, engine: Hosted, visitor: Visitor, folder: Path) -> None:
        self.engine, self.visitor = engine, visitor
        self.project = engine.host.projects["desk"]
        self.file = folder / "desk.reconciler.yaml"

    def write(self, servers: dict[str, Any], **settings: Any) -> None:
        written = {"version": 1, "project": "desk", **settings, "mcpServers": servers}
        self.file.write_text(json.dumps(written, indent=1), encoding="utf-8")

    async def waits(self, servers: dict[str, Any], **settings: Any) -> Shown:
        """The plan, after an apply that nobody said yes to."""
        self.write(servers, **settings)
        await applied(self.engine, yes=[])
        return await self.visitor.page("plan")

    @property
    def servers(self) -> list[str]:
        return sorted(self.project.ledger.document.servers)

    @property
    def waiting(self) -> list[str]:
        return [pending.server for pending in self.project.waiting.all]


@asynccontextmanager
async def at_desk(folder: Path, role: Role = "operator") -> AsyncIterator[Desk]:
    async with hosted(folder, {"one": light("one")}) as engine:
        await applied(engine)
        async with visiting(engine.host, role) as visitor:
            yield Desk(engine, visitor, folder)


def words(element: Element) -> str:
    return " ".join(" ".join(texts(element)).split())


def said(page: Shown) -> str:
    return words(page.one(id="said"))


def refused(page: Shown) -> bool:
    return page.one(id="said").attributes.get("class") == "refused"


async def test_a_file_that_holds_is_told_so(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("plan")
        assert words(page.one(id="plan-waiting")) == "Waits for a yes Nothing waits."
        assert "No changes. 1 server in sync (serial 1)." in words(page.one(id="plan-now"))
        assert not page.has("form", action="/ui/plan/apply")


async def test_what_the_file_says_is_applied_after_it_was_shown(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        page = await at.visitor.page("plan")
        now = page.one(id="plan-now")
        assert "two create ! new command" in words(now)
        assert f"{sys.executable} -E -S -u" in now.one("pre", class_="command").text
        assert now.one("button", id="apply").text.startswith("Apply, and run this on ")
        page = await at.visitor.press(page, "/plan/apply")
        assert page.path == "/ui/plan"
        assert said(page).startswith("pln-")
        assert "1 on its way" in said(page) and not refused(page)
        assert at.servers == ["one", "two"]
        assert (await at.project.records.history())[0]["who"] == "visitor"


async def test_a_yes_to_a_plan_that_is_another_by_now_does_nothing(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        page = await at.visitor.page("plan")
        at.write({"one": light("one"), "two": light("other")})
        page = await at.visitor.press(page, "/plan/apply")
        assert said(page) == "Nothing was done: the file or what is applied changed since the plan was shown."
        assert at.servers == ["one"]
        for given in ({}, {"plan": ""}):
            assert "Nothing was done" in said(await at.visitor.send("plan/apply", given))
        assert at.servers == ["one"]


async def test_a_broken_file_is_told_with_its_place_and_nothing_is_applied(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        page = await at.visitor.page("plan")
        at.file.write_text('version: 1\nproject: desk\nmcpServers:\n  one:\n    comand: "x"\n', encoding="utf-8")
        broken = await at.visitor.page("plan")
        assert "desk.reconciler.yaml:5:5" in words(broken.one(id="banner"))
        assert "has mistakes, so there is no plan" in words(broken.one(id="plan-now"))
        assert not broken.has("form", action="/ui/plan/apply")
        assert said(await at.visitor.press(page, "/plan/apply")) == "Nothing was done: the configuration has errors."
        assert at.servers == ["one"]


async def test_where_no_events_of_saves_arrive_every_page_says_so(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.project.followed.on = at.project.followed.deaf = True
        shown = (await at.visitor.page("plan")).one(id="banner")
        assert words(shown).startswith("No events of saves arrive here: they are found within a second;")


async def test_what_waits_is_shown_with_why_and_taken_up_after_a_yes(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.waits({"one": light("one"), "two": light("two"), "web": {"url": "https://example.com/mcp"}})
        two = page.one("article", id="waiting-two")
        assert words(two.one("h3")) == "Create two"
        assert "because something would be run or reached that nobody said yes to" in words(two)
        assert "two create ! new command" in words(two.one("pre", class_="plan"))
        assert page.one("button", id="approve-two").text.startswith("Run this on ")
        assert page.one("button", id="approve-web").text == "Approve"
        page = await _press(at, page, "approve", "two")
        assert "1 on its way" in said(page) and not refused(page)
        assert (at.servers, at.waiting) == (["one", "two"], ["web"])
        assert page.has("article", id="waiting-web")


async def test_a_no_is_not_asked_about_again(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.waits({"one": light("one"), "two": light("two")})
        page = await _press(at, page, "deny", "two")
        assert said(page) == "Denied: two." and not refused(page)
        assert words(page.one(id="plan-waiting")) == "Waits for a yes Nothing waits."
        await applied(at.engine, yes=[])
        assert (at.servers, at.waiting) == (["one"], [])


async def test_several_are_approved_together(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.waits({"one": light("one"), "two": light("two"), "three": light("three")})
        (form,) = [each for each in page.all("form") if [name for name, _ in each.fields].count("server") == 2]
        await at.visitor.send("plan/approve", form.fields)
        assert (at.servers, at.waiting) == (["one", "three", "two"], [])


async def test_an_answer_is_for_what_waited_when_it_was_shown(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        before = await at.waits({"one": light("one"), "two": light("two")})
        await at.waits({"one": light("one"), "two": light("other")})
        for way in ("approve", "deny"):
            page = await _press(at, before, way, "two")
            assert said(page) == "Nothing was done: this waits no longer." and refused(page)
        assert (at.servers, at.waiting) == (["one"], ["two"])
        for given in ({}, {"plan": at.project.waiting.all[0].plan}, {"server": "two"}):
            for way in ("approve", "deny"):
                assert said(await at.visitor.send(f"plan/{way}", given)) == "Nothing was done: this waits no longer."
        assert (at.servers, at.waiting) == (["one"], ["two"])


async def test_what_the_file_does_not_say_any_more_cannot_be_approved(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        await at.waits({"one": light("one"), "two": light("two")})
        at.write({"one": light("one")})
        page = await at.visitor.page("plan")
        assert "The file says something else by now" in words(page.one("article", id="waiting-two"))
        assert not page.has("button", id="approve-two")


async def test_what_had_its_yes_is_being_carried_out_until_it_is_done(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        go = tmp_path / "go"
        server = light("two")
        held = f'until test -e "{go}"; do sleep 0.05; done; exec "$@"'
        slow = {"command": "sh", "args": ["-c", held, "sh", server["command"], *server["args"]]}
        page = await at.waits({"one": light("one"), "two": slow})
        asked = {"plan": at.project.waiting.all[0].plan, "servers": ["two"]}
        async with watching(at.visitor, "plan", page) as stream, anyio.create_task_group() as tasks:
            tasks.start_soon(at.engine.ask, "POST", "/api/v1/approve", "operator", asked)
            assert "It is being carried out." in await stream.part("plan-waiting")
            page = await at.visitor.page("plan")
            assert "It is being carried out." in words(page.one("article", id="waiting-two"))
            assert not page.has("button", id="approve-two")
            go.touch()
            assert "Nothing waits." in await stream.part("plan-waiting")
        assert (at.servers, at.waiting) == (["one", "two"], [])


async def test_a_deletion_that_is_guarded_waits_and_says_why(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({name: light(name) for name in ("one", "two", "three", "four", "five")})
        await applied(at.engine)
        page = await at.waits({})
        assert len(at.waiting) == 5
        assert "because very many servers would be deleted at once" in words(page.one("article", id="waiting-two"))
        await _press(at, page, "approve", "two")
        assert at.servers == ["five", "four", "one", "three"]


async def test_no_secret_of_the_file_is_shown(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.waits({"one": light("one", env={"TOKEN": CANARY}), "two": light("two", env={"TOKEN": CANARY})})
        assert "(secret)" in page.html
        assert CANARY not in page.html
        await _press(at, page, "approve", "one")
        assert CANARY not in (await at.visitor.page("plan/back/1")).html


async def test_who_only_looks_changes_nothing(tmp_path: Path) -> None:
    async with at_desk(tmp_path, "viewer") as at:
        page = await at.waits({"one": light("one"), "two": light("two")})
        for way in ("approve", "deny"):
            assert (await _press(at, page, way, "two")).status == 403
        assert (await at.visitor.press(page, "/plan/apply")).status == 403
        assert (await at.visitor.send("plan/back/1", shown="x")).status == 403
        assert (at.servers, at.waiting) == (["one"], ["two"])


async def test_the_way_back_is_shown_and_then_gone(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        await applied(at.engine)
        page = await at.visitor.page("plan")
        rows = [words(each) for each in page.one(id="plan-history").one("tbody").all("tr")]
        assert [row.split()[0] for row in rows] == ["2", "1"]
        assert not page.has("a", id="back-2")
        page = await at.visitor.page(page.one("a", id="back-1").attributes["href"])
        assert json.loads(page.one("pre", id="patch").text) == {"mcpServers": {"two": None}}
        assert "two delete" in words(page.one("pre", class_="plan"))
        assert at.servers == ["one", "two"]
        page = await at.visitor.press(page, "/plan/back/1")
        assert (page.path, said(page)) == ("/ui/plan", "The file is as it was at serial 1.")
        assert at.servers == ["one"]
        assert "two" not in json.loads(at.file.read_text(encoding="utf-8"))["mcpServers"]


@pytest.mark.parametrize("other", ["three", "one"])
async def test_an_edit_made_meanwhile_is_not_lost_by_a_way_back(tmp_path: Path, other: str) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        await applied(at.engine)
        page = await at.visitor.page("plan/back/1")
        edited = {"one": light("one"), "two": light("two"), other: light(other, description="edited")}
        at.write(edited)
        page = await at.visitor.press(page, "/plan/back/1")
        assert page.path == "/ui/plan/back/1"
        assert said(page) == "Nothing was done: the way back is another than the one that was shown: look again."
        assert json.loads(at.file.read_text(encoding="utf-8"))["mcpServers"] == edited
        assert said(await at.visitor.press(page, "/plan/back/1")) == "The file is as it was at serial 1."


async def test_a_way_back_that_changes_nothing_has_no_button(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("plan/back/1")
        assert "There is nothing to do" in words(page.one(id="panel"))
        assert not page.has("button", id="roll-back")


async def test_an_engine_that_changes_no_file_shows_the_patch(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.write({"one": light("one"), "two": light("two")})
        await applied(at.engine)
        page = await at.visitor.page("plan/back/1")
        at.project.read_only = True
        assert "is not changed from here (--read-only)" in said(await at.visitor.press(page, "/plan/back/1"))
        page = await at.visitor.page("plan/back/1")
        assert page.has("pre", id="patch")
        assert not page.has("button", id="roll-back")
        assert at.servers == ["one", "two"]


@pytest.mark.parametrize("serial", ["7", "0", "x", "9" * 30, "-1", "%D9%A1"])
async def test_what_was_never_applied_is_not_there(tmp_path: Path, serial: str) -> None:
    async with at_desk(tmp_path) as at:
        assert (await at.visitor.page(f"plan/back/{serial}")).status == 404
        assert (await at.visitor.send(f"plan/back/{serial}", shown="x")).status == 404


async def test_a_broken_file_has_no_way_back(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        at.file.write_text("mcpServers: [", encoding="utf-8")
        page = await at.visitor.page("plan/back/1")
        assert page.status == 409
        assert "the file has errors; mend it first" in page.one(id="problem").text


async def test_what_waits_is_shown_while_somebody_looks(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("plan")
        async with watching(at.visitor, "plan", page) as stream:
            page = await at.waits({"one": light("one"), "two": light("two")})
            await stream.part("plan-waiting", "approve-two")
            await _press(at, page, "approve", "two")
            await stream.part("plan-waiting", "Nothing waits")
        async with watching(at.visitor, "plan/back/1") as stream:
            assert stream.status == 200


async def _press(at: Desk, page: Shown, way: str, server: str) -> Shown:
    """Press one of the two buttons of something that waits."""
    forms = [each for each in page.all("form", action=f"/ui/plan/{way}") if ("server", server) in each.fields]
    return await at.visitor.send(f"plan/{way}", forms[0].fields)


async def test_very_many_are_shown_some_at_a_time(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        more = {f"s{number:03}": {"url": f"https://example.com/{number}"} for number in range(MOST + 3)}
        page = await at.waits({"one": light("one"), **more})
        assert len(list(page.one(id="plan-waiting").all("article"))) == MOST
        assert "3 more wait" in words(page.one(id="plan-waiting"))
        (form,) = [each for each in page.all("form") if [name for name, _ in each.fields].count("server") > 1]
        page = await at.visitor.send("plan/deny", form.fields)
        assert at.waiting == [f"s{number:03}" for number in range(MOST, MOST + 3)]
        assert page.has("article", id=f"waiting-s{MOST:03}")


async def test_where_something_waits_is_shown_anew_when_the_file_moves_it(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        servers = {"one": light("one"), "two": light("two")}
        page = await at.waits(servers)
        async with watching(at.visitor, "plan", page) as stream:
            before = words(page.one("article", id="waiting-two"))
            await at.waits(servers, groups={"late": {}})
            assert "approve-two" in (sent := await stream.part("plan-waiting"))
            assert before.split("desk.reconciler.yaml:")[1][:4] not in sent
