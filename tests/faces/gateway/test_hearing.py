"""What clients hear besides answers: changed lists, updated resources, logs; each its own, and on one stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine.desk import light
from tests.faces.gateway.served import META, Handshaken, Served, Stateless, Stream, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:changes")]

TOOLS = "notifications/tools/list_changed"
UPDATED = "notifications/resources/updated"
SUBSCRIPTION = META + "subscriptionId"


@asynccontextmanager
async def listening(client: Stateless, **wanted: Any) -> AsyncIterator[tuple[Stream, dict[str, Any]]]:
    """A listen stream and what was acknowledged."""
    request = client.request("subscriptions/listen", notifications=wanted)
    async with client.stream("POST", request, **client.routing(request)) as stream:
        first = await stream.next()
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert first["params"]["_meta"] == {SUBSCRIPTION: request["id"]}
        yield stream, first["params"]["notifications"]


@asynccontextmanager
async def hearing(client: Handshaken) -> AsyncIterator[Stream]:
    """The stream for what belongs to no request."""
    async with client.stream("GET", accept="text/event-stream") as stream:
        assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
        yield stream


async def heard_nothing(gateway: Served, *streams: Stream) -> None:
    """Nothing more is on these streams when the engine ends them."""
    gateway.desk.host.stopping.set()
    for stream in streams:
        assert [message for message in await stream.rest() if "result" not in message] == []


async def test_a_changed_list_is_heard_in_both_eras_by_whoever_sees_the_change(both: Served) -> None:
    see, blind = await both.opened(), await both.opened("/mcp/s/new")
    stateless, narrow = both.stateless(), both.stateless()
    async with (
        hearing(see) as heard,
        hearing(blind) as unheard,
        listening(stateless, toolsListChanged=True) as (listened, honoured),
        listening(narrow, promptsListChanged=True) as (other, _),
    ):
        assert honoured == {"toolsListChanged": True}
        await see.call("old__change")
        assert await heard.next() == {"jsonrpc": "2.0", "method": TOOLS}
        said = await listened.next()
        assert said["method"] == TOOLS and SUBSCRIPTION in said["params"]["_meta"]
        await heard_nothing(both, unheard, other, heard, listened)


async def test_only_what_an_endpoint_tells_of_is_acknowledged(both: Served) -> None:
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourcesListChanged": 1, "vendor": True}
    async with listening(both.stateless("/mcp/s/old"), **wanted, resourceSubscriptions=["x://y", 7]) as (_, honoured):
        assert honoured == {"toolsListChanged": True}
    async with listening(both.stateless("/mcp/s/old"), promptsListChanged=True) as (_, honoured):
        assert honoured == {}


async def test_a_listen_stream_is_a_stream_or_nothing(both: Served) -> None:
    client = both.stateless()
    assert (await client.ask("subscriptions/listen")).error["code"] == -32602
    client.headers["accept"] = "application/json"
    assert (await client.ask("subscriptions/listen", notifications={})).status == 406
    assert (await (await both.opened()).ask("subscriptions/listen", notifications={})).error["code"] == -32601


async def test_a_stream_is_only_given_to_who_takes_one(both: Served) -> None:
    client = await both.opened()
    for accept in ("application/json", "text/html"):
        async with client.stream("GET", accept=accept) as stream:
            assert stream.status == 406


async def test_a_change_is_told_on_one_stream_the_newest(both: Served) -> None:
    client = await both.opened()
    async with hearing(client) as first:
        async with hearing(client) as second:
            await client.call("old__change")
            assert (await second.next())["method"] == TOOLS
        await client.call("new__change")
        assert (await first.next())["method"] == TOOLS
        await heard_nothing(both, first)


async def test_a_change_while_nobody_listened_is_told_once_when_somebody_does(both: Served) -> None:
    client = await both.opened()
    project = both.desk.project
    before = project.offers.version
    await client.call("old__change")
    await both.desk.until(lambda: project.offers.version > before)
    async with hearing(client) as stream:
        assert (await stream.next())["method"] == TOOLS
        async with hearing(client) as another:
            await heard_nothing(both, stream, another)


async def test_a_client_that_has_not_said_that_it_is_ready_is_told_nothing(both: Served) -> None:
    client = both.handshaken()
    answer = await client.ask("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={})
    client.headers["mcp-session-id"] = answer.headers["mcp-session-id"]
    async with hearing(client) as stream, hearing(await both.opened()) as ready:
        await client.call("old__change")
        assert (await ready.next())["method"] == TOOLS
        await heard_nothing(both, stream)


@pytest.fixture
async def curious(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless"), "plain": light("plain")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def seen(gateway: Served, server: str) -> dict[str, Any]:
    answer = await gateway.stateless(f"/mcp/s/{server}").call("seen")
    found: dict[str, Any] = json.loads(answer.result["content"][0]["text"])
    return found


async def until_followed(gateway: Served, server: str, uri: str = "note://one") -> None:
    """Wait until the server was asked to tell of a resource."""
    with anyio.fail_after(5):
        while True:
            facts = await seen(gateway, server)
            asked = [each[1] for each in facts["followed"] if each[0] == "resources/subscribe"]
            if uri in (asked if server == "old" else [one for stream in facts["listening"] for one in stream]):
                return


@requirement("GATE-1:resources-followed")
@pytest.mark.parametrize("server", ["old", "new"])
@pytest.mark.parametrize("aggregated", [False, True])
async def test_updates_reach_whoever_follows_in_either_era(curious: Served, server: str, aggregated: bool) -> None:
    path, uri = ("/mcp", f"reconciler:{server}/note://one") if aggregated else (f"/mcp/s/{server}", "note://one")
    follows, stranger = await curious.opened(path), await curious.opened(path)
    assert (await follows.ask("resources/subscribe", uri=uri)).result == {}
    assert (await follows.ask("resources/subscribe", uri=uri)).result == {}, "it may be said twice"
    await until_followed(curious, server)
    async with (
        hearing(follows) as heard,
        hearing(stranger) as unheard,
        listening(curious.stateless(path), resourceSubscriptions=[uri, "nothing://x"]) as (listened, honoured),
    ):
        assert uri in honoured["resourceSubscriptions"]
        await curious.stateless(f"/mcp/s/{server}").call("touch")
        assert (await heard.next()) == {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri}}
        said = await listened.next()
        assert said["method"] == UPDATED and said["params"]["uri"] == uri
        assert (await follows.ask("resources/unsubscribe", uri=uri)).result == {}
        await heard_nothing(curious, unheard, heard, listened)
    await curious.desk.until(lambda: not curious.desk.project.hub.slot(server).wishes.resources)


@requirement("GATE-1:resources-followed")
async def test_a_resource_is_followed_as_long_as_somebody_does(curious: Served) -> None:
    wishes = curious.desk.project.hub.slot("old")
    one, other = await curious.opened("/mcp/s/old"), await curious.opened("/mcp")
    await one.ask("resources/subscribe", uri="note://one")
    await other.ask("resources/subscribe", uri="reconciler:old/note://one")
    await one.ask("resources/unsubscribe", uri="note://one")
    assert wishes.wishes.resources == {"note://one"}
    await curious.http.delete("/mcp", headers=other.headers)
    assert wishes.wishes.resources == frozenset()


@requirement("GATE-1:resources-followed")
@pytest.mark.parametrize("uri", ["reconciler:plain/note://one", "reconciler:nobody/x", "note://one", 7])
async def test_what_cannot_be_followed_is_refused(curious: Served, uri: Any) -> None:
    answer = await (await curious.opened()).ask("resources/subscribe", uri=uri)
    assert answer.error["code"] in (-32602, -32601)


@requirement("GATE-1:handshake-rules")
async def test_a_servers_own_logs_are_heard_from_the_level_that_was_set(curious: Served) -> None:
    client, other, deaf = await curious.opened("/mcp/s/old"), await curious.opened("/mcp/s/new"), await curious.opened()
    for one, level in ((client, "warning"), (other, "debug")):
        await one.ask("logging/setLevel", level=level)
    async with hearing(client) as heard, hearing(other) as elsewhere, hearing(deaf) as unheard:
        await tell(curious, {"level": "info", "data": "low"})
        await tell(curious, {"level": "error", "data": "high"})
        assert (await heard.next())["params"] == {"level": "error", "data": "high"}
        await heard_nothing(curious, unheard, elsewhere, heard)


async def tell(gateway: Served, params: Mapping[str, Any]) -> None:
    """A log message of the server `old` that belongs to no call."""
    for listener in tuple(gateway.desk.project.told):
        listener("old", "notifications/message", params)


@requirement("GATE-1:handshake-rules")
async def test_a_server_logs_from_the_lowest_level_that_somebody_wants(curious: Served) -> None:
    wishes = curious.desk.project.hub.slot("old")
    client, other = await curious.opened("/mcp/s/old"), await curious.opened()
    await client.ask("logging/setLevel", level="error")
    assert wishes.wishes.log_level == "error"
    await other.ask("logging/setLevel", level="info")
    assert wishes.wishes.log_level == "info"
    await curious.http.delete("/mcp", headers=other.headers)
    assert wishes.wishes.log_level == "error"
