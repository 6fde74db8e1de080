"""The JSON-RPC session on a channel in memory: who gets which answer, and what happens when none comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reconciler.sessions.limits import Limits
from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import DeadlineExceeded, End, RpcError, SessionError
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("CFG-3:stdio")]


class Wire:
    """A channel that keeps what is sent, and says when something was."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.full = False
        self.waiters: list[asyncio.Future[None]] = []
        self._news = asyncio.Event()

    def send(self, line: bytes) -> None:
        self.sent.append(json.loads(line))
        self._news.set()

    def room(self) -> asyncio.Future[None]:
        self.waiters.append(asyncio.get_running_loop().create_future())
        return self.waiters[-1]

    def make_room(self) -> None:
        self.full = False
        for waiter in self.waiters:
            waiter.set_result(None)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """What was sent, once there are `count` messages."""
        while len(self.sent) < count:
            self._news.clear()
            await self._news.wait()
        return self.sent


Heard = list[tuple[str, Mapping[str, Any]]]


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def heard() -> Heard:
    return []


@pytest.fixture
async def session(wire: Wire, heard: Heard) -> AsyncIterator[PipeSession]:
    with anyio.fail_after(5):
        yield PipeSession(wire, lambda method, params: heard.append((method, params)))


def feed(session: PipeSession, **message: Any) -> bool:
    return session.feed(json.dumps({"jsonrpc": "2.0", **message}).encode())


async def asked(session: PipeSession, wire: Wire, count: int = 1, **options: Any) -> list[asyncio.Task[dict[str, Any]]]:
    """So many requests under way."""
    requests = [session.request("m", {"n": n}, **{"timeout": 5, **options}) for n in range(count)]
    tasks = [asyncio.create_task(request) for request in requests]
    await wire.until(count)
    return tasks


async def test_answers_find_their_requests_in_any_order(session: PipeSession, wire: Wire) -> None:
    tasks = await asked(session, wire, 50)
    for message in reversed(wire.sent):
        assert feed(session, id=message["id"], result={"n": message["params"]["n"], "vendor": {"kept": 1}})
    answers = await asyncio.gather(*tasks)
    assert answers == [{"n": n, "vendor": {"kept": 1}} for n in range(50)]


async def test_an_id_that_comes_back_as_text_is_understood(session: PipeSession, wire: Wire) -> None:
    (task,) = await asked(session, wire)
    assert feed(session, id=str(wire.sent[0]["id"]), result={})
    assert await task == {}


async def test_answers_to_nothing_are_counted_and_harm_nobody(session: PipeSession, wire: Wire) -> None:
    (task,) = await asked(session, wire)
    number = wire.sent[0]["id"]
    strangers: list[Any] = [number + 1, "x", None, True, 1.5, [], {}, -1, 0]
    for stranger in strangers:
        assert not feed(session, id=stranger, result={})
    assert session.stray == 9
    feed(session, id=number, result={"first": 1})
    feed(session, id=number, result={"second": 2})
    assert await task == {"first": 1}
    assert session.stray == 10


async def test_an_error_answer_is_kept_whole(session: PipeSession, wire: Wire) -> None:
    (task,) = await asked(session, wire)
    error = {"code": -32042, "message": "no", "data": {"why": [1]}, "vendor": 1}
    feed(session, id=wire.sent[0]["id"], error=error)
    with pytest.raises(RpcError) as failure:
        await task
    assert failure.value.error == error


@pytest.mark.parametrize("spare", ["error", "result"])
async def test_a_null_beside_the_answer_is_no_second_answer(session: PipeSession, wire: Wire, spare: str) -> None:
    (task,) = await asked(session, wire)
    answer = {"result": {"a": 1}, "error": None} if spare == "error" else {"result": None, "error": {"code": 5}}
    feed(session, id=wire.sent[0]["id"], **answer)
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    assert outcome == {"a": 1} if spare == "error" else isinstance(outcome, RpcError) and outcome.code == 5


async def test_a_batch_is_taken_apart(session: PipeSession, wire: Wire, heard: Heard) -> None:
    tasks = await asked(session, wire, 2)
    batch = [{"id": message["id"], "result": {"n": message["params"]["n"]}} for message in wire.sent]
    session.feed(json.dumps([*batch, {"method": "notifications/x"}]).encode())
    assert await asyncio.gather(*tasks) == [{"n": 0}, {"n": 1}]
    assert heard == [("notifications/x", {})]


# Deadlines and cancellation


