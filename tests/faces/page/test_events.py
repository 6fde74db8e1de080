"""The timeline: what happened, the newest first, chosen by server and kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.faces.page.events import MOST
from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.faces.page.test_server import applied, texts, watching
from tests.faces.page.visiting import Element, Shown, visiting
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:events")]


def words(element: Element) -> str:
    return " ".join(" ".join(texts(element)).split())


def happened(page: Shown) -> list[str]:
    """Each event without its time."""
    return [words(each).split(" ", 1)[1] for each in page.one(id="events").all("li")]


async def test_what_happened_is_shown_newest_first_and_chosen(tmp_path: Path) -> None:
    servers = {"one": light("one"), "two": light("two")}
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        project = engine.host.projects["desk"]
        assert words((await visitor.page("events")).one(id="events")) == "Nothing happened yet."
        await applied(engine)
        project.events.say("odd", "<b>first</b> \u202e", "one")
        project.events.say("odd", "again", "gone")
        project.events.say("odd", "again", "gone")
        page = await visitor.page("events")
        since = list(page.one(id="events").all("time"))[1].text
        assert happened(page)[:2] == [f"odd gone: again (2 times since {since} )", "odd one : <b>first</b> \\u202e"]
        assert not page.one(id="events").has("b")
        assert words(page.one("select", id="of-server")) == "all gone one two"
        page = await visitor.page("events?server=one")
        assert happened(page) == ["odd one : <b>first</b> \\u202e", "connected one : one is connected"]
        assert dict(page.one("form", role="search").fields) == {"server": "one", "kind": ""}
        page = await visitor.page("events?server=one&kind=connected")
        assert happened(page) == ["connected one : one is connected"]
        assert dict(page.one("form", role="search").fields) == {"server": "one", "kind": "connected"}
        page = await visitor.page("events?kind=no%20such&server=")
        assert "Nothing of that kind happened" in words(page.one(id="events"))
        assert dict(page.one("form", role="search").fields)["kind"] == "no such"


async def test_only_the_last_are_shown_and_that_is_said(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        for number in range(MOST + 5):
            engine.host.projects["desk"].events.say("odd", f"number {number}")
        page = await visitor.page("events")
        assert [happened(page)[0], len(happened(page))] == [f"odd number {MOST + 4}", MOST]
        assert f"the last {MOST}" in words(page.one(id="events"))


async def test_what_happens_is_shown_while_somebody_looks_if_it_was_chosen(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine, visiting(engine.host) as visitor:
        say = engine.host.projects["desk"].events.say
        async with watching(visitor, "events", await visitor.page("events?server=one")) as stream:
            say("odd", "now", "one")
            assert "now" in await stream.part("events")
        headers, chosen = {"accept": "text/event-stream"}, {"server": "one"}
        page = await visitor.page("events?server=one")
        chosen["at"] = page.one("body").attributes["data-at"]
        async with visitor.client.stream("GET", "/ui/events", params=chosen, headers=headers) as answer:
            say("odd", "elsewhere", "two")
            say("odd", "here", "one")
            async for line in answer.aiter_lines():
                if line.startswith("data: ") and '"events"' in line:
                    assert "here" in line
                    assert "elsewhere" not in line
                    return
        raise AssertionError("nothing came")
