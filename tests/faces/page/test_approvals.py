"""The inbox of calls that wait: what a person sees of them, and what each button comes to."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.gate.gate import Principal
from reconciler.gate.principal import Role
from reconciler.gate.showing import META, MOST_SHOWN
from reconciler.gate.turn import Patience
from tests.canary import CANARY
from tests.engine.desk import LIGHT
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.test_server import Stream, applied, texts, watching
from tests.faces.page.visiting import Element, Shown, Visitor, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:approvals")]

AGENT = Principal("agent", "client")


class Desk:
    """An engine whose calls wait, somebody who looks, and a list of what really ran."""

    def __init__(self, engine: Hosted, visitor: Visitor, tally: Path) -> None:
        self.engine, self.visitor, self.tally = engine, visitor, tally
        self.project = engine.host.projects["desk"]
        self.project.gate.patience = Patience(whole=0)

    async def asks(self, tool: str = "add", principal: Principal = AGENT, **arguments: Any) -> str:
        """A call is made, and waits; its id."""
        result = await self.project.gate.call(principal, "it", tool, arguments)
        call_id: str = result["_meta"][META]["id"]
        return call_id

    async def answer(self, call_id: str, word: str, page: Shown | None = None) -> Shown:
        """Press a button of the inbox, or of another page."""
        page = page or await self.visitor.page("approvals")
        return await self.visitor.press(page, f"/approvals/{call_id}", ("answer", word))

    async def result(self, call_id: str) -> dict[str, Any]:
        result: dict[str, Any] = await self.project.gate.result(AGENT, call_id)
        return result

    async def state(self, call_id: str) -> str:
        row = await self.project.gate.approvals.get(call_id)
        assert row is not None
        return row.state

    @property
    def ran(self) -> list[str]:
        return self.tally.read_text(encoding="utf-8").splitlines() if self.tally.exists() else []


@asynccontextmanager
async def at_desk(folder: Path, role: Role = "operator", **settings: Any) -> AsyncIterator[Desk]:
    tally = folder / "tally"
    script = ["-E", "-S", "-u", str(LIGHT.with_name("tally.py")), "--file", str(tally)]
    server = {"command": sys.executable, "args": script, "env": {"TOKEN": CANARY}, **settings}
    async with hosted(folder, {"it": server}) as engine:
        await applied(engine)
        async with visiting(engine.host, role) as visitor:
            yield Desk(engine, visitor, tally)


def words(element: Element) -> str:
    return " ".join(" ".join(texts(element)).split())


async def test_an_empty_inbox_says_what_comes_there(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("approvals")
        assert words(page.one(id="count")) == "No call waits."
        assert "the call is shown here before it runs" in words(page.one(id="inbox"))
        assert not page.has("article")


async def test_a_call_is_shown_whole_without_secrets_and_as_text(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key=f"<img src=x onerror=pwned()> {CANARY}", n=[1, {"deep": "\u202egnp"}])
        page = await at.visitor.page("approvals")
        article = page.one("article", id=call_id)
        assert words(article.one("h2")) == "add of it"
        assert words(article).startswith("add of it asked by agent 0 s ago , waits until")
        arguments = article.one("pre", id=f"arguments-{call_id}").text
        assert '"key": "<img src=x onerror=pwned()> ***"' in arguments
        assert '"deep": "\\u202egnp"' in arguments
        assert not article.has("img")
        assert CANARY not in page.html
        assert [each.attributes["value"] for each in article.all("button")] == ["once", "session", "always", "deny"]
        assert "data-live" in article.one("form").attributes
        assert all(each.attributes["datetime"].endswith("Z") for each in article.all("time"))
        assert words(page.one(id="count")) == "One call waits for your answer."
        await at.asks(key="another")
        assert words((await at.visitor.page("approvals")).one(id="count")) == "2 calls wait for your answer."


async def test_the_count_is_announced_from_an_element_that_stays(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("approvals")
        (live,) = [each for each in page.all("p", role="status") if each.has(id="count")]
        assert "data-part" not in live.attributes
        assert "data-part" in live.one(id="count").attributes


async def test_a_yes_runs_the_call_once(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id, other = await at.asks(key="a"), await at.asks(key="b")
        page = await at.answer(call_id, "once")
        assert page.path == "/ui/approvals"
        said = 'The call of "add" of "it" was allowed once; it runs when its caller asks for it again.'
        assert words(page.one(id="said")) == said
        assert not page.has("article", id=call_id)
        assert page.has("article", id=other)
        assert (await at.result(call_id))["content"][0]["text"] == "added"
        assert at.ran == ["add a"]
        assert await at.state(other) == "waiting"
        assert await at.asks(key="a") != call_id


async def test_a_caller_that_waits_is_let_through_at_once(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at, anyio.create_task_group() as group:
        at.project.gate.patience = Patience(whole=20)
        group.start_soon(at.project.gate.call, AGENT, "it", "add", {"key": "a"})
        while not at.project.gate.approvals.waiting:
            await anyio.lowlevel.checkpoint()
        (row,) = await at.project.gate.approvals.listed("waiting")
        assert "it runs now" in words((await at.answer(row.id, "once")).one(id="said"))


async def test_a_no_is_told_to_the_caller(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        page = await at.answer(call_id, "deny")
        assert words(page.one(id="said")) == 'The call of "add" of "it" was denied; it does not run.'
        assert (await at.state(call_id), at.ran) == ("denied", [])


async def test_a_yes_for_the_session_is_for_this_client_and_tool(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        first, second = await at.asks(key="a"), await at.asks(key="b")
        other = await at.asks(key="c", principal=Principal("other", "client"))
        page = await at.answer(first, "session")
        assert "allowed for the session" in words(page.one(id="said"))
        assert [await at.state(each) for each in (first, second, other)] == ["allowed", "allowed", "waiting"]
        assert (await at.project.gate.call(AGENT, "it", "add", {"key": "d"}))["content"][0]["text"] == "added"


async def test_always_is_written_into_the_file(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        about = words((await at.visitor.page("approvals")).one(id="about-answers"))
        assert "desk.reconciler.yaml gets requireApproval: false for it" in about
        assert "allowed for always" in words((await at.answer(call_id, "always")).one(id="said"))
        assert '"requireApproval": false' in (tmp_path / "desk.reconciler.yaml").read_text(encoding="utf-8")
        assert (await at.project.gate.call(AGENT, "it", "add", {"key": "d"}))["content"][0]["text"] == "added"


async def test_an_always_that_the_file_cannot_take_says_so(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        at.project.read_only = True
        said = words((await at.answer(call_id, "always")).one(id="said"))
        assert "allowed once" in said
        assert "not allowed for always: desk.reconciler.yaml is not changed from here" in said


async def test_an_answer_counts_once_and_only_for_what_was_shown(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        before = await at.visitor.page("approvals")
        looks = dict(before.form(f"/approvals/{call_id}").fields)
        for shown in ("", "sha256:0", None):
            fields = {**looks, "answer": "once"} | ({"shown": shown} if shown is not None else {})
            if shown is None:
                del fields["shown"]
            page = await at.visitor.send(f"approvals/{call_id}", fields)
            assert page.path == f"/ui/approvals/{call_id}"
            assert "look at it again" in words(page.one(id="said"))
        assert await at.state(call_id) == "waiting"
        await at.answer(call_id, "deny", before)
        page = await at.answer(call_id, "once", before)
        assert "Your answer does not count: " in words(page.one(id="said"))
        assert (await at.state(call_id), at.ran) == ("denied", [])


async def test_a_call_of_a_server_that_changed_is_not_let_through(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        before = await at.visitor.page("approvals")
        file = tmp_path / "desk.reconciler.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace("-u", '-u", "-B'), encoding="utf-8")
        await applied(at.engine)
        page = await at.answer(call_id, "once", before)
        assert "changed since the call was made" in words(page.one(id="said"))
        assert at.ran == []


async def test_what_is_no_answer_and_no_call_is_refused(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        for given in ({}, {"answer": ""}, {"answer": "maybe"}):
            assert (await at.visitor.send(f"approvals/{call_id}", given)).status == 400
        for path in ("approvals/call-0", "approvals/%3Cx%3E"):
            assert (await at.visitor.page(path)).status == 404
            assert (await at.visitor.send(path, answer="once")).status == 404
        refused = await at.visitor.send(f"approvals/{call_id}", answer="deny", form_token="another")
        assert (refused.status, await at.state(call_id)) == (403, "waiting")


async def test_who_only_looks_answers_nothing(tmp_path: Path) -> None:
    async with at_desk(tmp_path, "viewer") as at:
        call_id = await at.asks(key="a")
        for word in ("once", "deny"):
            assert "may not approve" in words((await at.answer(call_id, word)).one(id="said"))
        assert await at.state(call_id) == "waiting"


async def test_what_is_not_shown_whole_is_allowed_only_where_it_is(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="x" * MOST_SHOWN, last="the end")
        page = await at.visitor.page("approvals")
        assert [each.attributes["value"] for each in page.one("article").all("button")] == ["deny"]
        assert "the end" not in page.html
        whole = await at.visitor.page(page.one("a", id=f"whole-{call_id}").attributes["href"])
        assert "the end" in whole.html
        await at.answer(call_id, "once", whole)
        assert await at.state(call_id) == "allowed"


async def test_one_call_has_its_own_page_whatever_became_of_it(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        call_id = await at.asks(key="a")
        page = await at.visitor.page(f"approvals/{call_id}")
        assert words(page.one(id="fate")) == "It waits for your answer."
        await at.answer(call_id, "once", page)
        page = await at.visitor.page(f"approvals/{call_id}")
        assert words(page.one(id="fate")).startswith("Allowed, not run yet : it was allowed by visitor at")
        assert [each.text for each in page.one("article").all("button")] == ["Take the yes back"]
        await at.answer(call_id, "deny", page)
        page = await at.visitor.page(f"approvals/{call_id}")
        assert words(page.one(id="fate")).startswith("Denied : it was denied by visitor at")
        assert not page.has("form", action=f"/ui/approvals/{call_id}")


async def test_what_was_answered_is_listed_newest_first(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        first, second = await at.asks(key="a"), await at.asks(key="b")
        await at.answer(first, "once")
        await at.result(first)
        await at.answer(second, "deny")
        rows = [words(each) for each in (await at.visitor.page("approvals")).one(id="answered").all("li")]
        assert [row.split(" ago ")[1] for row in rows] == [
            "denied add of it , asked by agent, answered by visitor",
            "allowed, ran add of it , asked by agent, answered by visitor",
        ]


async def test_what_becomes_of_calls_is_shown_while_somebody_looks(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as at:
        page = await at.visitor.page("approvals")
        async with watching(at.visitor, "approvals", page) as stream:
            call_id = await at.asks(key="a")
            assert call_id in await stream.part("inbox")
            await at.answer(call_id, "once")
            assert call_id not in await stream.part("inbox")
            await at.result(call_id)
            await _until(stream, "allowed, ran")


async def _until(stream: Stream, said: str) -> None:
    """Return when the answered calls say so."""
    while said not in await stream.part("answered"):
        continue
