"""The short way of a call: that it is taken, that nothing but its speed tells it from the usual one, and its ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.faces.gateway.hot import HotCall, KnownHead
from reconciler.faces.gateway.limits import Limits
from reconciler.gate.turn import Patience
from reconciler.sessions.instance import Instance
from reconciler.store.tokens import revoke_token
from tests.engine.desk import light
from tests.faces.gateway.served import Client, Handshaken, Served, Stateless, head, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:short-way")]
ERAS = ["handshake", "stateless"]


class Spy:
    """How often a request was taken the short way, and how often one of them had to go on in the usual one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reset()
        begin, hand_over, leave = KnownHead.begin, HotCall.hand_over, Instance.leave

        def counted(known: KnownHead, body: bytes, line: Any) -> HotCall | None:
            call = begin(known, body, line)
            self.taken += call is not None
            self.took.set() if call is not None else None
            return call

        def handed(call: HotCall) -> None:
            self.handed += call._line is not None
            hand_over(call)

        def left(instance: Instance) -> None:
            leave(instance)
            self.idle.set() if instance.in_flight == 0 else None

        monkeypatch.setattr(KnownHead, "begin", counted)
        monkeypatch.setattr(HotCall, "hand_over", handed)
        monkeypatch.setattr(Instance, "leave", left)

    def reset(self) -> None:
        self.taken = self.handed = 0
        self.took, self.idle = asyncio.Event(), asyncio.Event()


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


@asynccontextmanager
async def opened(both: Served, era: str, **capabilities: Any) -> AsyncIterator[Handshaken | Stateless]:
    """A client of its own connection, whose next call takes the short way."""
    client = both.client(era)
    if isinstance(client, Handshaken):
        await client.open(capabilities=capabilities)
    else:
        client.capabilities = capabilities
    for _ in range(2):
        assert (await client.call("old__echo", text="warm")).status == 200
    yield client


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("tool", ["old__echo", "new__echo"])
async def test_a_call_whose_head_is_known_is_taken_and_answered_as_the_first_was(
    both: Served, spy: Spy, era: str, tool: str
) -> None:
    async with opened(both, era) as client:
        first = await client.call(tool, text="grüße\u2028")
        spy.reset()
        second = await client.call(tool, text="grüße\u2028")
        assert (spy.taken, spy.handed) == (1, 0)
        assert second.result == first.result
        assert {name: second.headers[name] for name in ("content-type", "content-length")} == {
            name: first.headers[name] for name in ("content-type", "content-length")
        }


async def sent(client: Client, request: dict[str, Any], body: bytes) -> Any:
    """What a body is answered with, behind the head that `request` has."""
    headers = client.routing(request) if isinstance(client, Stateless) else {}
    answer = await client.post(body, **headers)
    return answer.status, answer.messages


