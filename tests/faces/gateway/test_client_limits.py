"""Every bound on clients: what is allowed passes, one more does not, and nobody else suffers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.faces.gateway.limits import LIMITS
from tests.faces.gateway.served import STATELESS, Handshaken, Served, Stream, head, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:client-limits")]

TOKEN = {"_meta": {"progressToken": 1}}
FORMS: dict[str, Any] = {"elicitation": {}}
ADA = {"action": "accept", "content": {"name": "Ada"}}


@asynccontextmanager
async def limited(folder: Path, **limits: Any) -> AsyncIterator[Served]:
    servers = {name: program("curious") for name in ("old", "older", "oldest")}
    async with served(folder, servers, limits=replace(LIMITS, **limits), defaults={"requireApproval": False}) as found:
        yield found


def padded(request: dict[str, Any], size: int) -> bytes:
    """A request of exactly so many bytes."""
    room = size - len(json.dumps({**request, "pad": ""}).encode())
    return json.dumps({**request, "pad": "x" * room}).encode()


async def test_a_body_has_its_limit_of_bytes_and_not_one_more(tmp_path: Path) -> None:
    async with limited(tmp_path, body=1000) as gateway:
        client = await gateway.opened()
        request = client.request("ping")
        assert (await client.post(padded(request, 1000))).result == {}
        answer = await client.post(padded(request, 1001))
        assert answer.status == 413
        stateless = gateway.stateless()
        asked = stateless.request("tools/list")
        assert (await stateless.post(padded(asked, 1000), **stateless.routing(asked))).status == 200
        assert (await stateless.post(padded(asked, 1001), **stateless.routing(asked))).status == 413


async def test_a_body_that_does_not_say_its_size_has_the_same_limit(tmp_path: Path) -> None:
    async with limited(tmp_path, body=1000) as gateway:
        client = await gateway.opened()
        for size, status in ((1000, b"200"), (1001, b"413")):
            body = padded(client.request("ping"), size)
            headers = {**client.headers, "transfer-encoding": "chunked", "connection": "close"}
            async with gateway.dialled() as (reader, writer):
                writer.write(head("POST", "/mcp", headers))
                for piece in (body[:500], body[500:]):
                    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 " + status)


async def test_what_is_held_of_all_requests_together_is_bounded(tmp_path: Path) -> None:
    async with limited(tmp_path, bodies=2000) as gateway:
        client = await gateway.opened("/mcp/s/old")
        hang = padded(client.request("tools/call", name="hang", arguments={}, **TOKEN), 1500)
        async with client.stream("POST", hang) as stream:
            await stream.next()
            assert (await client.post(padded(client.request("ping"), 500))).status == 200
            busy = await client.post(padded(client.request("ping"), 501))
            assert busy.status == 503 and busy.headers["retry-after"] == "1"
            await client.call("release")
            await stream.rest()
        assert gateway.gateway.office.room.held == 0
        assert (await client.post(padded(client.request("ping"), 2000))).status == 200


async def test_messages_nest_to_their_limit(tmp_path: Path) -> None:
    async with limited(tmp_path, depth=6) as gateway:
        client = await gateway.opened()
        for deep, status in ((5, 200), (6, 400)):
            text = json.dumps({**client.request("ping"), "pad": 0}).replace(
                '"pad": 0', f'"pad": {"[" * deep}{"]" * deep}'
            )
            answer = await client.post(text.encode())
            assert answer.status == status
            if status == 400:
                assert answer.error["code"] == -32700 and answer.last["id"] is None


async def test_a_batch_has_its_limit_of_messages(tmp_path: Path) -> None:
    async with limited(tmp_path, batch=3) as gateway:
        client = await gateway.opened(version="2025-03-26")
        assert len((await client.post([client.request("ping") for _ in range(3)])).last) == 3
        assert (await client.post([client.request("ping") for _ in range(4)])).error["code"] == -32600


async def test_of_too_many_sessions_the_one_that_was_idle_longest_goes(tmp_path: Path) -> None:
    async with limited(tmp_path, sessions_each=2, sessions=3) as gateway:
        first, second = await gateway.opened(), await gateway.opened()
        await first.ask("ping")
        third = await gateway.opened()
        assert (await second.ask("ping")).status == 404
        assert (await first.ask("ping")).status == 200 and (await third.ask("ping")).status == 200
        operator = gateway.handshaken(token=gateway.tokens["operator"])
        await operator.open()
        again = gateway.handshaken(token=gateway.tokens["operator"])
        await again.open()
        assert (await first.ask("ping")).status == 404, "the oldest of all goes where all are too many"
        assert len(gateway.gateway.office.sessions) == 3


async def test_a_session_that_is_used_does_not_go(tmp_path: Path) -> None:
    async with limited(tmp_path, sessions_each=1) as gateway:
        client = await gateway.opened()
        async with client.stream("GET", accept="text/event-stream"):
            refused = await gateway.handshaken().ask(
                "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={}
            )
            assert refused.status == 503 and "retry-after" in refused.headers
            assert (await client.ask("ping")).status == 200


async def test_an_idle_session_is_over_in_time_and_a_listening_one_is_not(tmp_path: Path) -> None:
    async with limited(tmp_path, idle=0.3) as gateway:
        idle, listening = await gateway.opened(), await gateway.opened()
        async with listening.stream("GET", accept="text/event-stream"):
            sessions = gateway.gateway.office.sessions
            await gateway.desk.until(lambda: len(sessions) == 1)
            assert (await idle.ask("ping")).status == 404
            assert (await listening.ask("ping")).status == 200


async def test_a_session_has_its_limit_of_requests_at_a_time(tmp_path: Path) -> None:
    async with limited(tmp_path, running=2) as gateway, AsyncExitStack() as streams:
        client, other = await gateway.opened("/mcp/s/old"), await gateway.opened("/mcp/s/old")
        for _ in range(2):
            hang = client.request("tools/call", name="hang", arguments={}, **TOKEN)
            await (await streams.enter_async_context(client.stream("POST", hang))).next()
        refused = await client.ask("ping")
        assert refused.status == 400 and refused.error["code"] == -32600
        assert (await other.ask("ping")).status == 200
        await other.call("release")


async def test_a_further_stream_takes_the_place_of_the_oldest(tmp_path: Path) -> None:
    async with limited(tmp_path, streams=2) as gateway, AsyncExitStack() as open_streams:
        client = await gateway.opened()
        streams: list[Stream] = []
        for _ in range(3):
            get = client.stream("GET", accept="text/event-stream")
            streams.append(await open_streams.enter_async_context(get))
        assert await streams[0].rest() == []
        await client.call("old__late", ms="0")
        gateway.desk.host.stopping.set()
        assert await streams[1].rest() == [] and await streams[2].rest() == []


async def test_a_principal_has_its_limit_of_listen_streams(tmp_path: Path) -> None:
    async with limited(tmp_path, listens=1) as gateway:
        client, operator = gateway.stateless(), gateway.stateless(token=gateway.tokens["operator"])
        request = client.request("subscriptions/listen", notifications={"toolsListChanged": True})
        async with client.stream("POST", request, **client.routing(request)) as stream:
            await stream.next()
            refused = await client.post(request, **client.routing(request))
            assert refused.error["code"] == -32000
            async with operator.stream("POST", request, **client.routing(request)) as another:
                assert (await another.next())["method"] == "notifications/subscriptions/acknowledged"
        with anyio.fail_after(5):
            while True:  # it is a moment until the end of a connection is seen
                async with client.stream("POST", request, **client.routing(request)) as stream:
                    if "method" in await first_of(stream):
                        return


async def first_of(stream: Stream) -> Any:
    """The first message, also of a plain answer."""
    try:
        return await stream.next()
    except StopAsyncIteration:
        return {}


async def test_a_client_follows_its_limit_of_resources(tmp_path: Path) -> None:
    async with limited(tmp_path, followed=2) as gateway:
        client = await gateway.opened("/mcp/s/old")
        for uri in ("a://1", "a://2", "a://1"):
            assert (await client.ask("resources/subscribe", uri=uri)).result == {}
        assert (await client.ask("resources/subscribe", uri="a://3")).error["code"] == -32000
        await client.ask("resources/unsubscribe", uri="a://1")
        assert (await client.ask("resources/subscribe", uri="a://3")).result == {}
        stateless = gateway.stateless("/mcp/s/old")
        request = stateless.request("subscriptions/listen", notifications={"resourceSubscriptions": ["a", "b", "c"]})
        assert (await stateless.post(request, **stateless.routing(request))).error["code"] == -32000


async def test_questions_wait_for_an_answer_up_to_their_limit(tmp_path: Path) -> None:
    async with limited(tmp_path, questions=1) as gateway, AsyncExitStack() as streams:
        client = await gateway.opened("/mcp/s/old", capabilities=FORMS)
        ask = client.request("tools/call", name="both", arguments={})
        stream = await streams.enter_async_context(client.stream("POST", ask))
        asked = await stream.next()
        await client.ask("tools/call", name="seen", arguments={})  # by now both were asked, and one was refused
        await client.post({"jsonrpc": "2.0", "id": asked["id"], "result": ADA})
        said = json.loads((await stream.next())["result"]["content"][0]["text"])
        assert sorted(str(each.get("action")) for each in said) == ["None", "accept"]


async def test_a_question_is_given_up_in_time(tmp_path: Path) -> None:
    async with limited(tmp_path, patience=0.2) as gateway:
        client = await gateway.opened("/mcp/s/old", capabilities=FORMS)
        async with client.stream("POST", client.request("tools/call", name="ask", arguments={})) as stream:
            asked = await stream.next()
            withdrawn = await stream.next()
            assert withdrawn["method"] == "notifications/cancelled"
            assert withdrawn["params"]["requestId"] == asked["id"]
            said = json.loads((await stream.next())["result"]["content"][0]["text"])
            assert said[0]["error"]["code"] == -32001


async def test_one_request_asks_its_client_up_to_its_limit(tmp_path: Path) -> None:
    async with limited(tmp_path, asked=2) as gateway:
        client = gateway.stateless("/mcp/s/old")
        client.capabilities = FORMS
        answer = await client.call("ask", times=3)
        rounds = 0
        while answer.result["resultType"] == "input_required":
            rounds += 1
            (key,) = answer.result["inputRequests"]
            more = {"inputResponses": {key: ADA}, "requestState": answer.result["requestState"]}
            answer = await client.ask("tools/call", name="ask", arguments={"times": 3}, **more)
        said = json.loads(answer.result["content"][0]["text"])
        assert rounds == 2 and said[:2] == [ADA, ADA] and said[2]["error"]["code"] == -32000


@pytest.mark.parametrize("limits", [{"parked": 1}, {"parked_each": 1}])
async def test_calls_that_wait_for_a_retry_are_bounded(tmp_path: Path, limits: dict[str, int]) -> None:
    async with limited(tmp_path, **limits) as gateway:
        client, operator = gateway.stateless(), gateway.stateless(token=gateway.tokens["operator"])
        client.capabilities = operator.capabilities = FORMS
        assert (await client.call("old__ask")).result["resultType"] == "input_required"
        assert (await client.call("older__ask")).error["code"] == -32000
        other = await operator.call("oldest__ask")
        assert ("result" in other.last) is ("parked_each" in limits)
        assert len(gateway.gateway.office.parked) == (2 if "parked_each" in limits else 1)


async def test_a_call_that_nobody_comes_back_for_is_cancelled(tmp_path: Path) -> None:
    async with limited(tmp_path, patience=0.2) as gateway:
        client = gateway.stateless("/mcp/s/old")
        client.capabilities = FORMS
        first = await client.call("ask")
        await gateway.desk.until(lambda: len(gateway.gateway.office.parked) == 0)
        late = {"inputResponses": {}, "requestState": first.result["requestState"]}
        answer = await client.ask("tools/call", name="ask", arguments={}, **late)
        assert answer.status == 400 and answer.error["code"] == -32602


async def test_a_client_that_does_not_read_loses_its_stream_and_costs_no_memory(tmp_path: Path) -> None:
    async with limited(tmp_path, backlog=64 * 1024, stalled=0.3) as gateway:
        client = await gateway.opened("/mcp/s/old")
        headers = {**client.headers, "accept": "text/event-stream"}
        async with gateway.dialled() as (reader, writer):
            writer.write(head("GET", "/mcp/s/old", headers))
            await reader.readuntil(b"\r\n\r\n")
            principal = gateway.desk.project.tokens.check(gateway.token.encode())
            assert principal is not None
            (session,) = gateway.gateway.office.sessions.of(principal)
            note = {"data": "x" * 60_000}
            for _ in range(200):
                session.tell("notifications/message", note)
                await checkpoint()
            await gateway.desk.until(lambda: len(gateway.gateway.office.streams) == 0)
        assert (await client.ask("ping")).status == 200


async def test_one_wild_client_does_not_stop_the_others(tmp_path: Path) -> None:
    async with limited(tmp_path, sessions_each=20) as gateway:
        good = gateway.stateless(token=gateway.tokens["operator"])
        wild = gateway.handshaken()
        for number in range(60):
            await wild.post(b'{"jsonrpc": "2.0", "id": ' + b"[" * number)
            await aborted(gateway, wild)
            await gateway.handshaken().open()
        assert len(gateway.gateway.office.sessions) <= 20
        assert gateway.gateway.office.room.held == 0
        assert (await good.call("old__late", ms="0")).result["content"][0]["text"] == "late"


async def aborted(gateway: Served, client: Handshaken) -> None:
    """A request that breaks off in the middle of its body."""
    headers = {**client.headers, "content-length": "1000", "mcp-protocol-version": STATELESS}
    async with gateway.dialled() as (_, writer):
        writer.write(head("POST", "/mcp", headers) + b'{"jsonrpc"')
        await writer.drain()
