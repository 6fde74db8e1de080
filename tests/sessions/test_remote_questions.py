"""Questions over HTTP: the stream that one came on says whose it is; elsewhere the requests in flight do."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from reconciler.sessions.limits import LIMITS
from reconciler.sessions.session import CLIENT_CAPABILITIES, DeadlineExceeded, RpcError
from tests.requirements import requirement
from tests.rig.evil_http import Behaviour, Connection, EvilHttp, Request, Sse, answers, mcp, never, refuses
from tests.sessions.asking import Client
from tests.sessions.remotes import Heard, nothing_left, opened

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("nothing_left"),
    requirement("GATE-1:questions", "GATE-1:attribution"),
]
__all__ = ["nothing_left"]

QUESTION = "elicitation/create"
LOG = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}


def question(number: str, method: str = QUESTION) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": {"message": number}}


class Asking:
    """A server whose calls ask on their own stream, under the name of the tool, and answer with what they heard.

    `standing` is the stream that stands, once it is `up`.
    """

    def __init__(self, **methods: Behaviour) -> None:
        self.up = asyncio.Event()
        self._heard: dict[str, asyncio.Future[Any]] = {}
        self.server = EvilHttp(mcp(GET=self.stand, POST=self.hear, **{"tools/call": self.call}, **methods))

    async def stand(self, request: Request, connection: Connection) -> None:
        await connection.stream()
        self.standing = connection
        self.up.set()
        await connection.gone()

    async def call(self, request: Request, connection: Connection) -> None:
        await connection.stream()
        tool = request.message["params"]["name"]
        await connection.event(LOG)
        await connection.event(question(tool))
        heard = await self.answer(tool)
        await connection.event({"jsonrpc": "2.0", "id": request.message["id"], "result": {"heard": heard}})

    async def hear(self, request: Request, connection: Connection) -> None:
        message = request.message
        self._waiting(message["id"]).set_result(message.get("result", message.get("error")))
        await connection.answer(202)

    async def answer(self, number: str) -> Any:
        """What a question was answered with."""
        return await self._waiting(number)

    def _waiting(self, number: str) -> asyncio.Future[Any]:
        return self._heard.setdefault(number, asyncio.get_running_loop().create_future())


def calling(session: Any, tool: str, caller: Client | None, timeout: float = 60) -> asyncio.Task[dict[str, Any]]:
    return asyncio.create_task(session.request("tools/call", {"name": tool}, timeout=timeout, caller=caller))


async def test_each_of_two_clients_is_asked_what_its_own_call_asks() -> None:
    asking, heard = Asking(), Heard()
    ada, bob = Client("ada", {"action": "accept", "content": {"n": "Ada"}}, never=True), Client("bob", never=True)
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url, heard=heard) as session:
            calls = [calling(session, "of-ada", ada), calling(session, "of-bob", bob)]
            for client in (ada, bob):
                await client.was_asked.wait()
            for client in (bob, ada):
                client.answer_now()
            results = [await call for call in calls]
    assert results == [
        {"heard": {"action": "accept", "content": {"n": "Ada"}}},
        {"heard": {"action": "accept"}},
    ]
    assert ada.asked == [(QUESTION, {"message": "of-ada"})]
    assert bob.asked == [(QUESTION, {"message": "of-bob"})]
    for client in (ada, bob):
        assert client.told == [("notifications/message", {"level": "info", "data": "x"})]
    assert heard == []


@requirement("GATE-1:no-crossing")
async def test_questions_of_many_clients_at_once_never_cross() -> None:
    asking = Asking()
    clients = [Client(f"c{n}", {"action": "accept", "content": {"n": n}}) for n in range(LIMITS.questions)]
    with anyio.fail_after(20):
        async with asking.server, opened(asking.server.url) as session:
            for turn in range(4):
                calls = [calling(session, f"t{turn}-c{n}", client) for n, client in enumerate(clients)]
                heard = [(await call)["heard"]["content"]["n"] for call in calls]
                assert heard == list(range(len(clients)))
    for n, client in enumerate(clients):
        assert [params["message"] for _, params in client.asked] == [f"t{turn}-c{n}" for turn in range(4)]


async def test_a_call_that_nobody_made_is_declined_on_its_stream_whoever_else_calls() -> None:
    asking, ada = Asking(), Client("ada", never=True)
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            call = calling(session, "of-ada", ada)
            await ada.was_asked.wait()
            assert await calling(session, "of-nobody", None) == {"heard": {"action": "decline"}}
            ada.answer_now()
            await call


async def test_on_the_standing_stream_the_calls_in_flight_say_whose_a_question_is() -> None:
    asking, ada, bob = Asking(**{"prompts/get": never}), Client("ada"), Client("bob")
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            await asking.up.wait()
            await asking.standing.event(question("nobody", "sampling/createMessage"))
            assert (await asking.answer("nobody"))["code"] == -32000
            calls = [asyncio.create_task(session.request("prompts/get", {}, timeout=60, caller=ada))]
            await asking.server.until("prompts/get", 1)
            await asking.standing.event(question("one"))
            assert await asking.answer("one") == {"action": "accept"}
            calls += [asyncio.create_task(session.request("prompts/get", {}, timeout=60, caller=bob))]
            await asking.server.until("prompts/get", 2)
            await asking.standing.event(question("two"))
            assert await asking.answer("two") == {"action": "decline"}
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
    assert (len(ada.asked), len(bob.asked)) == (1, 0)


async def test_over_sse_the_calls_in_flight_say_whose_a_question_is() -> None:
    sse, ada = Sse(**{"tools/call": None}), Client("ada")
    with anyio.fail_after(5):
        async with EvilHttp(sse) as server, opened(server.url, "sse") as session:
            call = calling(session, "x", ada)
            request = await server.until("tools/call")
            assert sse.standing is not None
            await sse.standing.event(question("q"))
            assert (await server.until("POST")).message["result"] == {"action": "accept"}
            await sse.standing.event({"jsonrpc": "2.0", "id": request.message["id"], "result": {"a": 1}})
            assert await call == {"a": 1}


async def test_over_http_too_the_deadline_does_not_run_while_a_question_is_open() -> None:
    asking, ada = Asking(), Client("ada", never=True)
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            call = calling(session, "slow", ada, timeout=0.3)
            await ada.was_asked.wait()
            await asyncio.wait({call}, timeout=0.6)
            assert not call.done()
            ada.answer_now()
            assert await call == {"heard": {"action": "accept"}}


async def test_after_a_question_the_deadline_runs_on() -> None:
    ada = Client("ada")

    async def asks_and_dawdles(request: Request, connection: Connection) -> None:
        await connection.stream()
        await connection.event(question("q"))
        await connection.gone()

    with anyio.fail_after(5):
        async with EvilHttp(mcp(**{"tools/call": asks_and_dawdles})) as server, opened(server.url) as session:
            call = calling(session, "slow", ada, timeout=0.3)
            await server.until("POST")
            with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s"):
                await call


async def test_a_client_that_gives_up_its_call_takes_its_question_with_it() -> None:
    asking, ada = Asking(), Client("ada", never=True)
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            call = calling(session, "slow", ada)
            await ada.was_asked.wait()
            call.cancel()
            assert await asking.answer("slow") == {"action": "cancel"}
            await ada.was_left.wait()
            await asking.server.until("notifications/cancelled")


async def test_a_mistake_of_ours_is_not_told_to_the_server() -> None:
    class Broken(Client):
        async def ask(self, method: str, params: Any) -> dict[str, Any]:
            raise KeyError("private")

    asking, reported = Asking(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            result = await calling(session, "x", Broken("ada"))
    assert result == {"heard": {"code": -32603, "message": "The question could not be answered"}}
    assert isinstance(reported[0], KeyError)


async def test_too_many_questions_at_a_time_are_refused() -> None:
    asking, ada = Asking(**{"prompts/get": never}), Client("ada", never=True)
    with anyio.fail_after(5):
        async with asking.server, opened(asking.server.url) as session:
            await asking.up.wait()
            call = asyncio.create_task(session.request("prompts/get", {}, timeout=60, caller=ada))
            await asking.server.until("prompts/get")
            for number in range(LIMITS.questions + 1):
                await asking.standing.event(question(f"q{number}"))
            assert (await asking.answer(f"q{LIMITS.questions}"))["message"] == "Too many requests at a time"
            assert len(ada.asked) == LIMITS.questions
            call.cancel()
            assert await asking.answer("q0") == {"action": "cancel"}


# The stateless era, in which nobody asks: an answer may say what is wanted instead


@pytest.mark.parametrize("level", [None, "debug"])
async def test_a_request_for_a_client_carries_what_that_client_declared(level: str | None) -> None:
    ada = Client("ada", capabilities={"sampling": {"x": 1}}, log_level=level)
    given = {"name": "x", "_meta": {"io.modelcontextprotocol/logLevel": "emergency", "mine": 1}}
    with anyio.fail_after(5):
        async with (
            EvilHttp(mcp("stateless", **{"tools/call": answers({"content": []})})) as server,
            opened(server.url) as session,
        ):
            await session.request("tools/call", given, timeout=5, caller=ada)
            await session.request("tools/call", given, timeout=5)
            meta, ours = (request.message["params"]["_meta"] for request in server.seen("tools/call"))
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {"sampling": {"x": 1}}
    assert meta.get("io.modelcontextprotocol/logLevel") == level
    assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "mcp-reconciler"
    assert ours["io.modelcontextprotocol/clientCapabilities"] == CLIENT_CAPABILITIES
    assert "io.modelcontextprotocol/logLevel" not in ours
    assert (meta["mine"], ours["mine"]) == (1, 1)


async def test_a_server_of_the_handshake_era_is_told_nothing_of_the_client() -> None:
    with anyio.fail_after(5):
        async with (
            EvilHttp(mcp(**{"tools/call": answers({"content": []})})) as server,
            opened(server.url) as session,
        ):
            await session.request("tools/call", {"name": "x"}, timeout=5, caller=Client("ada", log_level="debug"))
            assert server.seen("tools/call")[0].message["params"] == {"name": "x"}


async def test_what_a_stateless_server_wants_first_arrives_as_it_says_it() -> None:
    wanted = {
        "resultType": "input_required",
        "inputRequests": {"q1": {"method": QUESTION, "params": {"message": "?", "x": 1}}},
        "requestState": "s",
    }
    lacking = refuses(-32021, "needs sampling", data={"requiredCapabilities": {"sampling": {}}})
    behave = mcp("stateless", **{"tools/call": answers(wanted), "prompts/get": lacking})
    with anyio.fail_after(5):
        async with EvilHttp(behave) as server, opened(server.url) as session:
            assert await session.request("tools/call", {"name": "x"}, timeout=5, caller=Client("ada")) == wanted
            with pytest.raises(RpcError) as caught:
                await session.request("prompts/get", {"name": "x"}, timeout=5, caller=Client("ada"))
            assert caught.value.error["data"] == {"requiredCapabilities": {"sampling": {}}}
            assert caught.value.code == -32021
