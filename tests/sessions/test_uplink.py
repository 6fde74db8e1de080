"""A server that dials in has a session like any other, whatever it does; nobody has two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.model.server import Server, Timeouts, Uplink
from reconciler.sessions import uplink
from reconciler.sessions.frames import Verbatim
from reconciler.sessions.limits import LIMITS
from reconciler.sessions.listing import list_all
from reconciler.sessions.session import DeadlineExceeded, RpcError, SessionError
from reconciler.sessions.uplink import AlreadyHere, Link, Uplinks, UplinkSession
from tests.requirements import requirement
from tests.sessions.asking import Client
from tests.sessions.dialling import GREETING, Wire, carried, process, served, silent
from tests.sessions.rigged import call, ignore
from tests.waiting import come_true

pytestmark = [pytest.mark.anyio, requirement("CFG-3:uplink")]
ID = "laptop"


@pytest.fixture(autouse=True)
async def in_time() -> AsyncIterator[None]:
    with anyio.fail_after(30):
        yield


def laptop(start: float = 10.0) -> Server:
    return Server(ID, "Laptop", Uplink(), timeouts=Timeouts(start=start))


@asynccontextmanager
async def taken(links: Uplinks, server: Server | None = None, notify: Any = ignore) -> AsyncIterator[UplinkSession]:
    """What the engine does when it is woken."""
    opened = links.take(ID)
    assert opened is not None
    async with opened(server or laptop(), "ins-1", notify) as session:
        assert isinstance(session, UplinkSession)
        yield session


@asynccontextmanager
async def dialled(
    wire: Wire, server: Server | None = None, notify: Any = ignore, links: Uplinks | None = None
) -> AsyncIterator[UplinkSession]:
    links = links or Uplinks(lambda _: None)
    async with carried(wire) as link:
        links.offer(ID, link, force=False)
        async with taken(links, server, notify) as session:
            yield session


@asynccontextmanager
async def rigged(script: str = "light", *arguments: str, notify: Any = ignore) -> AsyncIterator[UplinkSession]:
    """A server of the rig that dialled in."""
    wire = Wire()
    async with process(wire, script, *arguments), dialled(wire, notify=notify) as session:
        yield session


# As any other session


async def test_a_server_that_dials_in_is_listed_and_called() -> None:
    async with rigged("light", "--name", "far") as session:
        assert (session.handshake.server_info, session.pid) == ({"name": "far", "version": "1"}, None)
        listing = await list_all(session, timeout=5)
        assert "echo" in {tool["name"] for tool in listing.tools}
        assert await call(session, "echo", text="𝄞 é") == "𝄞 é"
        assert len(await call(session, "blob", size=3_000_000)) == 3_000_000


async def test_one_of_the_stateless_era_is_known_as_such() -> None:
    async with rigged("stateless") as session:
        assert session.handshake.era == "stateless"
        assert (await call(session, "echo", text="x"))["text"] == "x"


async def test_progress_deadlines_errors_and_changed_lists_are_as_over_pipes() -> None:
    told: list[str] = []
    steps: list[Mapping[str, Any]] = []
    async with rigged(notify=lambda method, _: told.append(method)) as session:
        given = {"name": "progress", "arguments": {"steps": 3}}
        await session.request("tools/call", given, timeout=5, on_progress=steps.append)
        assert [step["progress"] for step in steps] == [0, 1, 2]
        with pytest.raises(DeadlineExceeded):
            await call(session, "sleep", ms=60_000, timeout=0.05)
        with pytest.raises(RpcError, match="Unknown tool"):
            await call(session, "absent")
        assert await call(session, "change") == "changed"
        assert told == ["notifications/tools/list_changed"]


async def test_a_call_that_is_given_up_is_cancelled_there() -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        asking = asyncio.create_task(session.request("tools/call", {"name": "slow"}, timeout=60))
        number = (await wire.hear())["id"]
        asking.cancel()
        said = await wire.hear()
        assert (said["method"], said["params"]["requestId"]) == ("notifications/cancelled", number)


@asynccontextmanager
async def dialled_by_hand(wire: Wire, notify: Any = ignore) -> AsyncIterator[UplinkSession]:
    """A session whose handshake was answered; from now on the test is the server."""
    async with AsyncExitStack() as stack:
        async with served(wire):
            session = await stack.enter_async_context(dialled(wire, notify=notify))
            await session.request("ping", {}, timeout=5)
        yield session


@requirement("GATE-1:questions")
async def test_it_may_ask_whoever_calls_it() -> None:
    ada = Client("ada", {"action": "accept", "content": {"name": "Ada"}})
    async with rigged() as session:
        given = {"name": "ask", "arguments": {"text": "your name?"}}
        result = await session.request("tools/call", given, timeout=5, caller=ada)
        assert '"name": "Ada"' in result["content"][0]["text"]


async def test_a_frame_of_several_lines_is_one_message_and_stays_on_one_line() -> None:
    """Its text goes on as it is to clients that read lines."""
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        asking = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=5))
        number = (await wire.hear())["id"]
        wire.say(json.dumps({"jsonrpc": "2.0", "id": number, "result": {"text": "a\nb", "deep": [1, {}]}}, indent=2))
        result = await asking
        assert result == {"text": "a\nb", "deep": [1, {}]}
        assert isinstance(result, Verbatim)
        assert b"\n" not in result.text


# Ends


async def test_the_end_of_the_socket_ends_the_session_and_what_waits_for_it() -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        asking = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60))
        await wire.hear()
        wire.hang_up("The socket was closed with 1000: closing.")
        with pytest.raises(SessionError, match="closed with 1000: closing"):
            await asking
        assert (await session.ended()).reason == "The socket was closed with 1000: closing."
        with pytest.raises(SessionError):
            await session.request("ping", {}, timeout=5)


async def test_leaving_the_session_closes_the_socket() -> None:
    wire = Wire()
    async with dialled_by_hand(wire):
        pass
    assert await wire.ended() == (1012, "the session was closed")


async def test_a_face_that_stops_carrying_ends_the_session() -> None:
    wire, links, link = Wire(), Uplinks(lambda _: None), Link()
    carrying = asyncio.create_task(link.carry(wire))
    links.offer(ID, link, force=False)
    async with served(wire), taken(links) as session:
        carrying.cancel()
        assert (await session.ended()).reason == "The connection was cut off."


async def test_no_answer_to_the_handshake_is_an_end_with_its_reason() -> None:
    wire = Wire()
    with pytest.raises(DeadlineExceeded, match=r"It did not complete the handshake within 0\.1 s\."):
        async with served(wire, silent), dialled(wire, laptop(start=0.1)):
            raise AssertionError("it opened")
    assert await wire.ended() == (1008, "It did not complete the handshake within 0.1 s.")


async def test_a_refused_handshake_is_an_end_with_its_reason() -> None:
    wire = Wire()
    with pytest.raises(SessionError, match="It refused the handshake: Method not found: initialize"):
        async with served(wire, lambda method, _: ValueError(f"Method not found: {method}")), dialled(wire):
            raise AssertionError("it opened")
    assert (await wire.ended())[0] == 1008


async def test_a_server_that_dies_of_the_question_for_its_era_is_greeted_the_old_way_when_it_comes_again() -> None:
    links = Uplinks(lambda _: None)

    async def frail(wire: Wire) -> None:
        while (message := await wire.hear())["method"] != "server/discover":
            if "id" in message:
                wire.say({"jsonrpc": "2.0", "id": message["id"], "result": GREETING})
        wire.hang_up("The connection broke off.")

    first = Wire()
    dying = asyncio.create_task(frail(first))
    with pytest.raises(SessionError, match="broke off"):
        async with dialled(first, links=links):
            raise AssertionError("it opened")
    await dying
    second = Wire()
    living = asyncio.create_task(frail(second))
    async with dialled(second, links=links) as session:
        assert session.handshake.era == "handshake"
    living.cancel()


# Hostile ones


@pytest.mark.parametrize("text", ["", "no JSON", "{", "[]", "17", '{"jsonrpc": "2.0"}', '{"a":' * 10_000, "\x00\n"])
async def test_garbage_is_counted_and_too_much_of_it_ends_the_session(text: str) -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        for _ in range(LIMITS.bad_lines - 1):
            wire.say(text)
        wire.say({"jsonrpc": "2.0", "method": "notifications/good"})
        asking = asyncio.create_task(session.request("ping", {}, timeout=5))
        wire.say({"jsonrpc": "2.0", "id": (await wire.hear())["id"], "result": {}})
        assert await asking == {}
        if text.strip():
            for _ in range(LIMITS.bad_lines):
                wire.say(text)
            assert "100 lines in a row that are no JSON-RPC" in (await session.ended()).reason
    assert (await wire.ended())[0] == (1008 if text.strip() else 1012)


async def test_a_reason_fits_a_closing_frame_whatever_its_letters() -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        for _ in range(LIMITS.bad_lines):
            wire.say("𝄞" * 1000)
        await session.ended()
    code, reason = await wire.ended()
    assert (code, len(reason.encode()) <= 123) == (1008, True)


async def test_whoever_talks_unasked_without_end_is_held_back() -> None:
    told = 0
    enough = asyncio.Event()

    def notified(method: str, params: Mapping[str, Any]) -> None:
        nonlocal told
        told += 1
        if told == LIMITS.unasked_per_second:
            enough.set()

    wire = Wire()
    async with dialled_by_hand(wire, notified) as session:
        assert not session.flooding
        for _ in range(20 * LIMITS.unasked_per_second):
            wire.say({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        await enough.wait()
        assert wire.said.qsize() > 10 * LIMITS.unasked_per_second
        await come_true(lambda: session.flooding, 5)


async def test_questions_without_end_are_refused_beyond_a_few() -> None:
    wire = Wire()
    never = Client("ada", never=True)
    async with dialled_by_hand(wire) as session:
        asking = asyncio.create_task(session.request("tools/call", {"name": "x"}, timeout=60, caller=never))
        await wire.hear()
        for number in range(LIMITS.questions + 5):
            wire.say({"jsonrpc": "2.0", "id": f"q{number}", "method": "elicitation/create", "params": {}})
        refused = [await wire.hear() for _ in range(5)]
        assert {each["error"]["message"] for each in refused} == {"Too many requests at a time"}
        asking.cancel()


async def test_what_is_not_read_piles_up_to_a_bound_and_the_session_goes_on_when_it_is() -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        wire.reads.clear()
        big = {"name": "x", "arguments": {"text": "x" * (LIMITS.queue // 4)}}
        asking = [asyncio.create_task(session.request("tools/call", big, timeout=0.3)) for _ in range(20)]
        for each in asking:
            with pytest.raises(DeadlineExceeded):
                await each
        wire.reads.set()
        async with served(wire):
            result = await session.request("tools/call", {"name": "echo", "arguments": {"text": "on"}}, timeout=5)
        assert result["content"][0]["text"] == "on"
        assert wire.heard.qsize() < 10


async def test_a_slow_reader_is_let_go_at_once_in_the_end() -> None:
    wire = Wire()
    async with dialled_by_hand(wire) as session:
        wire.reads.clear()
        await session.notify("notifications/roots/list_changed")
    assert await wire.ended() == (1012, "the session was closed")


# Who is here


async def test_another_socket_of_the_same_server_is_refused_unless_it_insists() -> None:
    links, woken = Uplinks(lambda server_id: woken.append(server_id)), []  # type: ignore[var-annotated]
    first, second = Wire(), Wire()
    async with carried(first) as one, carried(second) as two, served(first), served(second):
        links.offer(ID, one, force=False)
        async with taken(links) as old:
            with pytest.raises(AlreadyHere):
                links.offer(ID, Link(), force=False)
            links.offer("another", Link(), force=False)
            links.offer(ID, two, force=True)
            assert woken == [ID, "another", ID]
            async with taken(links) as new:
                assert [(await session.request("ping", {}, timeout=5)) for session in (old, new)] == [{}, {}]
                assert not first.farewell.done()
        assert await second.ended() == (1012, "the session was closed")
        assert links.take(ID) is None


async def test_the_older_of_two_is_told_that_it_was_replaced() -> None:
    links, first, second = Uplinks(lambda _: None), Wire(), Wire()
    async with AsyncExitStack() as stack:
        for wire in (first, second):
            await stack.enter_async_context(served(wire))
        one, two = [await stack.enter_async_context(carried(wire)) for wire in (first, second)]
        links.offer(ID, one, force=False)
        async with taken(links):
            links.offer(ID, two, force=True)
            new = await stack.enter_async_context(taken(links))
        assert await first.ended() == (1001, "replaced")
        assert await new.request("ping", {}, timeout=5) == {}


async def test_a_socket_that_nobody_took_up_goes_for_the_next_one() -> None:
    links, first, second = Uplinks(lambda _: None), Wire(), Wire()
    async with carried(first) as one, carried(second) as two, served(second):
        links.offer(ID, one, force=False)
        links.offer(ID, two, force=True)
        assert await first.ended() == (1001, "replaced")
        async with taken(links) as session:
            assert await session.request("ping", {}, timeout=5) == {}


async def test_a_socket_that_nobody_takes_up_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "TAKE_SECONDS", 0.05)
    links, wire = Uplinks(lambda _: None), Wire()
    async with carried(wire) as link:
        links.offer(ID, link, force=False)
        assert await wire.ended() == (1012, "the session was closed")
        assert links.take(ID) is None


async def test_whoever_is_not_wanted_is_turned_away() -> None:
    links, wire = Uplinks(lambda _: None), Wire()
    async with carried(wire) as link:
        links.offer(ID, link, force=False)
        links.turn_away(ID)
        assert await wire.ended() == (1012, "the session was closed")
        links.offer(ID, Link(), force=False)


async def test_whoever_hung_up_before_it_was_heard_is_a_failure_with_its_reason() -> None:
    wire = Wire()
    wire.hang_up("The connection broke off.")
    with pytest.raises(SessionError, match="broke off"):
        async with dialled(wire):
            raise AssertionError("it opened")
