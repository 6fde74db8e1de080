"""Who takes a request back, and who only goes away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.faces.gateway.served import Served, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:cancelled")]

TOKEN = {"_meta": {"progressToken": 1}}
SERVERS = ["old", "new"]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def seen(gateway: Served, server: str) -> dict[str, Any]:
    answer = await gateway.stateless(f"/mcp/s/{server}").call("seen")
    found: dict[str, Any] = json.loads(answer.result["content"][0]["text"])
    return found


async def until_cancelled(gateway: Served, server: str) -> None:
    """Wait until the server was told that its call is no longer wanted."""
    with anyio.fail_after(5):
        while {"cancelled": True} not in (await seen(gateway, server))["seen"]:
            pass
    assert (await seen(gateway, server))["hanging"] == 0


@pytest.mark.parametrize("server", SERVERS)
async def test_a_client_with_a_session_says_that_it_takes_a_request_back(gateway: Served, server: str) -> None:
    client = await gateway.opened(f"/mcp/s/{server}")
    request = client.request("tools/call", name="hang", arguments={}, **TOKEN)
    async with client.stream("POST", request) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
        assert (await client.tell("notifications/cancelled", requestId=request["id"])).status == 202
        (final,) = await stream.rest()
        assert final["id"] == request["id"] and final["error"]["code"] == -32800
    await until_cancelled(gateway, server)
    assert (await client.ask("ping")).result == {}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {}}])
async def test_a_stateless_client_takes_a_request_back_by_going_away(
    gateway: Served, server: str, capabilities: dict[str, Any]
) -> None:
    client = gateway.stateless(f"/mcp/s/{server}")
    client.capabilities = capabilities
    request = client.request("tools/call", name="hang", arguments={})
    request["params"]["_meta"] |= TOKEN["_meta"]
    async with client.stream("POST", request, **client.routing(request)) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
    await until_cancelled(gateway, server)


async def test_a_stateless_client_that_goes_away_before_anything_came_has_cancelled_too(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    request = client.request("tools/call", name="hang", arguments={})
    with anyio.move_on_after(0.3):
        await client.post(request, **client.routing(request))
    await until_cancelled(gateway, "old")


async def test_a_client_with_a_session_that_goes_away_has_not_cancelled(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    async with client.stream("POST", client.request("tools/call", name="hang", arguments={}, **TOKEN)) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
    principal = gateway.desk.project.tokens.check(gateway.token.encode())
    assert principal is not None
    (session,) = gateway.gateway.office.sessions.of(principal)
    assert len(session.running) == 1
    assert (await seen(gateway, "old"))["hanging"] == 1
    await client.call("release")
    await gateway.desk.until(lambda: not session.running)
    assert {"cancelled": True} not in (await seen(gateway, "old"))["seen"]


async def test_nobody_cancels_for_another(gateway: Served) -> None:
    client, other = await gateway.opened("/mcp/s/old"), await gateway.opened("/mcp/s/old")
    request = client.request("tools/call", name="hang", arguments={"text": "mine"}, **TOKEN)
    async with client.stream("POST", request) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
        for number in (request["id"], "nothing", None, True, 1.0):
            assert (await other.tell("notifications/cancelled", requestId=number)).status == 202
        await gateway.stateless("/mcp/s/old").ask("tools/list")
        await other.call("release")
        assert (await stream.next())["result"]["content"][0]["text"] == "mine"


async def test_an_ended_session_takes_its_requests_back(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    async with client.stream("POST", client.request("tools/call", name="hang", arguments={}, **TOKEN)) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
        assert (await gateway.http.delete("/mcp/s/old", headers=client.headers)).status_code == 204
        (final,) = await stream.rest()
        assert final["error"]["code"] == -32800
    await until_cancelled(gateway, "old")


async def test_a_cancelled_call_withdraws_its_question(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", capabilities={"elicitation": {}})
    request = client.request("tools/call", name="ask", arguments={})
    async with client.stream("POST", request) as stream:
        asked = await stream.next()
        await client.tell("notifications/cancelled", requestId=request["id"])
        *before, final = await stream.rest()
        assert final["error"]["code"] == -32800
        assert [message["params"]["requestId"] for message in before] in ([], [asked["id"]])


async def test_one_request_of_a_batch_is_taken_back_alone(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", version="2025-03-26")
    hang = client.request("tools/call", name="hang", arguments={}, **TOKEN)
    ping = client.request("ping")
    async with client.stream("POST", [hang, ping]) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
        await client.tell("notifications/cancelled", requestId=hang["id"])
        (answers,) = await stream.rest()
        assert [answer["id"] for answer in answers] == [hang["id"], ping["id"]]
        assert answers[0]["error"]["code"] == -32800 and answers[1]["result"] == {}
