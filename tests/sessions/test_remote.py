"""Sessions over HTTP and SSE with real servers: what they say, how they end, and that they leave nothing behind."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from reconciler.model.secret import SecretRef
from reconciler.sessions import door, stale
from reconciler.sessions.hub import Hub
from reconciler.sessions.remote import open_remote
from reconciler.sessions.session import CLIENT_CAPABILITIES, DeadlineExceeded, Era, RpcError, SessionError
from tests.requirements import requirement
from tests.rig.evil_http import (
    INFO,
    Behaviour,
    Connection,
    EvilHttp,
    Request,
    Sse,
    answers,
    mcp,
    never,
    refuses,
    resets,
    says,
    streams,
)
from tests.rig.sdk_http import serving
from tests.sessions.remotes import Heard, failure, no_secrets, nothing_left, opened, remote

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]
__all__ = ["nothing_left"]

CHANGES = {"tools": {"listChanged": True}}


# Every kind of server


@requirement("CFG-3:http", "LIVE-1:both-eras")
@pytest.mark.parametrize(
    ("era", "found"), [(None, "stateless"), ("stateless", "stateless"), ("handshake", "handshake")]
)
async def test_the_sdks_server_is_reached_in_either_era(era: Era | None, found: Era) -> None:
    with anyio.fail_after(10):
        async with serving() as url, opened(url, era=era) as session:
            assert session.handshake.era == found
            assert session.handshake.protocol_version == {"stateless": "2026-07-28", "handshake": "2025-11-25"}[found]
            assert session.handshake.server_info is not None and session.handshake.server_info["name"] == "sample"
            assert session.pid is None
            tools = await session.request("tools/list", {}, timeout=5)
            assert [tool["name"] for tool in tools["tools"]] == ["add", "count"]
            result = await session.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, timeout=5)
            assert result["structuredContent"] == {"result": 3}
            await session.probe(5)


@requirement("CFG-3:sse")
async def test_an_sse_server_is_reached() -> None:
    with anyio.fail_after(10):
        async with serving("sse") as url, opened(url, "sse") as session:
            assert session.handshake.era == "handshake"
            result = await session.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, timeout=5)
            assert result["structuredContent"] == {"result": 3}
            await session.probe(5)


@requirement("LIVE-1:both-eras")
async def test_a_server_that_only_knows_the_handshake_is_asked_for_it_after_the_probe() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp()) as server, opened(server.url) as session:
            assert session.handshake.era == "handshake"
            await session.probe()
            assert [request.rpc for request in server.requests][:3] == [
                "server/discover",
                "initialize",
                "notifications/initialized",
            ]


@requirement("LIVE-1:both-eras")
@pytest.mark.parametrize(
    "answer",
    [says(400), says(404), says(405), says(406), says(500), says(200, b"<html>", "text/html"), says(202)],
)
async def test_whatever_an_older_server_says_to_the_probe_it_is_asked_for_the_handshake(answer: Behaviour) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"server/discover": answer})) as server, opened(server.url) as session:
            assert session.handshake.era == "handshake"


@requirement("LIVE-1:both-eras")
async def test_a_wrong_idea_of_the_era_costs_a_round_trip_and_no_more() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless")) as server, opened(server.url, era="handshake") as session:
            assert session.handshake.era == "stateless"


async def test_the_door_opens_the_same_session() -> None:
    with anyio.fail_after(10):
        async with EvilHttp(mcp()) as server, door.open_remote(remote(server.url), no_secrets, Heard()) as session:
            assert await session.request("tools/list", {}, timeout=5)


# What is said arrives as it was said


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_results_keep_what_the_typed_layer_does_not_know(era: Era) -> None:
    odd = {"tools": [{"name": 7}, {"name": "a", "inputSchema": {}, "x-vendor": {"y": [None]}}], "extra": 1.5}
    with anyio.fail_after(5):
        async with EvilHttp(mcp(era, **{"tools/list": answers(odd)})) as server, opened(server.url) as session:
            assert await session.request("tools/list", {}, timeout=5) == odd
            assert session.handshake.server_info == {"name": "evil", "version": "1", "x-vendor": "kept"}


@requirement("LIVE-2:neighbours")
@pytest.mark.parametrize("era", ["handshake", "stateless"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
async def test_numbers_that_json_does_not_have_go_no_further(era: Era, number: float) -> None:
    """A client would take nothing of a list in which one of them stands."""
    odd = {"tools/list": answers({"tools": [{"name": "a", "default": [number]}]})}
    error = {"tools/call": refuses(-32000, "no", data={"left": number})}
    with anyio.fail_after(5):
        async with EvilHttp(mcp(era, **odd, **error)) as server, opened(server.url) as session:
            with pytest.raises(SessionError, match="NaN or Infinity"):
                await session.request("tools/list", {}, timeout=5)
            with pytest.raises(SessionError, match="not MCP"):
                await session.request("tools/call", {"name": "a"}, timeout=5)
            await session.probe()


async def test_nobody_is_told_of_numbers_that_json_does_not_have() -> None:
    heard = Heard()
    told = [{"jsonrpc": "2.0", "method": "notifications/vendor", "params": {"at": at}} for at in (math.nan, 1.5)]
    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=streams(*told))) as server, opened(server.url, heard=heard):
            assert await heard.until("notifications/vendor") == {"at": 1.5}


@pytest.mark.parametrize("status", [200, 400, 404, 500])
async def test_a_json_rpc_error_arrives_whole_whatever_its_status(status: int) -> None:
    refuse = refuses(-32602, "no such tool", status=status, data={"name": "x"})
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", **{"tools/call": refuse})) as server, opened(server.url) as session:
            with pytest.raises(RpcError) as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert caught.value.error == {"code": -32602, "message": "no such tool", "data": {"name": "x"}}
            await session.probe()


async def test_params_travel_as_they_are_but_for_the_envelope() -> None:
    params = {
        "name": "echo",
        "arguments": {"n": None, "big": 2**60},
        "x-vendor": [1],
        "_meta": {"mine": 1, "progressToken": "theirs", "io.modelcontextprotocol/protocolVersion": "1999-01-01"},
    }
    call = answers({"content": []})
    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": call})) as server, opened(server.url) as session:
            await session.request("tools/call", params, timeout=5)
            assert server.seen("tools/call")[0].message["params"] == {**params, "_meta": {"mine": 1}}
        async with EvilHttp(mcp("stateless", **{"tools/call": call})) as server, opened(server.url) as session:
            await session.request("tools/call", params, timeout=5)
            meta = server.seen("tools/call")[0].message["params"]["_meta"]
            assert meta["mine"] == 1 and "progressToken" not in meta
            assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
            assert meta["io.modelcontextprotocol/clientCapabilities"] == CLIENT_CAPABILITIES


async def test_every_server_is_told_the_same_capabilities() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp()) as server, opened(server.url):
            params = server.seen("initialize")[0].message["params"]
            assert params["capabilities"] == CLIENT_CAPABILITIES
            assert params["clientInfo"]["name"] == "mcp-reconciler"


@pytest.mark.parametrize("era", [None, "handshake"])
async def test_progress_reaches_the_call_that_it_belongs_to(era: Era | None) -> None:
    steps: list[Any] = []
    with anyio.fail_after(10):
        async with serving() as url, opened(url, era=era) as session:
            call = {"name": "count", "arguments": {"to": 3}}
            await session.request("tools/call", call, timeout=5, on_progress=lambda step: steps.append(dict(step)))
            assert [(step["progress"], step["total"]) for step in steps] == [(1, 3), (2, 3), (3, 3)]


async def test_arguments_that_a_tool_wants_as_headers_travel_as_headers() -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    listed = answers({"tools": [{"name": "look", "inputSchema": schema}, {"name": 5, "inputSchema": schema}]})
    with anyio.fail_after(5):
        server = EvilHttp(mcp("stateless", **{"tools/list": listed, "tools/call": answers({"content": []})}))
        async with server, opened(server.url) as session:
            await session.request("tools/list", {}, timeout=5)
            await session.request("tools/call", {"name": "look", "arguments": {"region": "north"}}, timeout=5)
            headers = server.seen("tools/call")[0].headers
            assert (headers["mcp-param-region"], headers["mcp-name"], headers["mcp-method"]) == (
                "north",
                "look",
                "tools/call",
            )


# What the server says unasked


async def test_notifications_arrive_raw_from_the_standing_stream_of_the_handshake_era() -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1, "x": "y"}}
    unknown = {"jsonrpc": "2.0", "method": "notifications/vendor", "params": {"z": 1}}
    heard = Heard()
    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=streams(message, unknown))) as server, opened(server.url, heard=heard):
            assert await heard.until("notifications/vendor") == {"z": 1}
            assert heard[0] == ("notifications/message", {"level": "info", "data": 1, "x": "y"})


async def test_changed_lists_are_heard_of_on_a_subscription_in_the_stateless_era() -> None:
    heard = Heard()
    changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    with anyio.fail_after(5):
        server = EvilHttp(mcp("stateless", CHANGES, **{"subscriptions/listen": streams(changed)}))
        async with server, opened(server.url, heard=heard):
            await heard.until("notifications/tools/list_changed")
            params = server.seen("subscriptions/listen")[0].message["params"]
            assert params["notifications"] == {"toolsListChanged": True}


async def test_nothing_is_subscribed_to_where_the_server_tells_of_no_changes() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless")) as server, opened(server.url) as session:
            await session.probe()
            assert server.seen("subscriptions/listen") == []


async def test_a_refused_subscription_is_not_asked_for_again() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", CHANGES)) as server, opened(server.url) as session:
            await server.until("subscriptions/listen")
            await session.probe()
            assert len(server.seen("subscriptions/listen")) == 1


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("ping", {"result": {}}),
        ("elicitation/create", {"result": {"action": "decline"}}),
        ("vendor/x", {"error": {"code": -32601, "message": "Method not found: vendor/x"}}),
    ],
)
async def test_a_question_of_the_server_is_answered_without_a_person(asked: str, answered: dict[str, Any]) -> None:
    question = {"jsonrpc": "2.0", "id": "q1", "method": asked, "params": {}}
    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=streams(question))) as server, opened(server.url):
            answer = await server.until("POST")
            assert answer.message == {"jsonrpc": "2.0", "id": "q1", **answered}


# Deadlines and cancellations


async def test_a_late_answer_is_given_up_and_the_server_is_told() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": never})) as server, opened(server.url) as session:
            with pytest.raises(DeadlineExceeded, match=r"No answer to tools/call within 0\.2 s"):
                await session.request("tools/call", {"name": "slow"}, timeout=0.2)
            told = await server.until("notifications/cancelled")
            assert told.message["params"]["requestId"] == server.seen("tools/call")[0].message["id"]
            await session.probe()


async def test_a_late_answer_of_the_stateless_era_is_given_up_by_hanging_up() -> None:
    hung_up = asyncio.Event()

    async def slow(request: Request, connection: Connection) -> None:
        await connection.gone()
        hung_up.set()

    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", **{"tools/call": slow})) as server, opened(server.url) as session:
            with pytest.raises(DeadlineExceeded):
                await session.request("tools/call", {"name": "slow"}, timeout=0.2)
            await hung_up.wait()
            assert server.seen("notifications/cancelled") == []
            await session.probe()


async def test_cancelling_the_caller_cancels_the_request_at_the_server() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": never})) as server, opened(server.url) as session:
            call = asyncio.create_task(session.request("tools/call", {"name": "slow"}, timeout=60))
            await server.until("tools/call")
            call.cancel()
            await server.until("notifications/cancelled")
            assert call.cancelled()


async def test_a_server_that_hangs_on_a_notification_holds_up_no_request() -> None:
    behave = mcp(**{"tools/call": never, "notifications/cancelled": never})
    with anyio.fail_after(4):
        async with EvilHttp(behave) as server, opened(server.url) as session:
            with pytest.raises(DeadlineExceeded):
                await session.request("tools/call", {"name": "slow"}, timeout=0.1)
            await server.until("notifications/cancelled")
            await session.probe(1)


# What goes wrong at the start


@requirement("LIVE-1:reason-has-http-status")
@pytest.mark.parametrize(
    ("answer", "code", "terminal", "wait", "words"),
    [
        (says(401, WWW_Authenticate="Bearer"), "auth", True, None, "HTTP 401 Unauthorized"),
        (says(403), "auth", True, None, "HTTP 403 Forbidden"),
        (says(404), "http-404", False, None, "HTTP 404 Not Found. Is this an SSE server"),
        (says(429, Retry_After="17"), "http-429", False, 17.0, "HTTP 429 Too Many Requests"),
        (says(429, Retry_After="999999"), "http-429", False, 3600.0, "HTTP 429"),
        (says(429, Retry_After="soon"), "http-429", False, None, "HTTP 429"),
        (says(503, Retry_After="2"), "http-503", False, 2.0, "HTTP 503 Service Unavailable"),
        (says(500), "http-500", False, None, "HTTP 500 Internal Server Error"),
        (says(599), "http-599", False, None, "HTTP 599"),
        (says(418, b'{"error": "a teapot"}', "application/json"), "http-418", False, None, "a teapot"),
        (says(200, b"<html>", "text/html"), "protocol", False, None, "text/html instead of JSON"),
        (refuses(-32000, "go away"), "handshake", False, None, "refused the handshake: go away"),
    ],
)
async def test_a_refusal_at_the_start_becomes_a_sentence(
    answer: Any, code: str, terminal: bool, wait: float | None, words: str
) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(answer) as server:
            error = await failure(server.url)
    assert (error.code, error.terminal, error.retry_after) == (code, terminal, wait)
    assert words in str(error) and f"127.0.0.1:{server.port}" in str(error)


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_server_that_refuses_is_asked_only_once(status: int) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(status)) as server:
            await failure(server.url)
            assert len(server.requests) == 1


async def test_the_challenge_is_kept_for_the_sign_in() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(401, WWW_Authenticate='Bearer scope="x"')) as server:
            error = await failure(server.url)
    assert error.challenge == 'Bearer scope="x"'


async def test_a_server_that_never_answers_fails_at_the_start_deadline() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(never) as server:
            error = await failure(server.url, start=0.3)
    assert isinstance(error, DeadlineExceeded) and "did not answer the handshake within 0.3 s" in str(error)


async def test_a_server_that_drips_fails_at_the_start_deadline() -> None:
    async def drip(request: Request, connection: Connection) -> None:
        await connection.head(200, {"content-type": "application/json", "content-length": "1000000"})
        await connection.drip(b" ", 0.05)

    with anyio.fail_after(5):
        async with EvilHttp(drip) as server:
            error = await failure(server.url, start=0.5)
    assert isinstance(error, DeadlineExceeded)


async def test_refused_connections_are_said_with_host_and_port_only() -> None:
    async with EvilHttp(never) as server:
        port = server.port
    with anyio.fail_after(5):
        error = await failure(f"http://user:hunter22@127.0.0.1:{port}/mcp?key=hunter23")
    assert str(error) == f"127.0.0.1:{port} refuses connections."
    assert (error.code, error.terminal) == ("refused", False)


async def test_a_name_that_does_not_resolve_is_said() -> None:
    with anyio.fail_after(10):
        error = await failure("http://nowhere.invalid/mcp")
    assert (str(error), error.code) == ("The name in nowhere.invalid:80 cannot be resolved.", "dns")


@pytest.mark.parametrize("version", ["2038-01-19", "1999-01-01", 7])
async def test_a_version_that_nobody_knows_is_an_error_and_no_loop(version: Any) -> None:
    result = {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "x", "version": "1"}}
    with anyio.fail_after(5):
        async with EvilHttp(mcp(initialize=answers(result))) as server:
            error = await failure(server.url)
            assert len(server.seen("initialize")) == 1
    assert error.code in ("protocol-version", "protocol")


async def test_an_sse_server_that_names_no_endpoint_fails_at_the_start_deadline() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(streams()) as server:
            error = await failure(server.url, "sse", start=0.3)
    assert isinstance(error, DeadlineExceeded)


@pytest.mark.parametrize("status", [401, 404, 503])
@requirement("LIVE-1:reason-has-http-status")
async def test_an_sse_server_that_refuses_is_said_with_its_status(status: int) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(status, Retry_After="9")) as server:
            error = await failure(server.url, "sse")
    assert f"HTTP {status}" in str(error) and error.retry_after == 9.0


# What goes wrong in the middle


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_broken_connection_fails_its_request_and_not_the_session(era: Era) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(era, **{"tools/call": resets})) as server, opened(server.url) as session:
            with pytest.raises(SessionError) as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert caught.value.code == "closed"
            await session.probe()
            assert (await session.request("tools/list", {}, timeout=5))["tools"] == []


async def test_an_answer_that_breaks_off_in_the_middle_fails_its_request() -> None:
    async def half(request: Request, connection: Connection) -> None:
        await connection.head(200, {"content-type": "application/json", "content-length": "1000"})
        await connection.raw(b'{"jsonrpc"')
        connection.writer.close()

    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": half})) as server, opened(server.url) as session:
            with pytest.raises(SessionError) as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert caught.value.code == "closed"
            await session.probe()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"jsonrpc":"2.0"}', b"\xff\xfe", b"[" * 10000, b'{"a":"\\ud800"}']
)
async def test_an_answer_that_is_no_json_rpc_fails_its_request_at_once(body: bytes) -> None:
    with anyio.fail_after(5):
        behave = mcp(**{"tools/call": says(200, body, "application/json")})
        async with EvilHttp(behave) as server, opened(server.url) as session:
            with pytest.raises(SessionError) as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert caught.value.code == "protocol"
            await session.probe()


async def test_an_answer_stream_that_ends_without_an_answer_fails_its_request() -> None:
    with anyio.fail_after(5):
        behave = mcp(**{"tools/call": streams(lasting=False)})
        async with EvilHttp(behave) as server, opened(server.url) as session:
            with pytest.raises(SessionError, match="ended the event stream") as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert caught.value.code == "closed"


async def test_an_answer_stream_that_breaks_is_taken_up_again_where_it_broke() -> None:
    """Servers may end a stream early and be asked to go on (MCP 2025-11-25, basic/transports, resumability)."""

    async def begin(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.raw(b"id: 7\nretry: 10\ndata:\n\n")
        connection.writer.close()

    async def go_on(request: Request, connection: Connection) -> None:
        if request.headers.get("last-event-id") != "7":
            return await connection.answer(405)
        await connection.stream()
        asked = server.seen("tools/call")[0].message["id"]
        await connection.event({"jsonrpc": "2.0", "id": asked, "result": {"late": True}})
        return await connection.gone()

    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=go_on, **{"tools/call": begin})) as server, opened(server.url) as session:
            assert await session.request("tools/call", {"name": "x"}, timeout=5) == {"late": True}


async def test_endless_comments_on_an_answer_stream_end_at_the_deadline() -> None:
    async def comments(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.drip(b": still here\n\n", 0.02)

    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": comments})) as server, opened(server.url) as session:
            with pytest.raises(DeadlineExceeded):
                await session.request("tools/call", {"name": "x"}, timeout=0.3)
            await session.probe()


async def test_a_request_is_not_even_sent_while_the_server_asked_for_quiet() -> None:
    with anyio.fail_after(5):
        behave = mcp("stateless", **{"tools/call": says(429, Retry_After="60")})
        async with EvilHttp(behave) as server, opened(server.url) as session:
            with pytest.raises(SessionError) as caught:
                await session.request("tools/call", {"name": "x"}, timeout=5)
            assert (caught.value.code, caught.value.retry_after) == ("http-429", 60)
            before = len(server.requests)
            with pytest.raises(SessionError) as again:
                await session.request("tools/list", {}, timeout=5)
            assert again.value.retry_after is not None and 55 < again.value.retry_after <= 60
            await session.probe()
            assert len(server.requests) == before


async def test_credentials_that_are_no_longer_accepted_end_the_session() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless", **{"tools/call": says(401)})) as server, opened(server.url) as session:
            with pytest.raises(SessionError):
                await session.request("tools/call", {"name": "x"}, timeout=5)
            end = await session.ended()
            assert end.terminal and "HTTP 401" in end.reason


# The end is noticed


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_the_death_of_an_idle_server_is_noticed_at_once(era: Era) -> None:
    behave = mcp(era, CHANGES, GET=streams(), **{"subscriptions/listen": streams()})
    async with EvilHttp(behave) as server:
        with anyio.fail_after(2):
            async with opened(server.url) as session:
                await server.until("GET" if era == "handshake" else "subscriptions/listen")
                await server.stop()
                end = await session.ended()
                assert end.reason == f"127.0.0.1:{server.port} refuses connections." and not end.terminal
                with pytest.raises(SessionError, match="refuses connections"):
                    await session.request("tools/list", {}, timeout=5)


@requirement("LIVE-2:death-noticed")
async def test_the_death_of_an_sse_server_is_noticed_at_once() -> None:
    async with EvilHttp(Sse(slow=None)) as server:
        with anyio.fail_after(3):
            async with opened(server.url, "sse") as session:
                call = asyncio.create_task(session.request("slow", {}, timeout=60))
                await server.until("slow")
                await server.stop()
                end = await session.ended()
                assert end.reason == f"127.0.0.1:{server.port} ended the event stream."
                with pytest.raises(SessionError, match="ended the event stream"):
                    await call


async def test_an_sse_server_that_wants_its_messages_elsewhere_is_not_obeyed() -> None:
    with anyio.fail_after(3):
        async with EvilHttp(never) as trap, EvilHttp(Sse(f"http://127.0.0.1:{trap.port}/messages")) as server:
            error = await failure(server.url, "sse")
            assert trap.connections == 0
    assert (error.code, error.terminal) == ("redirect", True)


@requirement("LIVE-2:reasons")
@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"event: endpoint\ndata: /" + b"x" * 100_000, "does not say where to post: its first event has no end"),
        (b"data: /" + b"x\ndata: " * 20_000, "does not say where to post: its first event has no end"),
        (b": nothing\n\nevent: endpoint\ndata: http://127.0.0.1:1/\n\n", "wants its messages at another origin"),
        (b"event: endpoint\r\ndata: http://127.0.0.1:1/\r\n\r\n", "wants its messages at another origin"),
        (b"event: endpoint\ndata: http://there:port/\n\n", "wants its messages at something that is no URL"),
        (b"event: endpoint\ndata: /\xff\n\n", "wants its messages at something that is no URL"),
    ],
    ids=["line", "lines", "after-a-comment", "crlf", "no-url", "no-text"],
)
async def test_what_an_sse_server_says_first_is_refused_for_its_true_reason(begins: bytes, said: str) -> None:
    async def behave(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.raw(begins)
        await connection.gone()

    with anyio.fail_after(3):
        async with EvilHttp(behave) as server:
            assert f"127.0.0.1:{server.port} {said}" in str(await failure(server.url, "sse"))


async def test_an_sse_server_may_comment_and_say_where_to_post_bit_by_bit() -> None:
    sse = Sse()

    async def behave(request: Request, connection: Connection) -> None:
        if request.method != "GET":
            await sse(request, connection)
            return
        sse.standing = connection
        await connection.stream()
        await connection.raw(b": nothing yet\n\n" * 2000)
        for bit in (b"event: endpoint\r", b"\ndata: /mess", b"ages\r\n\r", b"\n"):
            await connection.raw(bit)
            await anyio.lowlevel.checkpoint()
        await connection.gone()

    with anyio.fail_after(5):
        async with EvilHttp(behave) as server, opened(server.url, "sse") as session:
            assert await session.request("tools/list", {}, timeout=5) == {"tools": []}


async def test_an_sse_server_that_refuses_the_handshake_is_said() -> None:
    sse = Sse(initialize=None)

    async def behave(request: Request, connection: Connection) -> None:
        await sse(request, connection)
        if request.rpc == "initialize" and sse.standing is not None:
            error = {"code": -32000, "message": "not today"}
            await sse.standing.event({"jsonrpc": "2.0", "id": request.message["id"], "error": error})

    with anyio.fail_after(3):
        async with EvilHttp(behave) as server:
            error = await failure(server.url, "sse")
    assert str(error) == f"127.0.0.1:{server.port} refused the handshake: not today"


async def test_a_refused_message_to_an_sse_server_fails_its_request_and_not_the_session() -> None:
    sse = Sse()

    async def behave(request: Request, connection: Connection) -> None:
        await (says(500)(request, connection) if request.rpc == "tools/call" else sse(request, connection))

    with anyio.fail_after(3):
        async with EvilHttp(behave) as server, opened(server.url, "sse") as session:
            with pytest.raises(SessionError, match="HTTP 500"):
                await session.request("tools/call", {"name": "x"}, timeout=60)
            assert await session.request("tools/list", {}, timeout=5) == {"tools": []}


@requirement("LIVE-2:death-noticed")
async def test_a_server_that_dies_under_a_call_fails_the_call_and_leaves_its_caller_alone() -> None:
    behave = mcp("stateless", CHANGES, **{"tools/call": never, "subscriptions/listen": streams()})
    async with EvilHttp(behave) as server:
        with anyio.fail_after(3):
            async with opened(server.url) as session:
                calls = [
                    asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60)) for _ in range(5)
                ]
                await server.until("tools/call", 5)
                await server.stop()
                results = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(result, SessionError) for result in results)
                await session.ended()
            me = asyncio.current_task()
            assert me is not None and me.cancelling() == 0


@requirement("LIVE-2:death-noticed")
@pytest.mark.parametrize("status", [404, 400])
async def test_a_restarted_server_that_forgot_the_session_ends_it(status: int) -> None:
    known = True

    async def call(request: Request, connection: Connection) -> None:
        if known:
            await connection.result(request, {})
        else:
            await connection.error(request, -32600, "Session not found", status=status)

    with anyio.fail_after(5):
        async with EvilHttp(mcp(ping=call, **{"tools/list": call})) as server, opened(server.url) as session:
            await session.request("tools/list", {}, timeout=5)
            known = False
            with pytest.raises((SessionError, RpcError)):
                await session.request("tools/list", {}, timeout=5)
            end = await session.ended()
            assert f"HTTP {status}" in end.reason and "session" in end.reason and not end.terminal


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_call_in_flight_when_the_session_is_left_fails_with_the_reason(era: Era) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp(era, **{"tools/call": never})) as server:
            async with opened(server.url) as session:
                call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60))
                await server.until("tools/call")
            with pytest.raises(SessionError, match="The session was closed"):
                await call


@requirement("LIVE-2:death-noticed")
async def test_a_call_in_flight_when_only_the_standing_stream_dies_fails_with_the_reason() -> None:
    gone = asyncio.Event()

    async def stream(request: Request, connection: Connection) -> None:
        await connection.stream()
        await gone.wait()
        connection.reset()

    async def ping(request: Request, connection: Connection) -> None:
        await connection.error(request, -32000, "who are you?", status=400)

    with anyio.fail_after(5):
        behave = mcp(GET=stream, ping=ping, **{"tools/call": never})
        async with EvilHttp(behave) as server, opened(server.url) as session:
            call = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60))
            await server.until("tools/call")
            await server.until("GET")
            gone.set()
            with pytest.raises(SessionError, match="does not take the session any more"):
                await call
            assert "who are you?" in (await session.ended()).reason


async def test_a_stateless_server_may_be_restarted_under_an_idle_session() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("stateless")) as server, opened(server.url) as session:
            await session.request("tools/list", {}, timeout=5)
            await server.stop()
            await server.start()
            assert await session.request("tools/list", {}, timeout=5)


async def test_a_standing_stream_that_breaks_is_opened_again_and_every_list_counts_as_changed() -> None:
    heard = Heard()
    streams_seen = 0

    async def stream(request: Request, connection: Connection) -> None:
        nonlocal streams_seen
        streams_seen += 1
        await connection.stream()
        if streams_seen == 1:
            connection.reset()
        await connection.gone()

    with anyio.fail_after(10):
        async with (
            EvilHttp(mcp("handshake", CHANGES, GET=stream)) as server,
            opened(server.url, heard=heard) as session,
        ):
            await heard.until("notifications/tools/list_changed")
            assert streams_seen == 2
            await session.probe()


async def test_a_server_without_a_standing_stream_is_as_good() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp("handshake", CHANGES, GET=says(405))) as server, opened(server.url) as session:
            await server.until("GET", 2)
            await session.probe()
            assert await session.request("tools/list", {}, timeout=5)
            assert not session.hears


@requirement("LIVE-2:untold-changes")
@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize(
    ("era", "stream"), [("handshake", "GET"), ("stateless", "subscriptions/listen")], ids=["handshake", "stateless"]
)
async def test_a_server_can_tell_of_changes_while_its_stream_is_open(era: Era, stream: str, lasting: bool) -> None:
    ends = asyncio.Event()

    async def stands(request: Request, connection: Connection) -> None:
        if ends.is_set():
            await connection.answer(503)
            return
        await connection.stream()
        await ends.wait()
        connection.reset() if lasting else connection.writer.close()

    with anyio.fail_after(10):
        async with EvilHttp(mcp(era, CHANGES, **{stream: stands})) as server, opened(server.url) as session:
            await until(lambda: session.hears)
            ends.set()
            await until(lambda: not session.hears)
            await server.until(stream, 2)
            await session.probe()
            assert not session.hears
            ends.clear()
            await until(lambda: session.hears)


@requirement("LIVE-2:untold-changes")
async def test_a_refused_subscription_tells_of_nothing() -> None:
    with anyio.fail_after(5):
        refused = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32601, "message": "not here"}}
        behave = mcp("stateless", CHANGES, **{"subscriptions/listen": streams(refused)})
        async with EvilHttp(behave) as server, opened(server.url) as session:
            await until(lambda: session.hears)
            await until(lambda: not session.hears)
            assert len(server.seen("subscriptions/listen")) == 1


@requirement("LIVE-2:untold-changes")
async def test_an_sse_server_can_always_tell() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(Sse()) as server, opened(server.url, "sse") as session:
            assert session.hears


@requirement("LIVE-2:untold-changes")
async def test_new_tools_of_a_server_without_sessions_are_seen_although_it_cannot_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stale, "UNTOLD_SECONDS", 0.05)
    offered: list[dict[str, Any]] = []

    async def lists(request: Request, connection: Connection) -> None:
        await connection.result(request, {"tools": offered})

    greeting = answers({"protocolVersion": "2025-11-25", "capabilities": CHANGES, "serverInfo": INFO})
    behave = mcp("handshake", initialize=greeting, GET=streams(), **{"tools/list": lists})
    with anyio.fail_after(10):
        async with EvilHttp(behave) as server:
            hub = Hub(lambda opening, _, notify: open_remote(opening, no_secrets, notify))
            live = hub.open(remote(server.url), lambda: None)
            await until(lambda: live.state == "ready")
            offered.append({"name": "new", "inputSchema": {"type": "object"}})
            await until(lambda: len(live.listing.tools) == 1)
            assert live.session is not None and not live.session.hears
            assert (live.state, server.seen("GET")) == ("ready", [])
            await hub.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what comes over the network and tells nobody."""
    while not holds():
        await anyio.lowlevel.checkpoint()


