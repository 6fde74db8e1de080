"""What a client has open ends with its token, with its session, and with the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.tokens import create_token, revoke_token
from tests.faces.gateway.served import Handshaken, Served, Stateless, Stream, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:endings")]

TOKEN = {"_meta": {"progressToken": 1}}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, {"old": program("curious")}, defaults={"requireApproval": False}) as found:
        yield found


class Guest:
    """Somebody with a token of their own, and everything that can be open."""

    def __init__(self, gateway: Served) -> None:
        self.gateway = gateway
        self.state = gateway.desk.project.state
        _, self.token = create_token(self.state, "client", "guest")
        gateway.desk.project.tokens.look()
        self.stateless = gateway.stateless("/mcp/s/old", self.token)
        self.stateless.capabilities = {"elicitation": {}}
        self.handshaken = gateway.handshaken("/mcp/s/old", self.token)

    def revoke(self) -> None:
        revoke_token(self.state, "guest")
        self.gateway.desk.project.tokens.look()

    def streams(self) -> list[Any]:
        """A stream of each kind, to be entered."""
        listen = self.stateless.request("subscriptions/listen", notifications={"toolsListChanged": True})
        hang = self.handshaken.request("tools/call", name="hang", arguments={}, **TOKEN)
        return [
            self.handshaken.stream("GET", accept="text/event-stream"),
            self.stateless.stream("POST", listen, **self.stateless.routing(listen)),
            self.handshaken.stream("POST", hang),
        ]


async def rest_without_results(stream: Stream) -> list[Any]:
    """What came before the end."""
    return [message for message in await stream.rest() if "method" in message]


async def test_a_token_that_is_taken_back_ends_everything_that_is_open(gateway: Served) -> None:
    guest, other = Guest(gateway), await gateway.opened("/mcp/s/old")
    await guest.handshaken.open()
    parked = await guest.stateless.call("ask")
    assert parked.result["resultType"] == "input_required"
    got, listened, called = guest.streams()
    async with got as one, listened as two, called as three, other.stream("GET", accept="text/event-stream") as theirs:
        assert (await two.next())["method"] == "notifications/subscriptions/acknowledged"
        assert (await three.next())["method"] == "notifications/progress"
        guest.revoke()
        for stream in (one, two, three):
            assert await rest_without_results(stream) == []
        office = gateway.gateway.office
        assert len(office.parked) == 0 and len(office.sessions) == 1
        assert (await guest.handshaken.ask("ping")).status == 401
        assert (await guest.stateless.ask("tools/list")).status == 401
        assert (await other.ask("ping")).status == 200
        gateway.desk.host.stopping.set()
        assert await theirs.rest() == []


async def test_a_new_token_of_the_same_name_opens_nothing_of_the_old(gateway: Served) -> None:
    guest = Guest(gateway)
    await guest.handshaken.open()
    guest.revoke()
    again = Guest(gateway)
    again.handshaken.headers["mcp-session-id"] = guest.handshaken.headers["mcp-session-id"]
    assert (await again.handshaken.ask("ping")).status == 404


async def test_the_end_of_the_engine_ends_streams_in_their_own_way(gateway: Served) -> None:
    client, stateless = await gateway.opened(), gateway.stateless()
    request = stateless.request("subscriptions/listen", notifications={"toolsListChanged": True})
    async with (
        client.stream("GET", accept="text/event-stream") as got,
        stateless.stream("POST", request, **stateless.routing(request)) as listened,
    ):
        await listened.next()
        gateway.desk.host.stopping.set()
        assert await got.rest() == []
        (final,) = await listened.rest()
        assert final["id"] == request["id"] and final["result"]["resultType"] == "complete"
        key = "io.modelcontextprotocol/subscriptionId"
        assert final["result"]["_meta"] == {key: request["id"]}


async def test_the_end_of_a_session_ends_its_streams_and_questions(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", capabilities={"elicitation": {}})
    ask = client.request("tools/call", name="ask", arguments={})
    async with client.stream("GET", accept="text/event-stream") as got, client.stream("POST", ask) as asking:
        assert (await asking.next())["method"] == "elicitation/create"
        assert (await gateway.http.delete("/mcp/s/old", headers=client.headers)).status_code == 204
        assert await got.rest() == []
        *_, final = await asking.rest()
        assert final["error"]["code"] == -32800


async def test_nothing_is_left_of_clients_that_went_away(gateway: Served) -> None:
    office = gateway.gateway.office
    client, stateless = await gateway.opened("/mcp/s/old"), gateway.stateless("/mcp/s/old")
    await opened_and_left(client, stateless)
    await gateway.desk.until(lambda: len(office.streams) == 0)
    assert office.room.held == 0
    assert gateway.desk.project.hub.slot("old").wishes.resources == frozenset()


async def opened_and_left(client: Handshaken, stateless: Stateless) -> None:
    """Streams of both eras, given up by the client."""
    wanted = {"toolsListChanged": True, "resourceSubscriptions": ["note://one"]}
    request = stateless.request("subscriptions/listen", notifications=wanted)
    for _ in range(3):
        async with client.stream("GET", accept="text/event-stream"):
            pass
        async with stateless.stream("POST", request, **stateless.routing(request)) as stream:
            await stream.next()