async def test_a_deadline_tells_the_server_and_the_session_lives_on(session: PipeSession, wire: Wire) -> None:
    with pytest.raises(DeadlineExceeded, match=r"No answer to m within 0\.01 s"):
        await session.request("m", timeout=0.01)
    cancelled = wire.sent[1]
    assert cancelled["method"] == "notifications/cancelled"
    assert cancelled["params"]["requestId"] == wire.sent[0]["id"]
    feed(session, id=wire.sent[0]["id"], result={"too": "late"})
    assert session.stray == 1
    (task,) = [asyncio.create_task(session.request("m", timeout=5))]
    feed(session, id=(await wire.until(3))[2]["id"], result={})
    assert await task == {}


async def test_a_deadline_of_nothing_has_passed_already(session: PipeSession) -> None:
    with pytest.raises(DeadlineExceeded):
        await session.request("m", timeout=0)


async def test_a_cancelled_caller_cancels_at_the_server(session: PipeSession, wire: Wire) -> None:
    (task,) = await asked(session, wire)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.sent[1]["params"]["requestId"] == wire.sent[0]["id"]


async def test_a_negotiation_is_never_cancelled_at_the_server(session: PipeSession, wire: Wire) -> None:
    with pytest.raises(DeadlineExceeded):
        await session.request("initialize", timeout=0.01, cancellable=False)
    assert len(wire.sent) == 1


async def test_a_full_channel_is_waited_for_until_the_deadline(session: PipeSession, wire: Wire) -> None:
    wire.full = True
    with pytest.raises(DeadlineExceeded):
        await session.request("m", timeout=0.01)
    assert wire.sent == []
    task = asyncio.create_task(session.request("m", timeout=5))
    await checkpoint()
    wire.make_room()
    feed(session, id=(await wire.until(1))[0]["id"], result={})
    assert await task == {}


async def test_the_end_fails_what_waits_and_what_comes(session: PipeSession, wire: Wire) -> None:
    tasks = await asked(session, wire, 3)
    session.finish(End("It is over.", code=-9, terminal=True), "gone")
    session.finish(End("It is over again."))
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, SessionError)
        assert (str(outcome), outcome.code, outcome.terminal) == ("It is over.", "gone", True)
    assert (await session.ended()).code == -9
    with pytest.raises(SessionError):
        await session.request("m", timeout=5)
    with pytest.raises(SessionError):
        await session.notify("m")
    assert not feed(session, id=1, result={})


async def test_what_is_no_json_is_the_callers_mistake(session: PipeSession, wire: Wire) -> None:
    with pytest.raises(ValueError):
        await session.request("m", {"n": float("nan")}, timeout=5)
    assert wire.sent == []


# Metadata and progress


async def test_progress_reaches_the_caller_raw_and_nobody_else(session: PipeSession, wire: Wire, heard: Heard) -> None:
    seen: list[Mapping[str, Any]] = []
    (task,) = await asked(session, wire, on_progress=seen.append)
    token = wire.sent[0]["params"]["_meta"]["progressToken"]
    feed(session, method="notifications/progress", params={"progressToken": token, "progress": 1, "vendor": 2})
    feed(session, method="notifications/progress", params={"progressToken": "other", "progress": 1})
    feed(session, id=wire.sent[0]["id"], result={})
    await task
    feed(session, method="notifications/progress", params={"progressToken": token, "progress": 2})
    assert seen == [{"progressToken": token, "progress": 1, "vendor": 2}]
    assert (heard, session.stray) == ([], 2)


@pytest.mark.parametrize(
    ("params", "envelope", "expected"),
    [
        (None, {}, None),
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1, "_meta": {"progressToken": 9, "acme/x": 1}}, {}, {"a": 1, "_meta": {"acme/x": 1}}),
        ({"_meta": {"progressToken": 9}}, {}, {}),
        ({"_meta": "odd"}, {}, {}),
        (None, {"e": 1}, {"_meta": {"e": 1}}),
        ({"_meta": {"io.modelcontextprotocol/clientInfo": "forged", "k": 2}}, {"e": 1}, {"_meta": {"e": 1, "k": 2}}),
    ],
)
async def test_metadata_of_the_caller_stays_but_for_what_is_ours(
    session: PipeSession, wire: Wire, params: Any, envelope: dict[str, Any], expected: Any
) -> None:
    session.envelope = envelope
    task = asyncio.create_task(session.request("m", params, timeout=5))
    (message,) = await wire.until(1)
    feed(session, id=message["id"], result={})
    await task
    assert message.get("params") == expected
    await session.notify("n", params)
    assert wire.sent[1].get("params") == expected


# The server's own messages


