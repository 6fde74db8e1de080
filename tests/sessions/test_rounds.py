"""Questions of stateless servers for clients that cannot be asked that way: round after round until the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.sessions.rounds import MOST_ROUNDS, in_rounds
from reconciler.sessions.session import RpcError
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:questions")]

FORM = {"requestedSchema": {"type": "object", "properties": {"ok": {"type": "boolean", "default": True}}}}
PARAMS = {"name": "tool", "arguments": {"a": 1}, "_meta": {"vendor": 1}}


class Server:
    """Answers one result after the other and keeps what it was asked."""

    def __init__(self, *results: Mapping[str, Any]) -> None:
        self.results = list(results)
        self.asked: list[Mapping[str, Any]] = []

    async def send(self, params: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(params)
        return dict(self.results.pop(0) if len(self.results) > 1 else self.results[0])


class Client:
    def __init__(self) -> None:
        self.questions: list[tuple[str, Mapping[str, Any]]] = []

    async def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.questions.append((method, params))
        if method == "roots/list":
            raise RpcError({"code": -32601, "message": "no roots here"})
        return {"action": "accept", "content": {}} if method == "elicitation/create" else {"model": "m"}


def wants(state: str | None = None, **questions: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"resultType": "input_required", "inputRequests": questions}
    return result if state is None else {**result, "requestState": state}


def elicit(**params: Any) -> dict[str, Any]:
    return {"method": "elicitation/create", "params": {**FORM, **params}}


async def test_a_result_without_questions_is_the_result() -> None:
    server, client = Server({"content": []}), Client()
    assert await in_rounds(server.send, client.ask, PARAMS) == {"content": []}
    assert server.asked == [PARAMS] and client.questions == []


async def test_each_round_carries_its_own_answers_and_the_state_as_it_was_given() -> None:
    server = Server(wants('{"n": 1}', first=elicit(message="1")), wants(second=elicit(message="2")), {"done": 1})
    client = Client()
    assert await in_rounds(server.send, client.ask, PARAMS) == {"done": 1}
    answer = {"action": "accept", "content": {"ok": True}}
    assert server.asked == [
        PARAMS,
        {**PARAMS, "inputResponses": {"first": answer}, "requestState": '{"n": 1}'},
        {**PARAMS, "inputResponses": {"second": answer}},
    ]


async def test_several_questions_of_one_round_are_all_asked() -> None:
    sample = {"method": "sampling/createMessage", "params": {"messages": []}}
    server, client = Server(wants(a=elicit(), b=sample), {}), Client()
    await in_rounds(server.send, client.ask, PARAMS)
    assert [method for method, _ in client.questions] == ["elicitation/create", "sampling/createMessage"]
    assert server.asked[1]["inputResponses"]["b"] == {"model": "m"}


async def test_a_state_alone_is_carried_into_the_next_round() -> None:
    server = Server({"resultType": "input_required", "requestState": "s"}, {"done": 1})
    assert await in_rounds(server.send, Client().ask, PARAMS) == {"done": 1}
    assert server.asked[1] == {**PARAMS, "inputResponses": {}, "requestState": "s"}


async def test_a_client_that_cannot_be_asked_fails_the_request() -> None:
    server = Server(wants(a={"method": "roots/list"}))
    with pytest.raises(RpcError, match="no roots here"):
        await in_rounds(server.send, Client().ask, PARAMS)
    assert len(server.asked) == 1


@pytest.mark.parametrize("questions", [[], "x", {"a": 1}, {"a": {"method": 7}}, {"a": {"method": "x", "params": []}}])
async def test_questions_that_make_no_sense_fail_the_request(questions: Any) -> None:
    server = Server({"resultType": "input_required", "inputRequests": questions})
    with pytest.raises(RpcError, match="mcp-reconciler: the server"):
        await in_rounds(server.send, Client().ask, PARAMS)


async def test_a_server_that_never_stops_asking_is_given_up() -> None:
    server = Server(wants(again=elicit()))
    with pytest.raises(RpcError, match="still has questions"):
        await in_rounds(server.send, Client().ask, PARAMS)
    assert len(server.asked) == MOST_ROUNDS
