"""A server's question reaches the client's user and the answer the server, whatever era each of them speaks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.gate.approvals import Decision
from tests.faces.gateway.served import Handshaken, Served, Stateless, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:questions")]

FORMS: dict[str, Any] = {"elicitation": {}}
EVERYTHING: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
ADA = {"action": "accept", "content": {"name": "Ada"}}
BOTH_ERAS = ["old", "new"]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def seen(client: Stateless | Handshaken) -> list[dict[str, Any]]:
    """What the server of the client's endpoint got."""
    answer = await client.call("seen")
    found: list[dict[str, Any]] = json.loads(answer.result["content"][0]["text"])["seen"]
    return found


def said(result: dict[str, Any]) -> Any:
    """What the tool says it was told."""
    return json.loads(result["content"][0]["text"])


async def on_stream(client: Handshaken, answers: list[Any], method: str, /, **params: Any) -> tuple[Any, list[Any]]:
    """The final message of a request during which the client answers what it is asked, and what it was asked."""
    asked: list[Any] = []
    async with client.stream("POST", client.request(method, **params)) as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        while True:
            message = await stream.next()
            if "method" not in message:
                assert await stream.rest() == []
                return message, asked
            asked.append(message)
            answer = answers.pop(0)
            reply = answer if "error" in answer else {"result": answer}
            assert (await client.post({"jsonrpc": "2.0", "id": message["id"], **reply})).status == 202


@pytest.mark.parametrize("server", BOTH_ERAS)
async def test_a_client_with_a_session_is_asked_on_the_stream_of_its_call(gateway: Served, server: str) -> None:
    client = await gateway.opened(f"/mcp/s/{server}", capabilities=FORMS)
    final, asked = await on_stream(client, [ADA], "tools/call", name="ask", arguments={"text": "who is there?"})
    assert said(final["result"]) == [ADA]
    assert [message["method"] for message in asked] == ["elicitation/create"]
    assert asked[0]["params"]["message"] == "who is there?"


@pytest.mark.parametrize("server", BOTH_ERAS)
async def test_a_stateless_client_is_asked_by_the_result_and_answers_with_its_retry(
    gateway: Served, server: str
) -> None:
    client = gateway.stateless(f"/mcp/s/{server}")
    client.capabilities = FORMS
    first = await client.call("ask", text="who is there?")
    assert first.status == 200 and first.result["resultType"] == "input_required" and not first.streamed
    ((key, question),) = first.result["inputRequests"].items()
    assert question["method"] == "elicitation/create" and question["params"]["message"] == "who is there?"
    second = await retry(client, first, {key: ADA}, "ask", text="who is there?")
    assert second.result["resultType"] == "complete" and said(second.result) == [ADA]


async def retry(client: Stateless, first: Any, responses: Any, name: str, /, **arguments: Any) -> Any:
    """The same call again, with answers and the state that came with the questions."""
    more = {"inputResponses": responses, "requestState": first.result["requestState"]}
    return await client.ask("tools/call", name=name, arguments=arguments, **more)


@pytest.mark.parametrize("server", BOTH_ERAS)
async def test_a_server_may_ask_again_and_again(gateway: Served, server: str) -> None:
    answers = [{"action": "accept", "content": {"name": str(number)}} for number in range(3)]
    handshaken = await gateway.opened(f"/mcp/s/{server}", capabilities=FORMS)
    final, _ = await on_stream(handshaken, list(answers), "tools/call", name="ask", arguments={"times": 3})
    assert said(final["result"]) == answers
    client = gateway.stateless(f"/mcp/s/{server}")
    client.capabilities = FORMS
    answer = await client.call("ask", times=3)
    for each in answers:
        (key,) = answer.result["inputRequests"]
        answer = await retry(client, answer, {key: each}, "ask", times=3)
    assert said(answer.result) == answers