async def test_the_session_says_goodbye() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(mcp()) as server:
            async with opened(server.url):
                pass
            assert server.seen("DELETE")[0].headers["mcp-session-id"] == "session-1"


async def test_a_server_that_ignores_the_goodbye_is_left_in_bounded_time() -> None:
    with anyio.fail_after(4):
        async with EvilHttp(mcp(DELETE=never)) as server, opened(server.url):
            pass


async def test_leaving_goes_through_when_the_owner_is_cancelled() -> None:
    async def own(url: str, ready: asyncio.Event) -> None:
        async with opened(url):
            ready.set()
            await asyncio.Event().wait()

    with anyio.fail_after(5):
        async with EvilHttp(mcp(GET=streams())) as server:
            ready = asyncio.Event()
            owner = asyncio.create_task(own(server.url, ready))
            await ready.wait()
            owner.cancel()
            await asyncio.wait({owner})
            assert owner.cancelled() and server.seen("DELETE")


async def test_an_opening_that_is_cancelled_leaves_nothing() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(never) as server:
            owner = asyncio.create_task(failure(server.url))
            await server.until("server/discover")
            owner.cancel()
            await asyncio.wait({owner})
            assert owner.cancelled()


# Redirects


async def test_a_redirect_to_another_origin_is_not_followed() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(never) as trap:
            target = f"http://user:pw@localhost:{trap.port}/take?token=hunter22"
            async with EvilHttp(says(307, Location=target)) as server:
                error = await failure(server.url, headers={"Authorization": "Bearer hunter23"})
            assert trap.connections == 0
    assert (error.code, error.terminal) == ("redirect", True)
    assert f"redirects to http://localhost:{trap.port}/take (HTTP 307)" in str(error) and "hunter" not in str(error)


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://169.254.169.254/latest", "//evil.invalid/", "\\\\x", ""]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_away(status: int, target: str) -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(status, Location=target)) as server:
            error = await failure(server.url)
    assert error.code in ("redirect", f"http-{status}", "protocol")


