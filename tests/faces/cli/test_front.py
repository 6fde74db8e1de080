"""The way in over TCP, on raw sockets: what is refused is refused before anything of it was looked at."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from reconciler.client import Client
from reconciler.engine.host import Host
from reconciler.faces.cli.listeners import open_listeners
from reconciler.faces.http import listener as listening
from reconciler.faces.http.guard import Guard, PlainGuard
from reconciler.faces.http.guard_fast import FastGuard
from reconciler.store.sources import Sources
from reconciler.store.tokens import local_token, revoke_token
from tests.engine.desk import light
from tests.faces.cli.hosted import ANY_PORT, Hosted, hosted
from tests.faces.http.raw import ask, line
from tests.faces.http.test_access import GOOD_HOSTS, WRONG_HOSTS
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
PATHS = ["/api/v1/status", "/api/v1/nothing", "/p/desk/api/v1/status", "/mcp", "/mcp/s/one", "/mcp/nothing"]
PATHS += [
    "/p/desk/mcp",
    "/p/desk/mcp/g/x",
    "/p/nobody/mcp",
    "/p/nobody/api/v1/status",
    "/p",
    "/p/",
    "/p/desk",
    "/favicon.ico",
]
PATHS += ["/healthz/", "/healthz/x", "//healthz", "/HEALTHZ", "/readyz/", "/openapi.json/x", "/%2e%2e/healthz"]
PATHS += ["/metrics", "/p/desk/metrics", "/p/desk/readyz"]


@requirement("GATE-1:host-origin")
@pytest.mark.parametrize("parser", [PlainGuard, FastGuard], ids=["h11", "httptools"])
async def test_a_wrong_host_is_refused_before_token_and_body_however_it_is_spelt(
    tmp_path: Path, parser: type[Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "parser", lambda: parser)
    async with hosted(tmp_path) as engine:
        for path in ("/api/v1/stop", "/mcp", "/healthz"):
            for host in WRONG_HOSTS:
                request = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
                answer = await ask(engine.address, request.encode("utf-8"))
                assert answer.status in (400, 421), host
                assert "www-authenticate" not in answer.headers
        known = [host for host in GOOD_HOSTS if host.lower().startswith(("localhost", "127.0.0.1", "[::1]"))]
        for host in known:
            assert (await ask(engine.address, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())).status == 200


@requirement("GATE-1:host-origin")
@pytest.mark.parametrize("parser", [PlainGuard, FastGuard], ids=["h11", "httptools"])
@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost",
        b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost",
        b"GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example",
        b"GET HTTP://localhost:80/healthz HTTP/1.1\r\nHost: localhost",
        b"GET localhost/healthz HTTP/1.1\r\nHost: localhost",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nHost: localhost",
        b"GET /healthz HTTP/1.1",
        b"GET /healthz HTTP/1.0",
        b"GET /healthz HTTP/1.1\r\nX-Forwarded-Host: localhost\r\nHost: evil.example",
        b"GET /healthz HTTP/1.1\r\nHost : localhost",
        b"GET /healthz HTTP/1.1\r\nHost: local\r\n host",
    ],
)
async def test_games_with_the_target_and_the_host_are_lost(
    tmp_path: Path, parser: type[Guard], request_line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "parser", lambda: parser)
    async with hosted(tmp_path) as engine, line(engine.address) as one:
        await one.say(request_line + b"\r\n\r\n")
        assert (await one.hear_head())[0] in (400, 421)


@requirement("GATE-1:tokens")
async def test_without_a_token_everything_but_what_is_open_is_401(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        operator = local_token(engine.state, "operator")
        for path in PATHS:
            for method in ("GET", "POST", "DELETE", "OPTIONS", "PUT"):
                for shown in ({}, {"authorization": "Bearer rcl_x"}, {"authorization": f"Token {operator}"}):
                    answer = await engine.ask(method, f"{path}?token={operator}", **shown)
                    assert answer.status in ((401,) if not shown else (401, 429)), (method, path)
                    assert answer.status == 429 or answer.headers["www-authenticate"] == "Bearer"
        for path in ("/", "/readyz", "/openapi.json"):
            for method in ("POST", "DELETE", "OPTIONS", "PUT"):
                assert (await engine.ask(method, path)).status == 401
            assert (await engine.ask("GET", path)).status == 200
        answer = await engine.ask("GET", "/healthz")
        assert (answer.status, answer.json) == (200, {"status": "ok"})
        answer = await engine.ask("GET", "/api/v1/hello", authorization=f"Bearer {operator}")
        assert (answer.status, answer.json["url"]) == (200, engine.host.facts.url)


@requirement("GATE-1:tokens")
async def test_a_token_is_for_its_own_project(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        other = local_token(engine.host.projects["other"].state, "operator")
        for path, mine, theirs in (
            ("/api/v1/status", 200, 401),
            ("/p/desk/api/v1/status", 200, 401),
            ("/p/other/api/v1/status", 401, 200),
            ("/p/nobody/api/v1/status", 404, 401),
        ):
            assert (await engine.ask("GET", path, "operator")).status == mine
            assert (await engine.ask("GET", path, authorization=f"Bearer {other}")).status == theirs
        for path in ("/p/other/mcp", "/p/nobody/mcp"):
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            assert (await engine.ask("POST", path, "client", ping)).status in (401, 404)


@requirement("GATE-1:tokens")
async def test_guessing_is_slowed_down_and_whoever_has_a_token_does_not_notice(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        wrong = [await engine.ask("GET", "/api/v1/status", authorization=f"Bearer rcl_{n}") for n in range(12)]
        assert [answer.status for answer in wrong] == [401] * 10 + [429] * 2
        assert 0 < int(wrong[-1].headers["retry-after"]) <= 61
        forwarded = {"x_forwarded_for": "192.0.2.7", "authorization": "Bearer rcl_x"}
        assert (await engine.ask("GET", "/api/v1/status", **forwarded)).status == 429
        assert (await engine.ask("GET", "/api/v1/status", "viewer")).status == 200
        assert (await engine.ask("GET", "/api/v1/status")).status == 401
        assert await asyncio.to_thread(Client(engine.state.socket).hello)


@requirement("GATE-1:host-origin")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/x-www-form-urlencoded"}, 415),
        ({"content_type": "multipart/form-data; boundary=x"}, 415),
        ({"content_type": "text/plain; application/json"}, 415),
        ({"content_type": "application/jsonp"}, 415),
        ({"content_type": "text/json"}, 415),
        ({"content_type": ""}, 415),
        ({"content_type": "application/json,text/plain"}, 415),
        ({"origin": "null"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "http://localhost:6274"}, 403),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"content_type": "Application/JSON"}, 200),
        ({"origin": "http://localhost:6274", "sec_fetch_site": "same-site"}, 200),
    ],
)
async def test_what_a_page_can_make_a_browser_send_changes_nothing(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("POST", "/api/v1/follow", "operator", {"on": True}, **headers)
        assert answer.status == status
        assert engine.host.root.followed.on == (status == 200)


@requirement("GATE-1:tokens", "GATE-1:endings")
async def test_one_that_is_taken_back_ends_what_is_open_with_it_and_nothing_else(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        async with line(engine.address) as mine, line(engine.address) as other:
            await mine.say(engine.request("GET", "/api/v1/events/stream", "viewer"))
            await other.say(engine.request("GET", "/api/v1/events/stream", "editor"))
            for each in (mine, other):
                assert (await each.hear_head())[0] == 200
            revoke_token(engine.state, "viewer-token")
            with anyio.fail_after(5):
                await mine.hear_chunks()  # the stream ends, it does not break
            await mine.say(engine.request("GET", "/api/v1/status", "viewer"))
            assert (await mine.hear()).status == 401
            engine.host.root.events.say("test", "still here")
            while b"still here" not in await other.hear_line():
                pass
        assert (await engine.ask("GET", "/api/v1/status", "viewer")).status == 401


@requirement("GATE-1:tokens", "GATE-1:endings")
async def test_what_has_no_answer_yet_is_answered_with_401_when_the_token_goes(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine, line(engine.address) as one:
        head = engine.request("POST", "/api/v1/follow", "operator", b"")
        await one.say(head.replace(b"content-length: 0", b"content-length: 5"))
        await _asked(engine)
        revoke_token(engine.state, "operator-token")
        answer = await one.hear()
        assert (answer.status, answer.json["error"]["message"]) == (401, "the token was taken back")


async def _asked(engine: Hosted) -> None:
    """Wait until a request is being worked on: another one on the same loop was answered after it came."""
    for _ in range(3):
        assert (await engine.ask("GET", "/healthz")).status == 200


@requirement("GATE-1:endings")
async def test_the_end_of_the_engine_ends_what_is_open_without_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosted(tmp_path) as engine, line(engine.address) as one, line(engine.address) as stream:
        await stream.say(engine.request("GET", "/api/v1/events/stream", "viewer"))
        assert (await stream.hear_head())[0] == 200
        head = engine.request("POST", "/api/v1/follow", "operator", b"")
        await one.say(head.replace(b"content-length: 0", b"content-length: 5"))
        await _asked(engine)
        engine.host.stopping.set()
        assert (await one.hear()).status == 503
        await stream.hear_chunks()
    assert [record for record in caplog.records if record.name.startswith("uvicorn") and record.levelno > 20] == []


@requirement("GATE-1:endings")
async def test_an_engine_that_ends_by_a_defect_says_that_it_stops_and_nothing_of_tokens(tmp_path: Path) -> None:
    host = Host()
    file = tmp_path / "reconciler.yaml"
    file.write_text("mcpServers: {}", encoding="utf-8")
    await host.add(Sources(file, (), tmp_path), tmp_path / "state")
    async with AsyncExitStack() as kept:
        with pytest.raises(RuntimeError, match="a defect"):
            async with open_listeners(host, ANY_PORT):
                engine = Hosted(host)
                one = await kept.enter_async_context(line(engine.address))
                head = engine.request("POST", "/api/v1/follow", "operator", b"")
                await one.say(head.replace(b"content-length: 0", b"content-length: 5"))
                await _asked(engine)
                raise RuntimeError("a defect")
        assert (await one.hear()).status == 503
    await host.stop()


CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "one__echo",
        "arguments": {"text": "still here"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}


@requirement("GATE-1:tokens")
async def test_a_connection_that_was_trusted_a_hundred_times_is_not_when_its_token_is_taken_back(
    tmp_path: Path,
) -> None:
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp_protocol_version": "2026-07-28",
        "mcp_method": "tools/call",
        "mcp_name": "one__echo",
    }
    async with hosted(tmp_path, {"one": light("one", requireApproval=False)}) as engine, line(engine.address) as one:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        request = engine.request("POST", "/mcp", "client", CALL, **headers)
        for _ in range(100):
            await one.say(request)
            answer = await one.hear()
            assert answer.json["result"]["content"][0]["text"] == "still here"
        revoke_token(engine.state, "client-token")
        engine.host.root.tokens.look()
        for _ in range(3):
            await one.say(request)
            assert (await one.hear()).status == 401


async def test_a_body_that_is_too_large_is_413_and_one_that_is_no_object_400(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        large = await engine.ask("POST", "/api/v1/follow", "operator", b'"' + b"x" * 4 * 1024 * 1024 + b'"')
        assert (large.status, large.json["error"]["code"]) == (413, "too-large")
        for body in (b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000, json.dumps({"on": True, "autoApprove": 3}).encode()):
            assert (await engine.ask("POST", "/api/v1/follow", "operator", body)).status == 400
