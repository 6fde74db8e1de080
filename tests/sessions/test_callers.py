"""Whose a server's question is: the one client whose requests are in flight, or nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.sessions.callers import QUESTION_SECONDS, QUESTIONS_EACH, Callers, Flight, Turns
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import DeadlineExceeded, RpcError
from tests.requirements import requirement
from tests.sessions.asking import Client, Wire, feed

pytestmark = [pytest.mark.anyio, requirement("GATE-1:questions", "GATE-1:attribution")]

QUESTION = "elicitation/create"
DECLINED: Mapping[str, Any] = {"result": {"action": "decline"}}
CANCELLED: Mapping[str, Any] = {"result": {"action": "cancel"}}
AMBIGUOUS = "mcp-reconciler: cannot tell which client this question belongs to"


@pytest.fixture(autouse=True)
async def in_time(anyio_backend: str) -> AsyncIterator[None]:
    with anyio.fail_after(5):
        yield


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def heard() -> list[str]:
    return []


@pytest.fixture
async def session(wire: Wire, heard: list[str]) -> AsyncIterator[PipeSession]:
    yield PipeSession(wire, lambda method, params: heard.append(method))


class Calls:
    """Calls under way on a session whose server is played by the test."""

    def __init__(self, session: PipeSession, wire: Wire) -> None:
        self.session = session
        self.wire = wire
        self.tasks: list[asyncio.Task[dict[str, Any]]] = []

    async def begin(
        self, caller: Client | None, *, method: str = "tools/call", timeout: float = 60
    ) -> asyncio.Task[dict[str, Any]]:
        """A request that has reached the server."""
        before = len(self.wire.requests)
        task = self.begin_unsent(caller, method=method, timeout=timeout)
        await self.wire.until_requests(before + 1)
        return task

    def begin_unsent(
        self, caller: Client | None, *, method: str = "tools/call", timeout: float = 60
    ) -> asyncio.Task[dict[str, Any]]:
        request = self.session.request(method, {"name": "x"}, timeout=timeout, caller=caller)
        self.tasks.append(asyncio.create_task(request))
        return self.tasks[-1]

    async def end(self, task: asyncio.Task[dict[str, Any]]) -> None:
        """The server answers one."""
        request = self.wire.requests[self.tasks.index(task)]
        feed(self.session, id=request["id"], result={"content": []})
        assert await task == {"content": []}

    async def answers(self, question: str, method: str = QUESTION) -> Mapping[str, Any]:
        """What the server hears when it asks."""
        feed(self.session, id=question, method=method, params={"message": question})
        return await self.wire.answer(question)


@pytest.fixture
async def calls(session: PipeSession, wire: Wire) -> Calls:
    return Calls(session, wire)


async def test_a_question_goes_to_the_client_whose_call_is_in_flight_and_its_answer_back(calls: Calls) -> None:
    ada = Client("ada", {"action": "accept", "content": {"name": "Ada"}, "vendor": 1})
    call = await calls.begin(ada)
    assert await calls.answers("q1") == {"result": {"action": "accept", "content": {"name": "Ada"}, "vendor": 1}}
    assert ada.asked == [(QUESTION, {"message": "q1"})]
    await calls.end(call)


async def test_what_the_user_left_out_of_a_form_holds_its_default(
    calls: Calls, session: PipeSession, wire: Wire
) -> None:
    await calls.begin(Client("ada", {"action": "accept", "content": {"a": 1}}))
    fields = {"a": {"type": "integer", "default": 7}, "b": {"type": "string", "default": "x"}}
    params = {"message": "?", "requestedSchema": {"type": "object", "properties": fields}}
    feed(session, id="q1", method=QUESTION, params=params)
    assert await wire.answer("q1") == {"result": {"action": "accept", "content": {"a": 1, "b": "x"}}}


@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list"])
async def test_of_several_calls_of_one_client_the_newest_is_asked(calls: Calls, method: str) -> None:
    older, newer = Client("ada"), Client("ada")
    await calls.begin(older)
    await calls.begin(newer)
    await calls.answers("q1", method)
    assert (older.asked, newer.asked) == ([], [(method, {"message": "q1"})])


async def test_while_calls_of_two_clients_are_in_flight_nobody_is_asked(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob")
    await calls.begin(ada)
    await calls.begin(bob)
    assert await calls.answers("q1") == DECLINED
    refusal = {"error": {"code": -32000, "message": AMBIGUOUS}}
    assert await calls.answers("q2", "sampling/createMessage") == refusal
    assert await calls.answers("q3", "roots/list") == refusal
    assert (ada.asked, bob.asked) == ([], [])


async def test_a_call_that_nobody_can_be_asked_about_makes_a_question_ambiguous_too(calls: Calls) -> None:
    ada = Client("ada")
    await calls.begin(ada)
    await calls.begin(None)
    assert await calls.answers("q1") == DECLINED
    assert ada.asked == []


async def test_our_own_lists_and_pings_in_flight_do_not(calls: Calls) -> None:
    ada = Client("ada")
    await calls.begin(ada)
    await calls.begin(None, method="tools/list")
    await calls.begin(None, method="ping")
    assert await calls.answers("q1") == {"result": {"action": "accept"}}


async def test_calls_that_are_over_do_not_either(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob")
    done = await calls.begin(bob)
    await calls.begin(ada)
    await calls.end(done)
    assert await calls.answers("q1") == {"result": {"action": "accept"}}
    assert bob.asked == []


async def test_a_call_is_over_as_soon_as_its_answer_is_there(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob")
    done = await calls.begin(bob)
    await calls.begin(ada)
    feed(calls.session, id=calls.wire.requests[0]["id"], result={})
    feed(calls.session, id="q1", method=QUESTION, params={"message": "q1"})
    assert await calls.wire.answer("q1") == {"result": {"action": "accept"}}
    assert (len(ada.asked), bob.asked) == (1, [])
    await done


async def test_requests_that_are_over_count_for_nothing_while_they_are_cleared_away() -> None:
    ada, bob = Client("ada"), Client("bob")
    flights = [Timed(bob), Timed(ada)]
    callers = Callers(lambda: flights)
    flights[0].over.cancel()
    assert await callers.answer(QUESTION, {}) == {"action": "accept"}
    assert callers.tell("notifications/message", {})
    assert (len(ada.asked), len(ada.told), bob.asked, bob.told) == (1, 1, [], [])
    assert await callers.answer(QUESTION, {}, flights[0]) == {"action": "decline"}


async def test_a_request_that_was_given_up_before_it_was_sent_keeps_no_question(calls: Calls) -> None:
    older, newer = Client("ada"), Client("ada", never=True)
    await calls.begin(older)
    calls.wire.full = True
    unsent = calls.begin_unsent(newer)
    feed(calls.session, id="q1", method=QUESTION, params={})
    await newer.was_asked.wait()
    calls.wire.full = False
    unsent.cancel()
    assert await calls.wire.answer("q1") == {"result": {"action": "accept"}}


async def test_a_server_of_the_handshake_era_is_told_nothing_of_the_client(calls: Calls) -> None:
    ada = Client("ada", log_level="debug")
    given = {"name": "x", "_meta": {"mine": 1}}
    asking = calls.session.request("tools/call", given, timeout=5, caller=ada, on_progress=lambda _: None)
    calls.tasks.append(asyncio.create_task(asking))
    await calls.wire.until_requests(1)
    (sent,) = calls.wire.requests
    assert sent["params"] == {"name": "x", "_meta": {"mine": 1, "progressToken": sent["id"]}}


async def test_after_the_last_call_nobody_is_asked(calls: Calls) -> None:
    ada = Client("ada")
    await calls.end(await calls.begin(ada))
    assert await calls.answers("q1") == DECLINED
    assert ada.asked == []


async def test_a_client_that_refuses_is_heard_by_the_server(calls: Calls) -> None:
    refusal = {"code": -1, "message": "no", "data": {"why": "busy"}}
    await calls.begin(Client("ada", RpcError(refusal)))
    assert await calls.answers("q1") == {"error": refusal}


async def test_a_server_that_asks_without_end_is_refused_in_the_end(calls: Calls) -> None:
    ada = Client("ada")
    await calls.begin(ada)
    said = [await calls.answers(f"q{number}") for number in range(QUESTIONS_EACH + 1)]
    assert said == [*[{"result": {"action": "accept"}}] * QUESTIONS_EACH, CANCELLED]
    assert len(ada.asked) == QUESTIONS_EACH
    refusal = await calls.answers("r", "sampling/createMessage")
    assert refusal["error"]["message"] == "mcp-reconciler: more than 100 questions for one request"


async def test_when_the_call_is_answered_its_open_question_ends(calls: Calls) -> None:
    ada = Client("ada", never=True)
    call = await calls.begin(ada)
    feed(calls.session, id="q1", method=QUESTION, params={})
    await ada.was_asked.wait()
    await calls.end(call)
    assert await calls.wire.answer("q1") == CANCELLED
    await ada.was_left.wait()


async def test_when_the_client_gives_up_its_call_its_open_question_ends(calls: Calls) -> None:
    ada = Client("ada", never=True)
    call = await calls.begin(ada)
    feed(calls.session, id="q1", method="sampling/createMessage", params={})
    await ada.was_asked.wait()
    call.cancel()
    over = {"code": -32000, "message": "mcp-reconciler: the request that this question belongs to is over"}
    assert await calls.wire.answer("q1") == {"error": over}
    await ada.was_left.wait()
    assert [sent["method"] for sent in calls.wire.notifications] == ["notifications/cancelled"]


async def test_a_question_that_turns_out_to_be_of_an_older_call_is_asked_there(calls: Calls) -> None:
    older, newer = Client("ada"), Client("ada", never=True)
    await calls.begin(older)
    fast = await calls.begin(newer)
    feed(calls.session, id="q1", method=QUESTION, params={})
    await newer.was_asked.wait()
    await calls.end(fast)
    assert await calls.wire.answer("q1") == {"result": {"action": "accept"}}
    assert len(older.asked) == 1


async def test_a_withdrawn_question_is_taken_back_from_the_client(calls: Calls) -> None:
    ada = Client("ada", never=True)
    await calls.begin(ada)
    feed(calls.session, id="q1", method=QUESTION, params={})
    await ada.was_asked.wait()
    feed(calls.session, method="notifications/cancelled", params={"requestId": "q1"})
    await ada.was_left.wait()
    assert calls.wire.answers == {}


# Time


async def test_while_a_question_is_open_the_deadline_does_not_run_and_afterwards_it_does(calls: Calls) -> None:
    ada = Client("ada", never=True)
    call = await calls.begin(ada, timeout=0.2)
    feed(calls.session, id="q1", method=QUESTION, params={})
    await ada.was_asked.wait()
    await asyncio.wait({call}, timeout=0.5)
    assert not call.done()
    ada.answer_now()
    await calls.wire.answer("q1")
    with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
        await call


async def test_questions_do_not_stretch_a_deadline_for_ever(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    assert QUESTION_SECONDS == 600
    monkeypatch.setattr("reconciler.sessions.callers.Flight._allowance", 0.1)
    ada = Client("ada", never=True)
    call = await calls.begin(ada, timeout=0.1)
    feed(calls.session, id="q1", method=QUESTION, params={})
    with pytest.raises(DeadlineExceeded):
        await call
    assert await calls.wire.answer("q1") == CANCELLED


class Timed(Flight):
    """A request whose deadline is only noted."""

    method = "tools/call"

    def __init__(self, caller: Client | None = None) -> None:
        self.caller = caller
        self.over = asyncio.get_running_loop().create_future()
        self._deadline = 60.0

    @property
    def deadline(self) -> float:
        return self._deadline

    def move(self, deadline: float) -> None:
        self._deadline = deadline


async def test_questions_that_are_open_together_stop_the_clock_once() -> None:
    flight = Timed()
    flight.hold(10)
    flight.hold(20)
    assert flight.deadline == 660
    flight.release(30)
    assert flight.deadline == 660
    flight.release(110)
    assert flight.deadline == 160


async def test_a_later_question_gets_what_earlier_ones_left_of_the_time() -> None:
    flight = Timed()
    flight.hold(10)
    flight.release(510)
    assert flight.deadline == 560
    flight.hold(520)
    assert flight.deadline == 660
    flight.release(530)
    assert flight.deadline == 570


async def test_a_request_that_is_over_has_no_deadline_to_move() -> None:
    flight = Timed()
    flight.hold(10)
    flight.over.cancel()
    flight.release(20)
    assert flight.deadline == 660


# Log messages


async def test_a_log_message_goes_to_the_client_whose_call_is_in_flight(calls: Calls, heard: list[str]) -> None:
    ada = Client("ada")
    await calls.begin(ada)
    feed(calls.session, method="notifications/message", params={"level": "info", "data": 1})
    assert ada.told == [("notifications/message", {"level": "info", "data": 1})]
    assert heard == []


async def test_a_log_message_that_may_be_anybodys_goes_to_the_session(calls: Calls, heard: list[str]) -> None:
    ada, bob = Client("ada"), Client("bob")
    feed(calls.session, method="notifications/message", params={})
    await calls.begin(ada)
    await calls.begin(bob)
    feed(calls.session, method="notifications/message", params={})
    assert heard == ["notifications/message"] * 2
    assert (ada.told, bob.told) == ([], [])


async def test_other_notifications_go_to_the_session(calls: Calls, heard: list[str]) -> None:
    ada = Client("ada")
    await calls.begin(ada)
    feed(calls.session, method="notifications/resources/updated", params={"uri": "a:b"})
    assert (heard, ada.told) == (["notifications/resources/updated"], [])


# Turns


async def test_a_server_that_asked_when_nobody_could_tell_whom_has_its_clients_take_turns(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob")
    first, second = await calls.begin(ada), await calls.begin(bob)
    assert await calls.answers("q1") == DECLINED
    await calls.end(first)
    await calls.end(second)

    one = await calls.begin(ada)
    other = calls.begin_unsent(bob)
    again = calls.begin_unsent(ada)
    assert await calls.answers("q2") == {"result": {"action": "accept"}}
    assert (len(ada.asked), len(bob.asked), len(calls.wire.requests)) == (1, 0, 3)
    await calls.end(one)
    await calls.wire.until_requests(4)
    assert await calls.answers("q3") == {"result": {"action": "accept"}}
    assert len(bob.asked) == 1
    await calls.end(other)
    await calls.wire.until_requests(5)
    await calls.end(again)


async def test_while_a_person_thinks_about_a_question_other_clients_do_not_wait(
    calls: Calls, session: PipeSession, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.sessions.callers.THINKING_SECONDS", 0.01)
    ada, bob = Client("ada", never=True), Client("bob")
    first, second = await calls.begin(ada), await calls.begin(bob)
    assert await calls.answers("q1") == DECLINED
    await calls.end(first)
    await calls.end(second)

    one = await calls.begin(ada)
    waited = calls.begin_unsent(bob)
    feed(session, id="q2", method=QUESTION, params={"message": "q2"})
    await wire.until_requests(4)
    await calls.end(waited)
    await calls.end(await calls.begin(bob))
    ada.answer_now()
    assert await wire.answer("q2") == {"result": {"action": "accept"}}
    late = calls.begin_unsent(bob)
    await anyio.wait_all_tasks_blocked()
    assert len(wire.requests) == 5
    await calls.end(one)
    await wire.until_requests(6)
    await calls.end(late)


async def test_those_let_in_together_count_as_nobodys_turn() -> None:
    free = True
    turns = Turns(lambda: free)
    await turns.take("a")
    await turns.take("b")
    free = False
    waiting = [asyncio.create_task(turns.take(key)) for key in ("a", "b")]
    await anyio.wait_all_tasks_blocked()
    turns.give_back()
    await anyio.wait_all_tasks_blocked()
    assert [task.done() for task in waiting] == [False, False]
    turns.give_back()
    await anyio.wait_all_tasks_blocked()
    assert [task.done() for task in waiting] == [True, False]
    turns.give_back()
    await asyncio.gather(*waiting)


async def test_where_no_client_can_be_asked_there_are_no_turns(calls: Calls) -> None:
    ada, bob = Client("ada", capabilities={}), Client("bob", capabilities={})
    await calls.begin(ada)
    await calls.begin(bob)
    assert await calls.answers("q1") == DECLINED
    await calls.begin(ada)
    await calls.begin(bob)
    assert len(calls.wire.requests) == 4


async def test_a_client_that_cannot_be_asked_never_waits_for_a_turn(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob", capabilities={})
    await calls.begin(ada)
    await calls.begin(bob)
    assert await calls.answers("q1") == DECLINED
    await calls.begin(ada)
    await calls.begin(bob)
    await calls.begin(None)
    assert len(calls.wire.requests) == 5


async def test_a_turn_that_does_not_come_in_time_is_a_deadline(calls: Calls) -> None:
    ada, bob = Client("ada"), Client("bob")
    for caller in (ada, bob):
        await calls.begin(caller)
    assert await calls.answers("q1") == DECLINED
    for task in list(calls.tasks):
        await calls.end(task)
    await calls.begin(ada)
    with pytest.raises(DeadlineExceeded, match="its clients take turns"):
        await calls.begin_unsent(bob, timeout=0.1)


@pytest.mark.parametrize("leaves", [0, 1, 2])
async def test_whoever_stops_waiting_for_a_turn_holds_up_nobody(leaves: int) -> None:
    turns = Turns()
    await turns.take("a")
    waiting = [asyncio.create_task(turns.take(key)) for key in ("b", "c", "a")]
    await checkpoint()
    waiting[leaves].cancel()
    await asyncio.wait({waiting[leaves]})
    turns.give_back()
    for task in (task for number, task in enumerate(waiting) if number != leaves):
        await task
        turns.give_back()
    await turns.take("d")


async def test_those_of_the_same_key_go_in_together() -> None:
    turns = Turns()
    await turns.take("a")
    waiting = [asyncio.create_task(turns.take(key)) for key in ("b", "b", "c")]
    await checkpoint()
    turns.give_back()
    await asyncio.wait(waiting[:2])
    assert not waiting[2].done()
    turns.give_back()
    await checkpoint()
    assert not waiting[2].done()
    turns.give_back()
    await waiting[2]


async def test_who_was_behind_somebody_that_left_may_be_of_the_key_that_is_inside() -> None:
    turns = Turns()
    await turns.take("a")
    other, same = (asyncio.create_task(turns.take(key)) for key in ("b", "a"))
    await checkpoint()
    other.cancel()
    await same


async def test_a_turn_that_comes_with_its_cancellation_is_passed_on() -> None:
    turns = Turns()
    await turns.take("a")
    waiting = asyncio.create_task(turns.take("b"))
    await checkpoint()
    turns.give_back()
    waiting.cancel()
    await asyncio.wait({waiting})
    await turns.take("c")


async def test_those_of_the_same_key_do_not_overtake_who_waits() -> None:
    turns = Turns()
    await turns.take("a")
    other = asyncio.create_task(turns.take("b"))
    await checkpoint()
    late = asyncio.create_task(turns.take("a"))
    await checkpoint()
    assert not other.done() and not late.done()
    turns.give_back()
    await other
    assert not late.done()
    turns.give_back()
    await late