async def test_a_redirect_within_the_origin_is_followed() -> None:
    inner = mcp()

    async def behave(request: Request, connection: Connection) -> None:
        if request.target == "/mcp" and request.method == "POST":
            await connection.answer(307, headers={"location": "/mcp/"})
        else:
            await inner(request, connection)

    with anyio.fail_after(5):
        async with EvilHttp(behave) as server, opened(server.url) as session:
            assert await session.request("tools/list", {}, timeout=5)


async def test_redirects_in_a_circle_end() -> None:
    with anyio.fail_after(5):
        async with EvilHttp(says(307, Location="/mcp")) as server:
            error = await failure(server.url)
            assert len(server.requests) <= 7
    assert error.code == "redirect"


# Headers and secrets


async def test_references_are_resolved_when_the_session_is_opened() -> None:
    asked: list[str] = []

    def resolve(reference: SecretRef) -> str:
        asked.append(str(reference))
        return {"${env:TOKEN}": "s3cret-value", "${secret:path}": "mcp"}[str(reference)]

    with anyio.fail_after(5):
        async with EvilHttp(mcp()) as server:
            there = remote(
                f"http://127.0.0.1:{server.port}/${{secret:path}}", headers={"Authorization": "Bearer ${env:TOKEN}"}
            )
            async with door.open_remote(there, resolve, Heard()):
                assert {r.headers["authorization"] for r in server.requests} == {"Bearer s3cret-value"}
                assert server.requests[0].target == "/mcp"
    assert asked == ["${secret:path}", "${env:TOKEN}"]


async def test_a_server_that_repeats_our_credentials_does_not_get_them_into_the_reason() -> None:
    body = json.dumps({"error_description": "bad token hunter22hunter22"}).encode()
    with anyio.fail_after(5):
        async with EvilHttp(says(401, body, "application/json")) as server:
            error = await failure(server.url, headers={"Authorization": "Bearer hunter22hunter22"})
    assert "bad token ***" in str(error) and "hunter" not in str(error)