async def test_questions_that_come_together_are_asked_together(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/new")
    client.capabilities = FORMS
    first = await client.call("both")
    assert len(first.result["inputRequests"]) == 2
    second = await retry(client, first, dict.fromkeys(first.result["inputRequests"], ADA), "both")
    assert said(second.result) == [ADA, ADA]


async def test_a_handshake_server_that_asks_twice_at_once_hears_both_answers(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    client.capabilities = FORMS
    answer, asked = await client.call("both"), set()
    while answer.result["resultType"] == "input_required":
        questions = answer.result["inputRequests"]
        asked |= {question["params"]["message"] for question in questions.values()}
        answer = await retry(client, answer, dict.fromkeys(questions, ADA), "both")
    assert said(answer.result) == [ADA, ADA] and asked == {"first?", "second?"}
    handshaken = await gateway.opened("/mcp/s/old", capabilities=FORMS)
    final, _ = await on_stream(handshaken, [ADA, ADA], "tools/call", name="both", arguments={})
    assert said(final["result"]) == [ADA, ADA]


@pytest.mark.parametrize("server", BOTH_ERAS)
@pytest.mark.parametrize(
    ("method", "params"), [("prompts/get", {"name": "asks"}), ("resources/read", {"uri": "asks://it"})]
)
async def test_prompts_and_resources_may_ask_too(
    gateway: Served, server: str, method: str, params: dict[str, Any]
) -> None:
    handshaken = await gateway.opened(f"/mcp/s/{server}", capabilities=FORMS)
    final, _ = await on_stream(handshaken, [ADA], method, **params)
    assert "Ada" in json.dumps(final["result"])
    client = gateway.stateless(f"/mcp/s/{server}")
    client.capabilities = FORMS
    first = await client.ask(method, **params)
    (key,) = first.result["inputRequests"]
    state = first.result["requestState"]
    second = await client.ask(method, **params, inputResponses={key: ADA}, requestState=state)
    assert "Ada" in json.dumps(second.result) and second.result["resultType"] == "complete"


@pytest.mark.parametrize("server", BOTH_ERAS)
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("sampling/createMessage", {"role": "assistant", "content": {"type": "text", "text": "hm"}, "model": "m"}),
        ("elicitation/create", {"action": "decline"}),
        ("elicitation/create", {"action": "cancel"}),
    ],
)
async def test_whatever_was_declared_can_be_asked(gateway: Served, server: str, method: str, answer: Any) -> None:
    handshaken = await gateway.opened(f"/mcp/s/{server}", capabilities=EVERYTHING)
    final, asked = await on_stream(handshaken, [answer], "tools/call", name="ask", arguments={"method": method})
    assert said(final["result"]) == [answer] and asked[0]["method"] == method
    client = gateway.stateless(f"/mcp/s/{server}")
    client.capabilities = EVERYTHING
    first = await client.call("ask", method=method)
    (key,) = first.result["inputRequests"]
    assert said((await retry(client, first, {key: answer}, "ask", method=method)).result) == [answer]


@pytest.mark.parametrize(
    ("declared", "arguments", "missing"),
    [
        ({}, {}, {"elicitation": {}}),
        ({"sampling": {}}, {}, {"elicitation": {}}),
        (FORMS, {"method": "sampling/createMessage"}, {"sampling": {}}),
        (FORMS, {"mode": "url"}, {"elicitation": {"url": {}}}),
        ({"elicitation": {"form": {}}}, {"mode": "url"}, {"elicitation": {"url": {}}}),
        ({"elicitation": True}, {}, {"elicitation": {}}),
    ],
)
async def test_what_was_not_declared_is_never_asked(
    gateway: Served, declared: dict[str, Any], arguments: dict[str, Any], missing: dict[str, Any]
) -> None:
    for server in BOTH_ERAS:
        handshaken = await gateway.opened(f"/mcp/s/{server}", capabilities=declared)
        client = gateway.stateless(f"/mcp/s/{server}")
        client.capabilities = declared
        for answer, status in (
            (await handshaken.call("ask", **arguments), 200),
            (await client.call("ask", **arguments), 400),
        ):
            assert len(answer.messages) == 1
            if server == "new":
                assert answer.error["code"] == -32021 and answer.status == status
                assert answer.error["data"] == {"requiredCapabilities": missing}
            else:
                (told,) = said(answer.result)
                assert told.get("action") in ("decline", "cancel") or "error" in told


