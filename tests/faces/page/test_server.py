"""The page of one server: what it says, what can be done there, and what of it changes while somebody looks."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest

from reconciler.faces.page import server_lock
from reconciler.faces.page.server import MOST
from reconciler.faces.page.sign_in import is_page
from tests.engine.desk import LIGHT, light
from tests.engine.listing import lay, listed
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.page.visiting import Element, Shown, Visitor, visiting
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:server")]

EVIL = LIGHT.with_name("evil.py")
SECRET = "hush-hush-hush-hush"


def tool(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **members}


async def applied(engine: Hosted, **said: Any) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20, **said})
    assert answer.status == 200, answer.body


def part(page: Shown, name: str) -> str:
    """What a part says, on one line."""
    return " ".join(" ".join(texts(page.one(id=f"server-{name}"))).split())


def texts(element: Element) -> Iterator[str]:
    for each in element.inside:
        yield from [each] if isinstance(each, str) else texts(each)


async def page_with(visitor: Visitor, server: str, name: str, words: str) -> Shown:
    """The page, once a part of it has the words."""
    with anyio.fail_after(20):
        while words not in part(page := await visitor.page(f"servers/{server}"), name):
            await anyio.lowlevel.checkpoint()
    return page


class Stream:
    """The parts of a page as they are sent."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.status = answer.status_code
        self._lines = answer.aiter_lines()

    async def part(self, id: str, words: str = "") -> str:
        """The next HTML of a part, or the next with the words."""
        with anyio.fail_after(20):
            async for line in self._lines:
                if not line.startswith("data: "):
                    continue
                sent = json.loads(line[6:])
                if sent["id"] == id and words in sent["html"]:
                    return str(sent["html"])
        raise AssertionError(f"the stream ended without {id}")

    async def end(self) -> None:
        """Return when nothing more will be sent."""
        with anyio.fail_after(20):
            async for _ in self._lines:
                pass


@asynccontextmanager
async def watching(visitor: Visitor, path: str, page: Shown | None = None) -> AsyncIterator[Stream]:
    """Look on while it changes, from a page on."""
    at = {"at": page.one("body").attributes["data-at"]} if page else {}
    headers = {"accept": "text/event-stream"}
    async with visitor.client.stream("GET", f"{visitor.base}/{path}", params=at, headers=headers) as answer:
        yield Stream(answer)