ODD = {
    "twin": lambda text: text.replace('"name"', '"name": "x", "name"'),
    "not-json": lambda text: text + "}",
    "nan": lambda text: text.replace('"hello"', "NaN"),
    "surrogate": lambda text: text.replace("hello", "\\ud800"),
    "deep": lambda text: text.replace('"hello"', "[" * 200 + "]" * 200),
    "no-arguments": lambda text: text.replace('"arguments": {"text": "hello"}', '"arguments": []'),
    "null-arguments": lambda text: text.replace('{"text": "hello"}', "null"),
    "unknown-tool": lambda text: text.replace("old__echo", "old__nothing"),
    "other-method": lambda text: text.replace("tools/call", "tools/list"),
    "no-version": lambda text: text.replace('"2.0"', '"1.0"'),
    "id-true": lambda text: text.replace('"id": 77', '"id": true'),
    "id-text": lambda text: text.replace('"id": 77', '"id": "77"'),
    "more-params": lambda text: text.replace('"params": {', '"params": {"more": 1, '),
    "more-members": lambda text: text.replace('"id": 77', '"id": 77, "vendor": 1'),
    "notification": lambda text: text.replace('"id": 77, ', ""),
    "error-result": lambda text: text.replace("old__echo", "old__ask"),
    "spaces": lambda text: f"  {text}\n",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("odd", ODD)
async def test_behind_a_known_head_every_body_is_answered_as_ever(both: Served, spy: Spy, era: str, odd: str) -> None:
    async with opened(both, era) as client:
        request = {**client.request("tools/call", name="old__echo", arguments={"text": "hello"}), "id": 77}
        plain = json.dumps(request)
        body = ODD[odd](plain).encode()
        known = await sent(client, request, body)
        client.headers["x-other"] = "head"
        spy.reset()
        unknown = await sent(client, request, body)
        assert spy.taken == 0
        assert known == unknown


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_takes_longer_goes_on_in_the_usual_way_and_is_sent_once(
    both: Served, spy: Spy, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    start = Instance.start
    monkeypatch.setattr(Instance, "start", lambda *given, **named: begun.append(1) or start(*given, **named))
    async with opened(both, era) as client:
        await client.call("old__sleep", ms=1)
        spy.reset()
        begun.clear()
        answer = await client.call("old__sleep", ms=300)
        assert answer.result["content"][0]["text"] == '"slept"' or answer.result["content"][0]["text"] == "slept"
        assert (spy.taken, spy.handed, len(begun)) == (1, 1, 1)
        assert (await client.call("old__echo", text="next")).status == 200


@pytest.mark.parametrize("era", ERAS)
async def test_a_server_s_question_on_the_short_way_reaches_its_client(both: Served, spy: Spy, era: str) -> None:
    async with opened(both, era, elicitation={}) as client:
        request = client.request("tools/call", name="old__ask", arguments={"text": "really?"})
        if isinstance(client, Handshaken):
            spy.reset()
            async with client.stream("POST", request) as stream:
                question = await stream.next()
                assert question["method"] == "elicitation/create"
                response = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
                assert (await client.post(response)).status == 202
                last = await stream.next()
            answered = last["result"]
        else:
            first = await client.ask("tools/call", name="old__ask", arguments={"text": "first"})
            await answer_stateless(client, "first", first.result)
            spy.reset()
            asked = await client.ask("tools/call", name="old__ask", arguments={"text": "really?"})
            answered = await answer_stateless(client, "really?", asked.result)
        assert (spy.taken, spy.handed) == (1, 1)
        assert json.loads(answered["content"][0]["text"])["answer"] == {"action": "decline"}


async def answer_stateless(client: Stateless, text: str, asked: Any) -> Any:
    """Decline whatever a result asks."""
    assert asked["resultType"] == "input_required"
    again = await client.ask(
        "tools/call",
        name="old__ask",
        arguments={"text": text},
        requestState=asked["requestState"],
        inputResponses={key: {"action": "decline"} for key in asked["inputRequests"]},
    )
    return again.result


@pytest.mark.parametrize("era", ERAS)
async def test_an_error_of_the_server_on_the_short_way_is_the_client_s_error(both: Served, spy: Spy, era: str) -> None:
    async with opened(both, era) as client:
        await client.call("old__crash", status=0)
        await both.desk.until(lambda: both.desk.project.serving("old") is not None)
        await client.call("old__echo", text="again")
        spy.reset()
        answer = await client.call("old__crash", status=0)
        assert answer.error["code"] == -32000
        assert spy.handed == spy.taken


async def test_a_notification_takes_back_a_call_on_the_short_way(
    tmp_path: Any, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"defaults": {"requireApproval": False}}
    async with (
        served(tmp_path, {"old": light("old")}, limits=Limits(watch=30.0), **settings) as gateway,
        opened(gateway, "handshake") as client,
    ):
        assert isinstance(client, Handshaken)
        await client.call("old__sleep", ms=1)
        spy.reset()
        request = client.request("tools/call", name="old__sleep", arguments={"ms": 60_000})
        async with anyio.create_task_group() as tasks:
            answers: list[Any] = []

            async def ask() -> None:
                answers.append(await client.post(request))

            tasks.start_soon(ask)
            await spy.took.wait()
            assert (await client.tell("notifications/cancelled", requestId=request["id"])).status == 202
        assert answers[0].error == {"code": -32800, "message": "Request cancelled"}
        assert (await client.call("old__echo", text="next")).status == 200


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_is_taken_back_ends_the_short_way(both: Served, spy: Spy, era: str) -> None:
    name, both.token = both.create_token("client")
    async with opened(both, era) as client:
        revoke_token(both.desk.project.state, name)
        both.desk.project.tokens.look()
        spy.reset()
        assert (await client.call("old__echo", text="x")).status == 401
        assert spy.taken == 0


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_is_taken_back_during_a_call_refuses_it_and_the_server_is_told(
    tmp_path: Any, spy: Spy, era: str
) -> None:
    settings = {"defaults": {"requireApproval": False}}
    async with served(tmp_path, {"old": light("old")}, limits=Limits(watch=30.0), **settings) as gateway:
        name, gateway.token = gateway.create_token("client")
        async with opened(gateway, era) as client:
            await client.call("old__sleep", ms=1)
            spy.reset()
            async with anyio.create_task_group() as tasks:
                answers: list[Any] = []

                async def ask() -> None:
                    answers.append(await client.call("old__sleep", ms=60_000))

                tasks.start_soon(ask)
                await spy.took.wait()
                revoke_token(gateway.desk.project.state, name)
                gateway.desk.project.tokens.look()
            assert answers[0].status == 401
            await spy.idle.wait()


async def test_a_session_that_ended_ends_the_short_way(both: Served, spy: Spy) -> None:
    async with opened(both, "handshake") as client:
        await both.http.delete("/mcp", headers=client.headers)
        spy.reset()
        assert (await client.call("old__echo", text="x")).status == 404
        assert spy.taken == 0


@pytest.mark.parametrize("era", ERAS)
async def test_what_the_file_says_now_holds_on_the_short_way(both: Served, spy: Spy, era: str) -> None:
    async with opened(both, era) as client:
        both.desk.write(
            {"old": light("old", denyTools=["echo"]), "new": program("stateless")}, defaults={"requireApproval": False}
        )
        await both.desk.apply()
        spy.reset()
        answer = await client.call("old__echo", text="x")
        assert "result" not in answer.last or answer.result["isError"]
        assert spy.taken == 0


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_asks_a_person_never_takes_the_short_way(tmp_path: Any, spy: Spy, era: str) -> None:
    servers = {"old": light("old", tools={"info": {"requireApproval": True}}, requireApproval=False)}
    async with served(tmp_path, servers) as gateway, opened(gateway, era) as client:
        spy.reset()
        gateway.desk.project.gate.patience = Patience(whole=0, tick=0.01)
        for _ in range(2):
            answer = await client.call("old__info")
            assert "approv" in json.dumps(answer.last)
        assert spy.taken == 0


async def test_requests_that_come_together_are_answered_in_their_order(both: Served, spy: Spy) -> None:
    async with opened(both, "handshake") as client, both.dialled() as (reader, writer):
        calls = [
            client.request("tools/call", name="old__echo", arguments={"text": f"number {number}"})
            for number in range(12)
        ]
        together = b"".join(whole(client, call) for call in calls[2:])
        for call in calls[:2]:
            writer.write(whole(client, call))
            await answer_of(reader)
        spy.reset()
        writer.write(whole(client, calls[0])[:-5])
        await writer.drain()
        writer.write(whole(client, calls[0])[-5:] + together)
        found = [await answer_of(reader) for _ in calls[1:]]
        assert [one["id"] for one in found] == [call["id"] for call in (calls[0], *calls[2:])]


async def test_the_short_way_is_taken_one_after_the_other_also_where_requests_wait(both: Served, spy: Spy) -> None:
    async with opened(both, "handshake") as client, both.dialled() as (reader, writer):
        calls = [client.request("tools/call", name="old__echo", arguments={"text": str(n)}) for n in range(6)]
        for call in calls[:2]:
            writer.write(whole(client, call))
            await answer_of(reader)
        spy.reset()
        writer.write(whole(client, calls[2]))
        await spy.took.wait()
        for call in calls[3:]:
            writer.write(whole(client, call))
        found = [await answer_of(reader) for _ in calls[2:]]
        assert [one["id"] for one in found] == [call["id"] for call in calls[2:]]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_goes_away_as_its_call_is_handed_over_has_sent_it_once(
    both: Served, spy: Spy, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    start, request = Instance.start, Instance.request

    def started(instance: Instance, method: str, *given: Any, **named: Any) -> Any:
        calls.append(method)
        return start(instance, method, *given, **named)

    async def requested(instance: Instance, method: str, *given: Any, **named: Any) -> Any:
        calls.append(method)
        return await request(instance, method, *given, **named)

    monkeypatch.setattr(Instance, "start", started)
    monkeypatch.setattr(Instance, "request", requested)
    async with opened(both, era) as client, both.dialled() as (reader, writer):
        for _ in range(2):
            writer.write(whole(client, client.request("tools/call", name="old__sleep", arguments={"ms": 1})))
            await answer_of(reader)
        calls.clear()
        spy.reset()
        hand_over = HotCall.hand_over

        def gone_at_once(call: HotCall) -> None:
            hand_over(call)
            line: Any = guards[0]
            line.transport.abort()

        guards: list[Any] = []
        begin = KnownHead.begin

        def begun(known: KnownHead, body: bytes, line: Any) -> HotCall | None:
            guards.append(line)
            return begin(known, body, line)

        monkeypatch.setattr(KnownHead, "begin", begun)
        monkeypatch.setattr(HotCall, "hand_over", gone_at_once)
        writer.write(whole(client, client.request("tools/call", name="old__sleep", arguments={"ms": 100})))
        await spy.idle.wait()
        assert calls == ["tools/call"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_goes_away_leaves_nothing_behind(both: Served, spy: Spy, era: str) -> None:
    async with opened(both, era) as client:
        request = client.request("tools/call", name="old__sleep", arguments={"ms": 40})
        await client.call("old__sleep", ms=1)
        async with both.dialled() as (reader, writer):
            for _ in range(2):
                writer.write(whole(client, client.request("tools/call", name="old__sleep", arguments={"ms": 1})))
                await answer_of(reader)
            spy.reset()
            writer.write(whole(client, request))
            await spy.took.wait()
        office = both.gateway.office
        await spy.idle.wait()
        assert (await client.call("old__echo", text="next")).status == 200
        assert office.room.held == 0


def whole(client: Client, request: dict[str, Any]) -> bytes:
    """A request, byte for byte."""
    body = json.dumps(request).encode()
    headers = dict(client.headers)
    if isinstance(client, Stateless):
        headers |= {name.replace("_", "-"): value for name, value in client.routing(request).items()}
    return head("POST", "/mcp", {**headers, "content-length": str(len(body))}) + body


async def answer_of(reader: asyncio.StreamReader) -> Any:
    """The JSON of the next answer."""
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert answer.startswith(b"http/1.1 200")
    length = int(answer.partition(b"content-length:")[2].partition(b"\r")[0])
    return json.loads(await reader.readexactly(length))
