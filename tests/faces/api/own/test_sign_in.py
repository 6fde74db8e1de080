"""The page that a browser comes back to from signing in, and signing in over our own API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import httpx2
import pytest

from tests.canary import CANARY
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
from tests.requirements import requirement
from tests.rig.oauth_server import OAuthServer

pytestmark = [requirement("AUTH-1:callback"), pytest.mark.anyio]
CALLBACK = "/oauth/mcp/callback"


def remote(server: OAuthServer) -> dict[str, Any]:
    return {"url": server.url, "oauth": True}


async def api(engine: Hosted, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await engine.ask(method, f"/api/v1{path}", "operator", body)
    return answer.status, answer.json


async def applied(engine: Hosted) -> None:
    """Apply the file; what fails is shown by the status."""
    await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 20})


async def where_sent(engine: Hosted, server: OAuthServer, name: str = "there") -> str:
    """Path and query that the browser is sent to by the page of the status."""
    status, answer = await api(engine, "POST", f"/servers/{name}/auth", {})
    assert status == 200 and answer["authUrl"], answer
    parts = urlsplit(await server.browse(answer["authUrl"]))
    assert f"{parts.scheme}://{parts.netloc}" == engine.host.facts.url
    return f"{parts.path}?{parts.query}"


def check_page(answer: Answer, status: int, sentence: str) -> None:
    """A page for people that runs nothing, loads nothing and tells nobody where it is."""
    assert answer.status == status and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["cache-control"] == "no-store"
    text = answer.body.decode()
    assert re.search(sentence, text), text
    assert not re.search(r"<(script|link|img|iframe|style|form)", text)


@pytest.mark.parametrize("root", ["", "/p/desk", "/p/other", "/p/unknown"])
async def test_a_browser_that_comes_back_finishes_the_sign_in_without_a_token(tmp_path: Path, root: str) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}, "other") as engine:
        await applied(engine)
        sent = await where_sent(engine, server)
        headers = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
        check_page(await engine.ask("GET", root + sent, **headers), 200, "there is signed in")
        check_page(await engine.ask("GET", root + sent), 400, "No sign-in waits here")
        assert server.counts["code"] == 1


async def test_pages_of_other_sites_reach_nothing_else(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        for path in ("/api/v1/status", "/", "/mcp", "/oauth/mcp/other", "/p/desk/api/config", "/p/desk/oauth/mcp/x"):
            answer = await engine.ask("GET", path, "operator", sec_fetch_site="cross-site")
            assert answer.status == 403, path
        assert (await engine.ask("POST", CALLBACK, sec_fetch_site="cross-site")).status == 403
        assert (await engine.ask("POST", CALLBACK)).status == 401


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "state=",
        "state=x&code=y",
        "state[]=x",
        "code=x&state=%00",
        f"state={'x' * 6000}",
        "error=access_denied",
        "state=%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
async def test_what_comes_back_without_a_state_that_waits_is_told_so(tmp_path: Path, query: str) -> None:
    async with hosted(tmp_path) as engine:
        check_page(await engine.ask("GET", f"{CALLBACK}?{query}"), 400, "No sign-in waits here")


async def test_a_state_that_stands_there_twice_is_none(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}) as engine:
        await applied(engine)
        sent = await where_sent(engine, server)
        check_page(await engine.ask("GET", f"{sent}&state=x"), 400, "No sign-in waits here")
        check_page(await engine.ask("GET", sent), 200, "there is signed in")


async def test_the_words_of_an_authorization_server_are_shown_as_words(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}) as engine:
        await applied(engine)
        state = re.findall(r"state=([^&]+)", await where_sent(engine, server))[0]
        words = quote("<img src=x onerror=alert(1)>")
        answer = await engine.ask("GET", f"{CALLBACK}?state={state}&error=access_denied&error_description={words}")
        check_page(answer, 400, "access_denied: &lt;img src=x")


async def test_an_answer_of_another_issuer_is_refused(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}) as engine:
        await applied(engine)
        server.iss = "https://elsewhere.example"
        sent = await where_sent(engine, server)
        check_page(await engine.ask("GET", sent), 400, "Not signed in.*elsewhere.example")
        assert server.counts["code"] == 0


@requirement("AUTH-1:sign-in")
async def test_signing_in_over_the_api_is_begun_waited_for_and_forgotten(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}) as engine:
        await applied(engine)
        status, begun = await api(engine, "POST", "/servers/there/auth", {})
        assert (status, begun["server"], begun["signedIn"], begun["listens"]) == (200, "there", False, True)
        answers: list[Any] = []

        async def wait() -> None:
            answers.append(await api(engine, "GET", "/servers/there/auth?wait=30"))

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                async with httpx2.AsyncClient(follow_redirects=True) as browser:
                    assert (await browser.get(begun["authUrl"])).status_code == 200
        assert answers[0][1] == {**begun, "authUrl": None, "signedIn": True}
        assert await api(engine, "DELETE", "/servers/there/auth") == (200, {"server": "there", "forgotten": True})
        assert (await api(engine, "DELETE", "/servers/there/auth"))[1]["forgotten"] is False


@requirement("AUTH-1:sign-in")
async def test_the_address_of_the_page_will_do_where_the_browser_does_not_reach_the_engine(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": remote(server)}) as engine:
        await applied(engine)
        page = (await api(engine, "POST", "/servers/there/auth", {}))[1]["authUrl"]
        for wrong in ("", "x", "http://[", "http://127.0.0.1/?state=x&code=y"):
            status, refused = await api(engine, "POST", "/servers/there/auth", {"redirected": wrong})
            assert (status, refused["error"]["code"]) == (422, "sign-in-refused"), wrong
        redirected = f"  {await server.browse(page)}\n"
        status, ended = await api(engine, "POST", "/servers/there/auth", {"redirected": redirected})
        assert (status, ended["signedIn"]) == (200, True)
        status, refused = await api(engine, "POST", "/servers/there/auth", {"redirected": redirected})
        assert (status, refused["error"]["code"]) == (422, "sign-in-refused")


async def test_servers_that_nobody_signs_in_to_are_told_apart(tmp_path: Path) -> None:
    async with OAuthServer() as server, hosted(tmp_path, {"there": {"url": server.url}}) as engine:
        await applied(engine)
        status, refused = await api(engine, "POST", "/servers/there/auth", {})
        assert (status, refused["error"]["code"]) == (409, "no-sign-in") and "oauth: true" in refused["error"][
            "message"
        ]
        for method in ("GET", "POST", "DELETE"):
            status, refused = await api(engine, method, "/servers/nix/auth", {} if method == "POST" else None)
            assert (status, refused["error"]["code"]) == (404, "unknown-server")


@requirement("AUTH-1:other-places")
async def test_what_a_client_shows_the_gateway_is_shown_to_no_server(tmp_path: Path) -> None:
    async with (
        OAuthServer() as server,
        hosted(tmp_path, {"there": {**remote(server), "requireApproval": False}}) as engine,
    ):
        await applied(engine)
        check_page(await engine.ask("GET", await where_sent(engine, server)), 200, "there is signed in")
        project = engine.host.root
        assert await project.settled("there") is None
        headers = {"mcp_protocol_version": "2026-07-28", "accept": "application/json, text/event-stream"}
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        params = {"name": "there__whoami", "arguments": {}, "_meta": meta}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        answer = await engine.ask(
            "POST", "/mcp", "client", call, **headers, mcp_method="tools/call", mcp_name="there__whoami"
        )
        assert answer.status == 200 and b'"ada"' in answer.body, answer.body
        shown = {seen.get("authorization", "") for seen in server.seen}
        assert shown == {"", *(f"Bearer {token}" for token in server.access)}


@requirement("AUTH-1:secrets")
async def test_no_token_and_no_secret_comes_out_whoever_repeats_it(tmp_path: Path) -> None:
    """The watch for the marked secret looks at everything that is said and written meanwhile."""
    async with OAuthServer() as server:
        server.token = {"access_token": CANARY, "refresh_token": CANARY, "expires_in": 1}
        server.client = {"client_secret": ""}
        async with hosted(tmp_path, {"there": remote(server)}) as engine:
            await applied(engine)
            check_page(await engine.ask("GET", await where_sent(engine, server)), 200, "there is signed in")
            assert await engine.host.root.settled("there") is None
            server.forget()
            call = {"server": "there", "tool": "whoami", "arguments": {}}
            for refusal in (
                (503, {"error_description": f"down: {CANARY}"}),
                (418, {"message": CANARY}),
                (400, {"error": "invalid_grant", "error_description": CANARY}),
            ):
                server.refusal = refusal
                for path, body in (("/call", call), ("/servers/there/restart", {})):
                    assert CANARY not in str(await engine.ask("POST", f"/api/v1{path}", "operator", body))
                for path in ("/status", "/events", "/servers/there/auth", "/servers/there/logs"):
                    assert CANARY not in str(await engine.ask("GET", f"/api/v1{path}", "operator"))