async def test_a_server_that_lives_says_how_it_is_and_what_it_offers(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "s",
        tools=[tool("reads", description="Reads.", annotations={"readOnlyHint": True}), tool("bad name")],
        prompts=[{"name": "brief", "description": "Sums up."}],
        resources=[{"uri": "note://one", "name": "one"}],
        resourceTemplates=[{"uriTemplate": "note://{name}", "name": "any"}],
    )
    made = {**listed(tmp_path, "s", group="desk", requireApproval="writes"), "name": "The notes"}
    async with hosted(tmp_path, {"s": made}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s")
        assert page.one("h1").text == "The notes"
        status = part(page, "status")
        for said in ("connected Healthy Synced", "stdio", "desk", "Enabled yes", "calls that write ask", "listed 1"):
            assert said in status
        assert [page.one("a", id=name).attributes["href"] for name in ("edit", "delete")] == [
            "/ui/servers/s/edit",
            "/ui/servers/s/delete",
        ]
        rows = [[cell.text for cell in row.all() if cell.tag in ("th", "td")][:3] for row in page.all("tr")]
        assert ["Ready", "yes", "Serving"] in rows
        assert "reads says it reads runs without asking not in the lock Reads." in part(page, "tools")
        assert page.one("a", id="try-reads").attributes["href"] == "/ui/servers/s/try?tool=reads"
        assert "Not taken bad name : its name" in part(page, "tools")
        assert part(page, "offers") == (
            "Prompts 1 brief Sums up. Resources 1 one note://one Resource templates 1 any note://{name}"
        )
        assert "connected The notes is connected" in part(page, "logs")
        assert (part(page, "waits"), part(page, "sign-in")) == ("", "")


async def test_a_server_that_nobody_knows_is_not_found(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        page = await visitor.page("servers/s")
        assert (page.status, 'has no server "s"' in page.text) == (404, True)
        async with watching(visitor, "servers/s") as stream:
            assert stream.status == 404
        for below in ("restart", "pause", "resume", "lock", "sign-in", "sign-in/forget"):
            assert (await visitor.send(f"servers/s/{below}")).status == 404


async def test_a_server_that_waits_for_its_first_yes_shows_what_waits(tmp_path: Path) -> None:
    made = light("s", "--mark", "<script>", env={"KEY": SECRET})
    async with hosted(tmp_path, {"s": made}) as engine, visiting(engine.host) as visitor:
        await applied(engine, yes=[])
        page = await visitor.page("servers/s")
        assert page.status == 200 and "disconnected" in part(page, "status")
        waits = part(page, "waits")
        assert "Create waits since" in waits and "something would be run" in waits
        assert f'"{sys.executable}" "-E"' in waits and '"--mark" "<script>"' in waits
        assert SECRET not in page.html
        assert page.one("a", id="to-plan").attributes["href"] == "/ui/plan#waiting-s"
        assert not page.has("button", id="restart") and not page.has("a", id="edit")
        assert (part(page, "tools"), part(page, "lock")) == ("", "")


async def test_a_change_that_waits_stands_beside_what_goes_on(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        file = engine.host.root.sources.main
        text = json.loads(file.read_text())
        file.write_text(json.dumps({**text, "mcpServers": {"s": light("s", "--mark", "new")}}))
        await applied(engine, yes=[])
        page = await visitor.page("servers/s")
        assert "connected" in part(page, "status") and "Reconnect waits" in part(page, "waits")
        file.write_text("{")
        await engine.host.root.read()
        assert "Reconnect waits" in part(await visitor.page("servers/s"), "waits")


async def test_a_server_that_fails_shows_why_and_its_last_words_without_secrets(tmp_path: Path) -> None:
    words = ["-E", "-S", "-u", str(EVIL), "exit", "3"]
    dies = {"command": sys.executable, "args": words}
    servers = {"s": dies, "t": light("t", env={"KEY": SECRET})}
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await page_with(visitor, "s", "logs", "the key is missing")
        assert "its last words: the key is missing" in page.one("p", class_="reason").text
        await engine.ask("POST", "/api/v1/call", "operator", _words("first\x1b[31m\nsecond"))
        page = await page_with(visitor, "t", "logs", "second")
        assert "first\\x1b[31m\nsecond" in page.one("pre", id="stderr").text
        await engine.ask("POST", "/api/v1/call", "operator", {"server": "t", "tool": "crash", "arguments": _STATUS})
        page = await page_with(visitor, "t", "logs", "(exit 3)")
        assert "How its last sessions ended" in part(page, "logs")


def _words(text: str) -> dict[str, Any]:
    return {"server": "t", "tool": "words", "arguments": {"text": text}}


_STATUS = {"status": "3"}


async def test_what_a_server_says_of_a_secret_is_hidden(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "s",
        tools=[tool("leaks", description=f"It is {SECRET}.")],
        resources=[{"uri": f"note://{SECRET}", "name": SECRET}],
    )
    env = {"KEY": "${env:THE_KEY}"}
    async with hosted(tmp_path, {"s": listed(tmp_path, "s", env=env)}) as engine, visiting(engine.host) as visitor:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("THE_KEY", SECRET)
            await applied(engine)
            for path in ("servers/s", "servers/s/try?tool=leaks"):
                page = await visitor.page(path)
                assert "It is " in page.text and SECRET not in page.html


async def test_a_restart_takes_another_session_and_says_so(tmp_path: Path) -> None:
    servers = {"s": light("s"), "off": light("off", enabled=False)}
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        before = engine.host.root.serving("s")
        page = await visitor.press(await visitor.page("servers/s"), "/restart")
        assert (page.path, "on its way" in page.one(id="said").text) == ("/ui/servers/s", True)
        with anyio.fail_after(20):
            while engine.host.root.serving("s") in (before, None):
                await engine.host.root.news.after(engine.host.root.news.number)
        page = await visitor.page("servers/off")
        assert "Enabled no" in part(page, "status") and not page.has("button", id="restart")
        refused = await visitor.send("servers/off/restart")
        assert refused.one(id="said").text == 'Nothing was done: server "off" is disabled.'


@requirement("LIVE-2:pause")
async def test_a_server_is_paused_and_resumed_without_a_script(tmp_path: Path) -> None:
    servers = {"s": light("s"), "off": light("off", enabled=False)}
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        form = (await visitor.page("servers/s")).form("/pause")
        offered = [option.attributes["value"] for option in form.all("option")]
        assert (offered, form.fields[1]) == (["", "30m", "1h", "8h"], ("for", ""))
        page = await visitor.send("servers/s/pause", **{"for": "8h"})
        assert page.one(id="said").text.startswith("Paused for 8 hours: ")
        page = await page_with(visitor, "s", "status", "disconnected Suspended")
        assert "paused by visitor since " in part(page, "status") and " until 20" in part(page, "status")
        assert not page.has("button", id="restart") and not page.has("button", id="pause")
        assert "Paused yes ByPerson paused by visitor" in part(page, "conditions")
        badge = (await visitor.page("")).one("a", id="paused-s")
        assert (badge.text, badge.attributes["href"]) == ("paused", "/ui/servers/s")
        assert "No changes. 1 server in sync, 1 paused" in (await visitor.page("plan")).text
        page = await visitor.press(page, "/resume")
        assert page.one(id="said").text == "Resumed: a new session is on its way."
        page = await page_with(visitor, "s", "logs", "resumed by visitor")
        assert (await visitor.send("servers/s/resume")).one(id="said").text == "It was not paused."
        assert (await visitor.send("servers/s/pause", **{"for": "2d"})).status == 400
        refused = await visitor.send("servers/off/pause", **{"for": ""})
        assert refused.one(id="said").text == 'Nothing was done: server "off" is disabled.'


async def test_what_differs_from_the_lock_is_shown_and_accepted_as_it_was_seen(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[tool("say", description="Says it aloud.")])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s", lock="warn")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        first = await visitor.page("servers/s")
        assert "has nothing of it yet" in part(first, "lock")
        page = await visitor.press(first, "/servers/s/lock")
        assert page.one(id="said").text == "The lock has what it shows now."
        assert "What it shows is what the lock has." in part(page, "lock")
        assert "as in the lock" in part(page, "tools") and not page.has("button", id="accept-lock")

        lay(tmp_path, "s", tools=[tool("say", description="Says it \u202eto everybody.")])
        await engine.ask("POST", "/api/v1/servers/s/restart", "operator", {})
        page = await visitor.page("servers/s")
        assert "1 tool changed (say)" in part(page, "lock") and "{+\\u202eto everybody+}" in part(page, "lock")
        assert "changed against the lock" in part(page, "tools")
        lay(tmp_path, "s", tools=[tool("say", description="Says it to nobody.")])
        await engine.ask("POST", "/api/v1/servers/s/restart", "operator", {})
        page = await visitor.press(page, "/servers/s/lock")
        assert page.one(id="said").text == 'Nothing was written: "s" shows something else than a moment ago.'
        page = await visitor.press(page, "/servers/s/lock")
        assert "What it shows is what the lock has." in part(page, "lock")


async def test_a_lock_that_cannot_be_used_or_written_is_said(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[tool("say")])
    servers = {"s": listed(tmp_path, "s", lock="warn"), "off": light("off", enabled=False), "free": light("free")}
    servers["free"]["lock"] = "off"
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        assert "It is not compared: it is disabled" in part(await visitor.page("servers/off"), "lock")
        assert "Nothing was pinned: it is disabled." in (await visitor.send("servers/off/lock")).one(id="said").text
        assert "It is kept out of the lock" in part(await visitor.page("servers/free"), "lock")
        assert "its lock is off in the file" in (await visitor.send("servers/free/lock")).one(id="said").text
        page, lock = await visitor.page("servers/s"), engine.host.root.sources.lock
        lock.symlink_to(tmp_path / "nowhere" / "lock")
        said = (await visitor.press(page, "/servers/s/lock")).one(id="said").text
        assert said == "Nothing was written: desk.reconciler.lock: No such file or directory."
        lock.unlink()
        lock.mkdir()
        refused = await visitor.press(page, "/servers/s/lock")
        assert refused.one(id="said").text.startswith("Nothing was written: ")
        assert "The lock file cannot be used" in part(refused, "lock") and not refused.has("button", id="accept-lock")


async def test_of_very_many_differences_only_the_first_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, "s", tools=[])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s", lock="warn")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        await visitor.press(await visitor.page("servers/s"), "/servers/s/lock")
        lay(tmp_path, "s", tools=[tool(f"t{number}", description="x" * 100) for number in range(100)])
        await engine.ask("POST", "/api/v1/servers/s/restart", "operator", {})
        page = await visitor.page("servers/s")
        rows = page.one("pre", class_="plan").text.strip("\n").count("\n") + 1
        assert (rows, "100 more lines" in part(page, "lock")) == (server_lock.MOST_LINES, True)
        monkeypatch.setattr(server_lock, "MOST_CHARACTERS", 500)
        page = await visitor.page("servers/s")
        assert 0 < len(page.one("pre", class_="plan").text) <= 520


async def test_a_person_signs_in_where_the_page_says_and_can_be_forgotten(tmp_path: Path) -> None:
    async with (
        OAuthServer() as server,
        hosted(tmp_path, {"s": {"url": server.url, "oauth": True}}) as engine,
        visiting(engine.host) as visitor,
    ):
        await applied(engine)
        page = await page_with(visitor, "s", "sign-in", "Sign in at 127.0.0.1")
        page = await visitor.press(page, "/servers/s/sign-in")
        assert page.one(id="said").text == "The page to sign in is below."
        link = page.one("a", id="sign-in-page").attributes
        assert link["href"].startswith(server.origin) and link["rel"] == "noopener noreferrer"
        back = urlsplit(await server.browse(link["href"]))
        assert (await engine.ask("GET", f"{back.path}?{back.query}")).status == 200
        page = await page_with(visitor, "s", "status", "connected Healthy")
        assert "Somebody signed in." in part(page, "sign-in") and not page.has("a", id="sign-in-page")
        page = await visitor.press(page, "/sign-in/forget")
        assert page.one(id="said").text == "The sign-in is forgotten."
        assert (await visitor.press(page, "/sign-in/forget")).one(id="said").text == ("There was no sign-in to forget.")


async def test_who_may_not_operate_changes_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s")}) as engine, visiting(engine.host, "editor") as visitor:
        await applied(engine)
        before = engine.host.root.serving("s")
        for below in ("restart", "pause", "resume", "lock", "sign-in", "sign-in/forget"):
            refused = await visitor.send(f"servers/s/{below}")
            assert (refused.status, "needs operator" in refused.text) == (403, True)
        assert engine.host.root.serving("s") is before and not engine.host.root.sources.lock.exists()


async def test_where_nobody_signs_in_there_is_no_such_section(tmp_path: Path) -> None:
    machine = {"grant": "client_credentials", "clientId": "me", "clientSecret": "${env:NOWHERE}"}
    servers = {
        "local": light("local"),
        "machine": {"url": "http://127.0.0.1:9/mcp", "oauth": machine},
    }
    async with hosted(tmp_path, servers) as engine, visiting(engine.host) as visitor:
        await applied(engine, wait=0)
        assert part(await visitor.page("servers/local"), "sign-in") == ""
        page = await visitor.page("servers/machine")
        assert "with the credentials in the file" in part(page, "sign-in")
        assert not page.has("button", id="sign-in-begin")
        assert "Nobody can sign in now: " in (await visitor.send("servers/local/sign-in")).one(id="said").text


async def test_only_pages_under_https_or_of_this_machine_are_linked_to() -> None:
    assert [is_page(url) for url in ("https://sign.example/x", "http://127.0.0.1:8/x", "http://[::1]/x")] == [True] * 3
    refused = ("http://sign.example/", "javascript:alert(1)", "data:text/html,x", "//sign.example/", "", "http://[::1")
    assert [url for url in refused if is_page(url)] == []


async def test_texts_of_a_server_are_text_and_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script><img src="https://evil.example/x.png" onerror=alert(1)>\u202e\x1b[31m'
    lay(
        tmp_path,
        "s",
        tools=[tool("one", description=hostile, icons=[{"src": "https://evil.example/icon.png"}]), tool("..")],
        prompts=[{"name": hostile, "description": hostile}, {"name": 7, "description": ["no text"]}],
        resources=[{"uri": "javascript:alert(1)", "name": hostile}, {}],
        resourceTemplates=[{"uriTemplate": hostile}],
    )
    made = {**listed(tmp_path, "s"), "name": "</title><script>alert(1)</script>"}
    async with hosted(tmp_path, {"s": made}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s")
        assert [each.attributes["src"] for each in page.all("script")] == ["/ui/static/page.js"]
        assert not page.has("img") and "\u202e" not in page.html and "\x1b" not in page.html
        assert [each for each in page.all() if any(name.startswith("on") for name in each.attributes)] == []
        assert "</script>" in page.one(id="server-offers").text and "\\u202e\\x1b[31m" in page.text
        links = [link.attributes["href"] for link in page.one("main").all("a")]
        assert [link for link in links if not link.startswith("/ui/")] == []
        assert "/ui/servers/s/try?tool=.." in links


async def test_of_very_many_tools_the_first_are_shown_and_the_others_on_request(tmp_path: Path) -> None:
    long = "y" * 70_000
    lay(
        tmp_path,
        "s",
        tools=[tool(f"t{number:03}") for number in range(MOST + 1)],
        prompts=[{"name": f"p{number:03}", "description": long if number == 0 else ""} for number in range(MOST + 1)],
    )
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s")
        assert page.has(id="tool-t099") and not page.has(id="tool-t100") and "p100" not in part(page, "offers")
        assert "All 101 tools" in part(page, "tools") and "All 101 prompts" in part(page, "offers")
        assert "4464 more characters are not shown" in part(page, "offers")
        page = await visitor.page("servers/s?all")
        assert page.has(id="tool-t100") and "p100" in part(page, "offers")


async def test_what_changes_is_sent_to_whoever_looks(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[tool("one")])
    async with hosted(tmp_path, {"s": listed(tmp_path, "s")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        page = await visitor.page("servers/s")
        async with watching(visitor, "servers/s", page) as stream:
            lay(tmp_path, "s", tools=[tool("one"), tool("two")])
            await engine.ask("POST", "/api/v1/servers/s/restart", "operator", {})
            assert 'id="tool-two"' in await stream.part("server-tools")


async def test_a_page_whose_server_goes_away_ends_and_is_not_found_then(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"s": light("s"), "t": light("t")}) as engine, visiting(engine.host) as visitor:
        await applied(engine)
        async with watching(visitor, "servers/s", await visitor.page("servers/s")) as stream:
            file = engine.host.root.sources.main
            text = json.loads(file.read_text())
            file.write_text(json.dumps({**text, "mcpServers": {"t": text["mcpServers"]["t"]}}))
            await applied(engine, allow=["mass-delete"])
            await stream.end()
        async with watching(visitor, "servers/s") as stream:
            assert stream.status == 404
