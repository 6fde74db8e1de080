"""Coming in to the page, and staying out: on an engine with its listeners, to the byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import pytest

from reconciler.engine.visits import IDLE_SECONDS, LINK_SECONDS, Visits
from reconciler.faces.cli.listening import Listening
from reconciler.faces.http.address import Address
from reconciler.faces.http.page_link import page_link
from reconciler.faces.page.forms import FIELDS, LARGEST
from tests.engine.test_visits import Clock
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer, ask, line
from tests.real.running import free_port
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-1:entering")]

FORM = "application/x-www-form-urlencoded"


class Browser:
    """Whoever keeps the cookies of one engine, and holds every answer to what each answer has to be."""

    def __init__(self, engine: Hosted, address: Address | None = None) -> None:
        self.engine = engine
        self.address = address or engine.address
        self.cookie = ""
        self.form_token = ""

    async def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request, with the cookie; a header that is empty is left out."""
        cookie = {"cookie": self.cookie} if self.cookie else {}
        answer = await ask(self.address, self.engine.request(method, path, None, body, **{**cookie, **headers}))
        check(answer.headers)
        return answer

    async def get(self, path: str = "/ui/", **headers: str) -> Answer:
        return await self.ask("GET", path, **headers)

    async def send(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """Send a form as our own page does, but for the `headers`."""
        own = {"origin": "http://localhost", "sec_fetch_site": "same-origin", "content_type": FORM}
        fields = {"form_token": self.form_token} if fields is None else fields
        return await self.ask("POST", path, urlencode(fields).encode(), **{**own, **headers})

    async def enter(self, link: str | None = None) -> Answer:
        """Come in by a link, one of this engine's where none is given; the cookie and the form token are kept."""
        parts = urlsplit(link or new_link(self.engine))
        answer = await self.get(f"{parts.path}?{parts.query}")
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        self.form_token = form_token(await self.get())
        return answer


def check(headers: Mapping[str, str]) -> None:
    """What holds for every answer of the page: nothing but ours is loaded, nothing is kept, nobody frames it."""
    policy = dict(each.strip().partition(" ")[::2] for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {value for name, value in policy.items() if name.endswith("-src")} <= {"'none'", "'self'"}
    assert (policy["form-action"], policy["require-trusted-types-for"]) == ("'self'", "'script'")
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def new_link(engine: Hosted, project: str = "desk") -> str:
    link = page_link(engine.host, engine.host.projects[project], "owner")
    assert link is not None
    return link


def form_token(answer: Answer) -> str:
    found = re.search(rb'name="form_token" value="([^"]+)"', answer.body)
    assert answer.status == 200 and found, answer
    return found[1].decode()


def outside(answer: Answer) -> bool:
    """Whether it is the page for somebody who is not in, which says how to come in."""
    return answer.status == 401 and b"<code>reconciler open</code>" in answer.body


async def test_a_link_lets_one_browser_in(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        link = new_link(engine)
        first, second = Browser(engine), Browser(engine)
        entered = await first.enter(link)
        assert (entered.status, b'url=/ui/"' in entered.body) == (200, True)
        assert (await first.get()).status == 200
        parts = urlsplit(link)
        again = await second.get(f"{parts.path}?{parts.query}")
        assert outside(again) and "set-cookie" not in again.headers
        for query in ("", "?word=", "?word=x", "?word=%ff%00", f"?{parts.query}&word={'x' * 3000}"):
            assert outside(await second.get(f"/ui/enter{query}"))


async def test_time_ends_links_and_visits(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        clock = Clock()
        engine.host.visits = Visits(clock)
        browser, late = Browser(engine), urlsplit(new_link(engine))
        await browser.enter()
        clock.now += LINK_SECONDS + 1
        assert outside(await Browser(engine).get(f"{late.path}?{late.query}"))
        assert (await browser.get()).status == 200
        clock.now += IDLE_SECONDS - 1
        assert (await browser.get()).status == 200
        clock.now += IDLE_SECONDS + 1
        assert outside(await browser.get())


@pytest.mark.parametrize(
    ("public", "prefix", "flags"),
    [
        (None, "reconciler-", {"httponly", "path=/", "samesite=strict"}),
        ("https://page.example.com", "__Host-reconciler-", {"httponly", "path=/", "samesite=strict", "secure"}),
    ],
)
async def test_the_cookie_goes_nowhere_else(tmp_path: Path, public: str | None, prefix: str, flags: set[str]) -> None:
    port = free_port()
    async with hosted(tmp_path, listening=Listening(f"127.0.0.1:{port}", public_url=public)) as engine:
        browser = Browser(engine, Address("127.0.0.1", port))
        name, *found = (await browser.enter()).headers["set-cookie"].split("; ")
        assert name.startswith(prefix) and {flag.lower() for flag in found} == flags
        assert (await browser.send("/ui/leave", origin="https://other.example.com")).status == 403
        left = await browser.send("/ui/leave", origin=public or "http://localhost")
        name, *found = left.headers["set-cookie"].split("; ")
        assert name.startswith(prefix) and flags < {flag.lower() for flag in found}


async def test_without_a_visit_every_address_says_how_to_come_in(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        browser = Browser(engine)
        for below in ("/", "", "/servers/x", "/plan", "/enter/", "/static/", "/static/none.js", "/%2e%2e/healthz"):
            for path in (f"/ui{below}", f"/p/other/ui{below}", f"/p/nobody/ui{below}"):
                for cookie in ("", "reconciler-x=y", 'a="; b=c', "\xff=\xff"):
                    assert outside(await browser.get(path, cookie=cookie)), path
        for role in ("operator", "viewer"):
            authorization = f"Bearer {engine.token(role)}"  # type: ignore[arg-type]  # both are roles
            assert outside(await browser.get(authorization=authorization)), "the page is for visitors alone"
        for name in ("page.css", "page.js", "icon.svg"):
            assert (await browser.get(f"/ui/static/{name}")).status == 200
        assert outside(await browser.send("/ui/leave")) and outside(await browser.send("/p/other/ui/servers"))


async def test_a_visit_is_good_for_the_page_of_its_engine_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with hosted(tmp_path / "a") as engine, hosted(tmp_path / "b") as other:
        browser, neighbour = Browser(engine), Browser(other)
        await browser.enter()
        await neighbour.enter()
        name, theirs = (each.cookie.partition("=")[0] for each in (browser, neighbour))
        assert name != theirs, "both are kept for the same host, whatever the port"
        assert outside(await Browser(other).get(cookie=browser.cookie))
        assert outside(await Browser(other).get(cookie=browser.cookie.replace(name, theirs)))
        both = {"cookie": f"{neighbour.cookie}; {browser.cookie}"}
        assert (await Browser(engine).get(**both)).status == (await Browser(other).get(**both)).status == 200
        for path in ("/api/v1/status", "/api/mcp-servers", "/mcp", "/servers", "/metrics"):
            assert (await engine.ask("GET", path, cookie=browser.cookie)).status == 401


async def test_what_other_programs_set_for_this_host_keeps_nobody_out(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        browser = Browser(engine)
        await browser.enter()
        name = browser.cookie.partition("=")[0]
        for other in ('theme={"dark": true}', '{"a"}=1', 'x="; b', "\xff=\xff", "plain", "", f"{name}=older"):
            for both in (f"{other}; {browser.cookie}", f"{browser.cookie}; {other}", f"{other};{browser.cookie};"):
                assert (await browser.get(cookie=both)).status == 200, both
        assert outside(await browser.get(cookie=f"x{browser.cookie}")) and outside(await browser.get(cookie=name))


FOREIGN = (
    "null",
    "http://evil.example",
    "http://localhost:9",
    "http://127.0.0.1",
    "localhost",
    "",
)


async def test_only_our_own_pages_send_forms(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        browser = Browser(engine)
        await browser.enter()
        for origin in FOREIGN:
            refused = await browser.send("/ui/leave", origin=origin)
            assert (refused.status, b"origin" in refused.body) == (403, True), origin
        refused = await browser.send("/ui/leave", sec_fetch_site="cross-site")
        assert refused.status == 403
        assert (await browser.get()).status == 200
        assert (await browser.send("/ui/leave")).status == 200
        assert outside(await browser.get())


async def test_a_form_needs_the_word_of_its_visit(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        earlier, browser = Browser(engine), Browser(engine)
        await earlier.enter()
        await browser.enter()
        for fields in ({}, {"form_token": ""}, {"form_token": earlier.form_token}, {"form_token": browser.cookie}):
            refused = await browser.send("/ui/leave", fields)
            assert (refused.status, b"earlier visit" in refused.body) == (403, True)
        for kind in ("text/plain", "application/json", "multipart/form-data", "multipart/form-data; boundary=x"):
            assert 400 <= (await browser.send("/ui/leave", content_type=kind)).status < 500
        large = await browser.send("/ui/leave", {"form_token": "x" * LARGEST})
        assert (large.status, b"more than 1 MiB is too much" in large.body) == (413, True)
        assert (await browser.send("/ui/leave", {f"f{n}": "" for n in range(FIELDS + 1)})).status == 400
        assert (await browser.get("/ui/leave")).status == 405
        assert (await browser.get()).status == 200


async def test_pages_elsewhere_lead_to_the_door_and_no_further(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        browser = Browser(engine)
        await browser.enter()
        for path in ("/ui/", "/ui/static/page.js"):
            assert (await browser.get(path, sec_fetch_site="cross-site")).status == 403
        parts = urlsplit(new_link(engine))
        entered = await Browser(engine).get(f"{parts.path}?{parts.query}", sec_fetch_site="cross-site")
        assert entered.status == 200


async def test_a_name_that_was_made_to_point_here_is_refused(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        browser, parts = Browser(engine), urlsplit(new_link(engine))
        for host in ("evil.example", f"evil.example:{engine.address.port}", "localhost.evil.example"):
            assert (await browser.get(f"{parts.path}?{parts.query}", host=host)).status == 421
        assert (await browser.get(f"{parts.path}?{parts.query}")).status == 200, "the link was not used up"
        await browser.enter()
        assert (await browser.get(host="evil.example")).status == 421


async def test_to_look_whether_a_link_is_good_uses_nothing_up(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        browser, parts = Browser(engine), urlsplit(new_link(engine))
        for method in ("HEAD", "POST", "OPTIONS"):
            looked = await head(browser, method, f"{parts.path}?{parts.query}")
            assert (looked[0], "set-cookie" in looked[1]) == (401, False)
        await browser.enter(parts.geturl())
        status, headers = await head(browser, "HEAD", "/ui/")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")


async def head(browser: Browser, method: str, path: str) -> tuple[int, dict[str, str]]:
    """The head of an answer that may have no body."""
    fields = {"cookie": browser.cookie} if browser.cookie else {}
    async with line(browser.address) as one:
        await one.say(browser.engine.request(method, path, **fields))
        status, headers = await one.hear_head()
    check(headers)
    return status, headers


async def test_the_live_stream_ends_with_the_visit(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        leaving, staying = Browser(engine), Browser(engine)
        await leaving.enter()
        await staying.enter()
        async with line(engine.address) as gone, line(engine.address) as stays:
            for one, browser in ((gone, leaving), (stays, staying)):
                wanted: Any = {"accept": "text/event-stream", "cookie": browser.cookie}
                await one.say(engine.request("GET", "/ui/", **wanted))
                assert (await one.hear_head())[1]["content-type"].startswith("text/event-stream")
            assert (await leaving.send("/ui/leave")).status == 200
            with anyio.fail_after(1):
                while await gone.hear_line() not in (b"0\r\n", b""):
                    pass
            assert not stays.is_over
            assert outside(await leaving.get(accept="text/event-stream"))
            assert (await staying.get()).status == 200


async def test_the_root_leads_browsers_to_the_page_and_programs_nowhere(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        led = await engine.ask("GET", "/", accept="text/html,application/xhtml+xml,*/*;q=0.8")
        assert (led.status, led.headers["location"]) == (303, "/ui/")
        for accept in ("application/json", "*/*"):
            assert (await engine.ask("GET", "/", accept=accept)).json["name"]


async def test_each_project_has_its_page(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        browser = Browser(engine)
        entered = await browser.enter(new_link(engine, "other"))
        assert b'url=/p/other/ui/"' in entered.body
        found = {path: await browser.get(path) for path in ("/ui/", "/p/other/ui/", "/p/desk/ui/", "/p/nobody/ui/")}
        assert [answer.status for answer in found.values()] == [200, 200, 200, 404]
        assert b'href="/p/other/ui/plan"' in found["/p/other/ui/"].body
        assert b'href="/ui/plan"' in found["/ui/"].body
        assert (await browser.get("/p/other/ui/none")).status == 404


async def test_an_address_with_another_end_is_none_but_for_the_page_itself(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        browser = Browser(engine)
        await browser.enter()
        for base in ("/ui", "/p/other/ui"):
            led = await browser.get(base)
            assert (led.status, led.headers["location"]) == (303, f"{base}/"), "that is what people type"
            for below in ("/plan/", "/new/", "/servers/x/edit/", "/enter/", "//"):
                assert (await browser.get(f"{base}{below}")).status == 404
            assert (await browser.send(f"{base}/switch/")).status == 404
        assert (await browser.get("/p/%0d%0aX:%5C..y/ui")).headers["location"].startswith("/p/"), "no other host"
        assert (await browser.get("/ui/static/")).status == 404