async def test_notifications_are_passed_on_with_whatever_they_hold(session: PipeSession, heard: Heard) -> None:
    assert not feed(session, method="notifications/message", params={"level": "info", "vendor": 1})
    feed(session, method="notifications/tools/list_changed")
    feed(session, method="notifications/odd", params=[1])
    feed(session, method="notifications/subscriptions/acknowledged", params={})
    assert heard == [
        ("notifications/message", {"level": "info", "vendor": 1}),
        ("notifications/tools/list_changed", {}),
        ("notifications/odd", {}),
    ]


async def test_a_listener_that_fails_stops_nothing(wire: Wire) -> None:
    reported: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    session = PipeSession(wire, lambda method, params: params["missing"])
    feed(session, method="notifications/x")
    (task,) = await asked(session, wire)
    feed(session, id=wire.sent[0]["id"], result={})
    assert await task == {}
    assert isinstance(reported[0], KeyError)


NOBODY_TO_ASK = {
    "code": -32000,
    "message": "mcp-reconciler: there is no client to ask: nothing that a client asked for is in flight",
}


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("ping", {"result": {}}),
        ("elicitation/create", {"result": {"action": "decline"}}),
        ("sampling/createMessage", {"error": NOBODY_TO_ASK}),
        ("roots/list", {"error": NOBODY_TO_ASK}),
        ("vendor/x", {"error": {"code": -32601, "message": "Method not found: vendor/x"}}),
    ],
)
async def test_questions_nobody_answers_are_answered_properly(
    session: PipeSession, wire: Wire, method: str, answer: dict[str, Any]
) -> None:
    feed(session, id="q-1", method=method, params={})
    assert await wire.until(1) == [{"jsonrpc": "2.0", "id": "q-1", **answer}]


async def test_questions_go_to_who_answers_them(wire: Wire) -> None:
    async def answer(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if method == "refuse":
            raise RpcError({"code": -1, "message": "no"})
        return {"method": method, **params}

    session = PipeSession(wire, ignore, answer=answer)
    feed(session, id=1, method="elicitation/create", params={"message": "?"})
    feed(session, id=2, method="refuse")
    first, second = await wire.until(2)
    assert first["result"] == {"method": "elicitation/create", "message": "?"}
    assert second["error"] == {"code": -1, "message": "no"}


async def test_too_many_questions_at_a_time_are_refused_and_a_withdrawn_one_is_forgotten(wire: Wire) -> None:
    started: asyncio.Queue[str] = asyncio.Queue()
    stopped = asyncio.Event()

    async def answer(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        started.put_nowait(method)
        try:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
        finally:
            stopped.set()

    session = PipeSession(wire, ignore, answer=answer, limits=Limits(questions=2))
    for number in range(3):
        feed(session, id=number, method=f"q{number}")
    (refusal,) = await wire.until(1)
    assert (refusal["id"], refusal["error"]["code"]) == (2, -32000)
    assert {await started.get(), await started.get()} == {"q0", "q1"}
    feed(session, method="notifications/cancelled", params={"requestId": 0})
    await stopped.wait()
    await checkpoint()
    feed(session, id=3, method="q3")
    assert await started.get() == "q3"
    session.finish(End("over"))
    assert len(wire.sent) == 1


async def test_an_answer_to_a_question_that_fails_unexpectedly_says_nothing_about_it(wire: Wire) -> None:
    async def answer(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        raise KeyError("private")

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    session = PipeSession(wire, ignore, answer=answer)
    feed(session, id=1, method="q")
    (message,) = await wire.until(1)
    assert message["error"]["code"] == -32603
    assert "private" not in str(message)


async def test_a_stream_that_the_server_cancels_is_over(session: PipeSession, wire: Wire) -> None:
    (task,) = await asked(session, wire)
    feed(session, method="notifications/cancelled", params={"requestId": wire.sent[0]["id"]})
    with pytest.raises(RpcError):
        await task


async def test_replies_to_a_server_that_does_not_read_are_dropped(session: PipeSession, wire: Wire) -> None:
    wire.full = True
    for number in range(100):
        feed(session, id=number, method="ping")
    await session.notify("notifications/x")
    assert wire.sent == []


async def test_a_good_line_forgives_the_bad_ones_before(wire: Wire) -> None:
    session = PipeSession(wire, ignore, limits=Limits(bad_lines=3))
    for line in (b"a", b"b", b'{"method":"notifications/x"}', b"c", b"d"):
        session.feed(line)
    assert (session.skipped, session.end) == (4, None)
    assert session.bad_lines == ("a", "b", "c")
    session.feed(b"e")
    assert session.end and "3 lines in a row" in session.end.reason


def ignore(_: str, __: Mapping[str, Any]) -> None:
    """A listener that does not listen."""