async def test_a_client_that_takes_no_stream_cannot_be_asked(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", capabilities=FORMS)
    client.headers["accept"] = "application/json"
    answer = await client.call("ask")
    assert not answer.streamed
    (told,) = said(answer.result)
    assert told["error"]["message"] == "The client cannot be asked on this request"


async def test_an_error_of_the_client_reaches_the_server(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", capabilities=EVERYTHING)
    error = {"error": {"code": -1, "message": "rejected", "data": {"by": "user"}}}
    final, _ = await on_stream(
        client, [error], "tools/call", name="ask", arguments={"method": "sampling/createMessage"}
    )
    assert said(final["result"]) == [error]


async def test_answers_to_nothing_that_was_asked_are_not_looked_at(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", capabilities=FORMS)
    for number in ("reconciler-1", "nothing", 7):
        assert (await client.post({"jsonrpc": "2.0", "id": number, "result": ADA})).status == 202
    final, asked = await on_stream(client, [ADA], "tools/call", name="ask", arguments={})
    assert said(final["result"]) == [ADA] and len(asked) == 1


async def test_one_client_cannot_answer_for_another(gateway: Served) -> None:
    one = await gateway.opened("/mcp/s/old", capabilities=FORMS)
    other = await gateway.opened("/mcp/s/old", capabilities=FORMS)
    request = one.request("tools/call", name="ask", arguments={})
    async with one.stream("POST", request) as stream:
        asked = await stream.next()
        forged = {"action": "accept", "content": {"name": "Mallory"}}
        assert (await other.post({"jsonrpc": "2.0", "id": asked["id"], "result": forged})).status == 202
        assert (await one.post({"jsonrpc": "2.0", "id": asked["id"], "result": ADA})).status == 202
        assert said((await stream.next())["result"]) == [ADA]


async def test_a_retry_without_the_answer_is_asked_again(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    client.capabilities = FORMS
    answer = await client.call("ask")
    (key,) = answer.result["inputRequests"]
    for wrong in ({}, {"another": ADA}, {key: "no object"}):
        answer = await retry(client, answer, wrong, "ask")
        assert answer.result["resultType"] == "input_required" and list(answer.result["inputRequests"]) == [key]
    assert said((await retry(client, answer, {key: ADA, "another": {}}, "ask")).result) == [ADA]


async def test_a_ticket_is_good_once_for_its_own_request_and_nothing_else(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    client.capabilities = FORMS
    first = await client.call("ask", text="a")
    (key,) = first.result["inputRequests"]
    state = first.result["requestState"]
    operator = gateway.stateless("/mcp/s/old", gateway.tokens["operator"])
    elsewhere = gateway.stateless("/mcp")
    for other in (operator, elsewhere):
        other.capabilities = FORMS
    another = "y" if state[20] == "x" else "x"
    refused = [
        await retry(client, first, {key: ADA}, "ask", text="b"),
        await retry(client, first, {key: ADA}, "both", text="a"),
        await retry(operator, first, {key: ADA}, "ask", text="a"),
        await retry(elsewhere, first, {key: ADA}, "old__ask", text="a"),
        *[await tampered(client, key, bad) for bad in (state[:-2], state + "A", state[:20] + another + state[21:])],
    ]
    for answer in refused:
        assert answer.status == 400 and answer.error["code"] == -32602, answer
        assert "requestState" in answer.error["message"]
    assert said((await retry(client, first, {key: ADA}, "ask", text="a")).result) == [ADA]
    again = await retry(client, first, {key: ADA}, "ask", text="a")
    assert again.error["code"] == -32602
    assert [call["name"] for call in await seen(client)] == ["ask"]


async def tampered(client: Stateless, key: str, state: str) -> Any:
    return await client.ask(
        "tools/call", name="ask", arguments={"text": "a"}, inputResponses={key: ADA}, requestState=state
    )


async def test_key_order_and_spelling_of_numbers_do_not_make_another_request(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    client.capabilities = FORMS
    first = await client.call("ask", text="a", more=1)
    (key,) = first.result["inputRequests"]
    assert said((await retry(client, first, {key: ADA}, "ask", more=1.0, text="a")).result) == [ADA]


async def test_what_two_stateless_sides_say_to_each_other_passes_as_it_is(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/new")
    client.capabilities = FORMS
    first = await client.call("ask", times=2)
    assert first.result["requestState"] == "[]" and list(first.result["inputRequests"]) == ["key-0"]
    await retry(client, first, {"key-0": ADA, "vendor": {"x": 1}}, "ask", times=2)
    got = (await seen(client))[-1]["params"]
    assert got["inputResponses"] == {"key-0": ADA, "vendor": {"x": 1}} and got["requestState"] == "[]"


@requirement("GATE-2:gate-decides")
@pytest.mark.parametrize("server", BOTH_ERAS)
async def test_a_call_that_was_let_through_once_asks_its_own_questions_and_no_person_again(
    tmp_path: Path, server: str
) -> None:
    servers = {"it": program("curious", "--era", "handshake" if server == "old" else "stateless")}
    rules = {"requireApproval": True, "tools": {"seen": {"requireApproval": False}}}
    async with served(tmp_path, {"it": {**servers["it"], **rules}}) as gateway:
        handshaken = await gateway.opened("/mcp/s/it", capabilities=FORMS)
        client = gateway.stateless("/mcp/s/it")
        client.capabilities = FORMS
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(allow, gateway)
            final, asked = await on_stream(handshaken, [ADA, ADA], "tools/call", name="ask", arguments={"times": 2})
            assert said(final["result"]) == [ADA, ADA] and len(asked) == 2
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(allow, gateway)
            answer = await client.ask(
                "tools/call", name="ask", arguments={"times": 2}, inputResponses={"key-0": ADA}, requestState="[1]"
            )
        while answer.result["resultType"] == "input_required":
            answer = await retry(client, answer, dict.fromkeys(answer.result["inputRequests"], ADA), "ask", times=2)
        assert said(answer.result) == [ADA, ADA]
        assert gateway.desk.project.gate.approvals.waiting == 0
        first = [call["params"] for call in await seen(client) if call["name"] == "ask"][-1 if server == "old" else -3]
        assert "inputResponses" not in first and "requestState" not in first


async def allow(gateway: Served) -> None:
    """A person at the command line says yes to the one call that waits."""
    approvals = gateway.desk.project.gate.approvals
    await gateway.desk.until(lambda: approvals.waiting > 0)
    (row,) = await approvals.listed("waiting")
    await approvals.decide(row.id, Decision(True, "test"))


@requirement("GATE-2:gate-decides")
async def test_where_the_file_lets_it_the_client_itself_asks_its_user_for_the_yes(tmp_path: Path) -> None:
    server = program("curious", requireApproval=True)
    async with served(tmp_path, {"it": server}, approvals={"via": ["client"]}) as gateway:
        yes = {"action": "accept", "content": {"allow": "yes"}}
        handshaken = await gateway.opened("/mcp/s/it", capabilities=FORMS)
        final, asked = await on_stream(handshaken, [yes], "tools/call", name="late", arguments={"ms": "0"})
        assert final["result"]["content"][0]["text"] == "late" and asked[0]["method"] == "elicitation/create"
        client = gateway.stateless("/mcp/s/it")
        client.capabilities = FORMS
        first = await client.call("late", ms="1")
        (key,) = first.result["inputRequests"]
        second = await retry(client, first, {key: yes}, "late", ms="1")
        assert second.result["content"][0]["text"] == "late"


async def test_a_server_learns_what_its_client_declared(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/new")
    every: list[dict[str, Any]] = [{}, {"elicitation": {"form": {}}, "extensions": {"x/y": {}}}]
    for declared in every:
        client.capabilities = declared
        await client.call("late", ms="0")
        meta = (await seen(client))[-1]["params"]["_meta"]
        assert meta["io.modelcontextprotocol/clientCapabilities"] == declared
