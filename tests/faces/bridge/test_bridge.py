"""The bridge in front of a gateway that does what each test wants: both eras, restarts, and everything that breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faces.bridge.fake import ENVELOPE, PATH, STATELESS, SUBSCRIPTION, VERSION, Asked, bridged
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:bridge")]


def echo(asked: Asked) -> None:
    asked.result(asked.message["params"].get("arguments"))


def hang(_: Asked) -> None:
    """The answer never comes."""


# Lines in, lines out


async def test_a_request_is_posted_as_it_is_and_its_answer_is_one_line(tmp_path: Path) -> None:
    async with bridged(tmp_path, token="a-token") as (fake, client):
        fake.handlers["vendor/x"] = lambda asked: asked.answer(b'{"jsonrpc": "2.0",\r\n "id": 7,\n "result": {"v": 1}}')
        line = b'{"jsonrpc":"2.0","id":7,"method":"vendor/x","params":{"deep":[1.0,"\xc3\xa4"]}}'
        await client.write(line)
        assert await client.read() == {"jsonrpc": "2.0", "id": 7, "result": {"v": 1}}
        (asked,) = fake.heard
        assert (asked.method, asked.path, asked.body) == ("POST", PATH, line)
        assert asked.headers["content-type"] == "application/json"
        assert asked.headers["accept"] == "application/json, text/event-stream"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{broken", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700),
        (b"[" * 100_000, -32700),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'"text"', -32600),
        (None, -32600),
    ],
)
async def test_a_line_that_is_no_message_is_answered_and_goes_no_further(
    line: bytes | None, code: int, tmp_path: Path
) -> None:
    async with bridged(tmp_path) as (fake, client):
        await client.bridge.take(line)
        answer = await client.read()
        assert (answer["id"], answer["error"]["code"]) == (None, code)
        assert fake.heard == []


async def test_requests_run_beside_each_other(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"slow": hang, "fast": lambda asked: asked.result({})}
        await client.ask("slow", "slow")
        for number in range(40):
            await client.ask(number, "fast")
        assert {(await client.read())["id"] for _ in range(40)} == set(range(40))


async def test_every_event_of_a_stream_is_a_line(tmp_path: Path) -> None:
    async def work(asked: Asked) -> None:
        asked.stream()
        asked.event(": a comment\n\nid: 1\ndata:\n\n")
        asked.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}})
        asked.event('data: {"jsonrpc": "2.0",\ndata:  "id": 3, "result": {}}\r\n\r\n')
        asked.end()

    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = work
        await client.ask(3, "tools/call", {"name": "x"})
        assert (await client.read())["params"] == {"progress": 1}
        assert await client.read() == {"jsonrpc": "2.0", "id": 3, "result": {}}


async def test_an_error_of_the_gateway_is_the_answer_to_the_request(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {
            "rpc": lambda asked: asked.error(400, -32602, "wrong params"),
            "http": lambda asked: asked.answer({"error": {"code": "forbidden", "message": "not you"}}, 403),
            "text": lambda asked: asked.answer(b"out of order", 503),
        }
        for number, method in enumerate(fake.handlers):
            await client.ask(number, method)
        answers = sorted([await client.read() for _ in fake.handlers], key=lambda answer: int(answer["id"]))
        assert [answer["error"]["message"] for answer in answers] == ["wrong params", "not you", "HTTP 503"]
        assert [answer["error"]["code"] for answer in answers] == [-32602, -32000, -32000]


# The handshake era


async def test_the_session_of_the_handshake_is_carried_by_every_later_message(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = echo
        await client.greet()
        await client.ask(1, "tools/call", {"name": "echo", "arguments": {"a": 1}})
        assert (await client.read())["result"] == {"a": 1}
        await fake.hears("GET")
        first, *later = fake.heard
        assert "mcp-session-id" not in first.headers
        assert "mcp-protocol-version" not in first.headers
        assert {asked.headers["mcp-session-id"] for asked in later} == {"session-1-1"}
        assert {asked.headers["mcp-protocol-version"] for asked in later} == {VERSION}


async def test_what_the_gateway_says_by_itself_reaches_the_client_and_its_answer_goes_back(tmp_path: Path) -> None:
    question = {"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create", "params": {}}

    def ask(asked: Asked) -> None:
        asked.stream()
        asked.event(question)

    async with bridged(tmp_path) as (fake, client):
        fake.handlers["GET"] = ask
        await client.greet()
        assert await client.read() == question
        answer = {"jsonrpc": "2.0", "id": "q1", "result": {"action": "decline"}}
        await client.write(answer)
        assert (await fake.hears("answer")).message == answer


async def test_a_cancelled_request_is_told_to_the_gateway_and_not_answered(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"tools/call": hang, "ping": lambda asked: asked.result({})}
        await client.greet()
        await client.ask(1, "tools/call")
        call = await fake.hears("tools/call")
        await client.tell("notifications/cancelled", requestId="1")
        assert fake.said("notifications/cancelled") == []
        await client.tell("notifications/cancelled", requestId=1)
        assert (await fake.hears("notifications/cancelled")).message["params"] == {"requestId": 1}
        await call.over.wait()
        await client.ask(2, "ping")
        assert (await client.read())["id"] == 2


async def test_the_session_ends_with_the_bridge(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"GET": lambda asked: asked.stream(), "DELETE": lambda asked: asked.answer()}
        await client.greet()
        listening = await fake.hears("GET")
        await client.bridge.close()
        await listening.over.wait()
        assert fake.said("DELETE")[0].headers["mcp-session-id"] == "session-1-1"


# The stateless era


def stateless(**params: Any) -> dict[str, Any]:
    return {**params, "_meta": ENVELOPE}


async def test_the_headers_of_the_stateless_era_mirror_the_body(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {
            name: lambda asked: asked.result({}) for name in ("tools/call", "prompts/get", "resources/read")
        }
        await client.ask(1, "tools/call", stateless(name="plain", arguments={}))
        await client.ask(2, "prompts/get", stateless(name="schön "))
        await client.ask(3, "resources/read", stateless(uri="file:///a\r\nX: y"))
        for _ in range(3):
            await client.read()
        names = {asked.headers["mcp-method"]: asked.headers["mcp-name"] for asked in fake.heard}
        assert names == {
            "tools/call": "plain",
            "prompts/get": "=?base64?c2Now7ZuIA==?=",
            "resources/read": "=?base64?ZmlsZTovLy9hDQpYOiB5?=",
        }
        assert {asked.headers["mcp-protocol-version"] for asked in fake.heard} == {STATELESS}
        assert not any("mcp-session-id" in asked.headers for asked in fake.heard)


async def test_a_method_that_no_header_can_hold_adds_none(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        await client.ask(1, "a\r\nX-Evil: 1", stateless())
        await client.read()
        assert "x-evil" not in fake.heard[0].headers
        assert "mcp-method" not in fake.heard[0].headers


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "inner": {"type": "object", "properties": {"on": {"type": "boolean", "x-mcp-header": "On"}}},
    },
}
BAD = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region\r\nCookie: x"}}}
ARGUMENTS = {"region": "EU west", "inner": {"on": True}}


def listed(asked: Asked) -> None:
    second = "cursor" in asked.message["params"]
    sold = [{"name": "sell", "inputSchema": SCHEMA}, {"name": "bad", "inputSchema": BAD}]
    tools = sold if second else [{"name": "other"}]
    asked.result({"tools": tools, **({} if second else {"nextCursor": "2"})})


def sell(asked: Asked) -> None:
    if asked.headers.get("mcp-param-region") == "EU west" and asked.headers.get("mcp-param-on") == "true":
        asked.result({"sold": True})
    else:
        asked.error(400, -32020, "the headers do not match")


async def test_arguments_travel_as_headers_where_the_listed_schema_says_so(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"tools/list": listed, "tools/call": sell}
        await client.ask(1, "tools/list", stateless(cursor="2"))
        await client.read()
        await client.ask(2, "tools/call", stateless(name="sell", arguments=ARGUMENTS))
        assert (await client.read())["result"] == {"sold": True}
        assert len(fake.said("tools/call")) == 1
        await client.ask(3, "tools/call", stateless(name="bad", arguments=ARGUMENTS))
        assert (await client.read())["error"]["code"] == -32020
        *_, last = fake.said("tools/call")
        assert [name for name in last.headers if name.startswith("mcp-param") or name == "cookie"] == []


async def test_a_schema_that_was_not_seen_is_looked_up_and_the_call_sent_again_once(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"tools/list": listed, "tools/call": sell}
        await client.ask(1, "tools/call", stateless(name="sell", arguments=ARGUMENTS))
        assert (await client.read())["result"] == {"sold": True}
        await client.ask(2, "tools/call", stateless(name="sell", arguments={"region": "US"}))
        assert (await client.read())["error"]["code"] == -32020
        assert len(fake.said("tools/call")) == 4


async def test_cancelling_in_the_stateless_era_ends_the_exchange_and_says_nothing(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = hang
        await client.ask("a", "tools/call", stateless(name="x"))
        call = await fake.hears("tools/call")
        await client.tell("notifications/cancelled", requestId="a")
        await call.over.wait()
        assert len(fake.heard) == 1


# Restarts


async def test_a_call_that_was_running_is_answered_with_the_reason_and_never_run_twice(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = lambda asked: asked.drop()
        await client.greet()
        await client.ask(1, "tools/call", {"name": "x"})
        error = (await client.read())["error"]
        assert error["data"]["reason"] == "engine-gone"
        assert "not known" in error["message"]
        assert len(fake.said("tools/call")) == 1


async def test_a_list_that_was_running_is_asked_again(tmp_path: Path) -> None:
    def drop_once(asked: Asked) -> None:
        asked.drop() if len(fake.said("tools/list")) == 1 else asked.result({"tools": []})

    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/list"] = drop_once
        await client.ask(1, "tools/list", stateless())
        assert (await client.read())["result"] == {"tools": []}


async def test_a_request_waits_for_an_engine_that_is_away(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = echo
        await fake.stop()
        await client.ask(1, "tools/call", stateless(name="x", arguments={"a": 1}))
        await fake.start()
        assert (await client.read())["result"] == {"a": 1}


async def test_after_its_patience_a_request_is_answered_that_no_engine_runs(tmp_path: Path) -> None:
    async with bridged(tmp_path, patience=0.05) as (fake, client):
        await fake.stop()
        await client.ask(1, "tools/call", stateless(name="x"))
        error = (await client.read())["error"]
        assert (error["data"]["reason"], "reconciler watch" in error["message"]) == ("engine-away", True)


async def test_another_engine_is_greeted_with_the_clients_own_words_and_the_client_hears_of_changes_only(
    tmp_path: Path,
) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {
            "GET": lambda asked: asked.stream(),
            "logging/setLevel": lambda asked: asked.result({}),
            "resources/subscribe": lambda asked: asked.result({}),
            "resources/unsubscribe": lambda asked: asked.result({}),
            "tools/call": echo,
        }
        await client.greet()
        await fake.hears("GET")
        requests = [
            ("logging/setLevel", {"level": "debug"}),
            ("resources/subscribe", {"uri": "a:1"}),
            ("resources/subscribe", {"uri": "a:2"}),
            ("resources/unsubscribe", {"uri": "a:1"}),
        ]
        for number, (method, params) in enumerate(requests):
            await client.ask(number, method, params)
            await client.read()
        before = len(fake.heard)
        await fake.restart()
        await fake.hears("GET", 3)
        again = [asked.message for asked in fake.heard[before:] if asked.method == "POST"]
        assert [message["method"] for message in again] == [
            *("initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe")
        ]
        assert again[0] == fake.said("initialize")[0].message
        assert again[3]["params"] == {"uri": "a:2"}
        assert await client.read() == {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        await client.ask(9, "tools/call", {"name": "x", "arguments": {}})
        assert (await client.read())["id"] == 9
        assert fake.heard[-1].headers["mcp-session-id"] == "session-2-2"


async def test_a_call_with_a_session_that_is_forgotten_runs_once_in_the_new_one(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["tools/call"] = echo
        await client.greet()
        fake.sessions.clear()
        for number in range(5):
            await client.ask(number, "tools/call", {"name": "x", "arguments": {"n": number}})
        answers = [await client.read() for _ in range(6)]
        results = {answer["id"]: answer["result"]["n"] for answer in answers if "id" in answer}
        assert results == {number: number for number in range(5)}
        assert len(fake.said("initialize")) == 2


async def test_a_session_that_cannot_be_had_again_is_an_error_and_no_circle(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        await client.greet()
        fake.sessions.clear()
        fake.handlers["initialize"] = lambda asked: asked.error(400, -32602, "no more")
        await client.ask(1, "tools/call", {"name": "x"})
        error = (await client.read())["error"]
        assert error["data"]["reason"] == "session-lost"
        assert "no more" in error["message"]


async def test_a_method_that_is_not_there_is_no_lost_session(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        await client.greet()
        await client.ask(1, "prompts/list")
        assert (await client.read())["error"]["code"] == -32601
        assert len(fake.said("initialize")) == 1


# subscriptions/listen


def acknowledge(asked: Asked) -> None:
    meta = {SUBSCRIPTION: asked.message["id"]}
    asked.stream()
    params = {"_meta": meta, "notifications": {"toolsListChanged": True}}
    asked.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})


async def test_a_subscription_survives_a_restart_and_then_says_that_everything_may_have_changed(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["subscriptions/listen"] = acknowledge
        await client.ask("l", "subscriptions/listen", stateless(notifications={"toolsListChanged": True}))
        assert (await client.read())["method"] == "notifications/subscriptions/acknowledged"
        await fake.restart()
        changed = await client.read()
        assert changed["method"] == "notifications/tools/list_changed"
        assert changed["params"]["_meta"] == {SUBSCRIPTION: "l"}
        stream = await fake.hears("subscriptions/listen", 2)
        await client.tell("notifications/cancelled", requestId="l")
        await stream.over.wait()


async def test_an_engine_that_ends_a_subscription_in_order_does_not_end_it_for_the_client(tmp_path: Path) -> None:
    def end_once(asked: Asked) -> None:
        acknowledge(asked)
        if len(fake.said("subscriptions/listen")) == 1:
            asked.event({"jsonrpc": "2.0", "id": "l", "result": {}})
            asked.end()

    async with bridged(tmp_path) as (fake, client):
        fake.handlers["subscriptions/listen"] = end_once
        await client.ask("l", "subscriptions/listen", stateless())
        methods = [(await client.read())["method"] for _ in range(2)]
        assert methods == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]


async def test_a_subscription_that_is_refused_is_answered(tmp_path: Path) -> None:
    async with bridged(tmp_path) as (fake, client):
        fake.handlers["subscriptions/listen"] = lambda asked: asked.error(400, -32602, "no filter")
        await client.ask("l", "subscriptions/listen", stateless())
        assert json.dumps((await client.read())["error"]) == '{"code": -32602, "message": "no filter"}'
