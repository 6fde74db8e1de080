"""Clients of the handshake era: sessions, versions, streams, and what is not carried out."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.faces.gateway.protocol import HANDSHAKE_VERSIONS
from tests.faces.gateway.served import Handshaken, Served, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:handshake-rules")]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def seen(client: Handshaken) -> dict[str, Any]:
    """What the server of the client's endpoint got."""
    found: dict[str, Any] = json.loads((await client.call("seen")).result["content"][0]["text"])
    return found


@pytest.mark.parametrize("version", HANDSHAKE_VERSIONS)
async def test_each_revision_that_is_known_is_spoken(gateway: Served, version: str) -> None:
    client = gateway.handshaken()
    assert (await client.open(version=version))["protocolVersion"] == version
    assert (await client.call("old__late", ms="0")).result["content"][0]["text"] == "late"


@pytest.mark.parametrize("version", ["1999-01-01", "2026-07-28", "x", ""])
async def test_to_any_other_the_newest_of_this_era_is_offered(gateway: Served, version: str) -> None:
    assert (await gateway.handshaken().open(version=version))["protocolVersion"] == HANDSHAKE_VERSIONS[-1]


@pytest.mark.parametrize(
    "params",
    [{}, {"protocolVersion": 1, "capabilities": {}}, {"protocolVersion": "2025-11-25"}, {"capabilities": {}}],
)
async def test_a_greeting_without_its_parts_opens_nothing(gateway: Served, params: dict[str, Any]) -> None:
    answer = await gateway.handshaken().ask("initialize", **params)
    assert answer.status == 400 and answer.error["code"] == -32602 and answer.last["id"] == 1
    assert "mcp-session-id" not in answer.headers and len(gateway.gateway.office.sessions) == 0


async def test_the_id_of_a_session_is_long_random_and_visible(gateway: Served) -> None:
    clients = [await gateway.opened() for _ in range(3)]
    ids = {client.headers["mcp-session-id"] for client in clients}
    assert len(ids) == 3 and all(len(one) >= 32 and one.isascii() and one.isprintable() for one in ids)


async def test_without_a_session_only_a_greeting_is_answered(gateway: Served) -> None:
    client = gateway.handshaken()
    answer = await client.ask("tools/list")
    assert answer.status == 400 and answer.error["code"] == -32600
    client.headers["mcp-session-id"] = "nobody"
    assert (await client.ask("tools/list")).status == 404
    assert (await client.tell("notifications/initialized")).status == 404


async def test_a_session_is_its_principals_alone_and_of_one_endpoint(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    number = client.headers["mcp-session-id"]
    for path, role in (("/mcp/s/old", "operator"), ("/mcp", "client"), ("/mcp/s/new", "client")):
        other = gateway.handshaken(path, gateway.tokens[role])
        other.headers["mcp-session-id"] = number
        assert (await other.ask("tools/list")).status == 404
        assert (await gateway.http.delete(path, headers=other.headers)).status_code == 404
        async with other.stream("GET", accept="text/event-stream") as stream:
            assert stream.status == 404
    assert (await client.ask("tools/list")).status == 200
    same = gateway.handshaken(f"/p/{gateway.desk.project.name}/mcp/s/old")
    same.headers["mcp-session-id"] = number
    assert (await same.ask("tools/list")).status == 200


async def test_a_client_ends_its_session(gateway: Served) -> None:
    client = await gateway.opened()
    assert (await gateway.http.delete("/mcp", headers=client.headers)).status_code == 204
    assert (await client.ask("tools/list")).status == 404
    assert (await gateway.http.delete("/mcp", headers=client.headers)).status_code == 404


async def test_a_ping_is_answered_with_nothing(gateway: Served) -> None:
    client = await gateway.opened()
    assert (await client.ask("ping")).result == {}


@pytest.mark.parametrize(
    "method",
    ["server/discover", "subscriptions/listen", "tasks/get", "tasks/list", "vendor/method", "tools/Call", ""],
)
async def test_a_method_of_no_handshake_revision_is_not_found(gateway: Served, method: str) -> None:
    answer = await (await gateway.opened()).ask(method)
    assert answer.status == 200 and answer.error["code"] == -32601


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {}),
        ("tools/call", {"name": 7}),
        ("tools/call", {"name": "nothing"}),
        ("tools/call", {"name": "old__nothing"}),
        ("tools/call", {"name": "seen"}),
        ("tools/call", {"name": "old__seen", "arguments": []}),
        ("tools/call", {"name": "old__seen", "arguments": "x"}),
        ("prompts/get", {"name": "nothing"}),
        ("prompts/get", {}),
        ("resources/read", {"uri": "note://one"}),
        ("resources/read", {"uri": 7}),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "nothing"}}),
        ("completion/complete", {"ref": 7}),
        ("resources/subscribe", {}),
        ("logging/setLevel", {"level": "loud"}),
        ("logging/setLevel", {}),
        ("tools/list", {"cursor": "abc"}),
    ],
)
async def test_wrong_params_are_told_and_reach_no_server(gateway: Served, method: str, params: Any) -> None:
    client = await gateway.opened()
    answer = await client.ask(method, **params)
    assert answer.error["code"] == -32602 and answer.status == 200
    inside = await gateway.opened("/mcp/s/old")
    assert (await seen(inside))["seen"] == []


async def test_lists_are_whole_and_of_every_kind(gateway: Served) -> None:
    client = await gateway.opened()
    assert len((await client.ask("tools/list")).result["tools"]) == 20
    prompts = (await client.ask("prompts/list")).result["prompts"]
    assert [prompt["name"] for prompt in prompts] == ["new__asks", "old__asks"]
    resources = (await client.ask("resources/list")).result["resources"]
    assert [resource["uri"] for resource in resources] == ["reconciler:new/note://one", "reconciler:old/note://one"]
    assert (await client.ask("resources/templates/list")).result == {"resourceTemplates": []}
    read = (await client.ask("resources/read", uri="reconciler:new/note://one")).result
    assert read == {"contents": [{"uri": "reconciler:new/note://one", "text": "one"}]}
    ref = {"type": "ref/prompt", "name": "old__asks"}
    completed = await client.ask("completion/complete", ref=ref, argument={"name": "a", "value": ""})
    assert completed.result["completion"]["values"] == ["asks"]


async def test_nothing_of_the_stateless_era_is_in_a_result(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/new")
    for answer in (
        await client.ask("tools/list"),
        await client.call("late", ms="0"),
        await client.ask("resources/read", uri="note://one"),
    ):
        assert not {"resultType", "ttlMs", "cacheScope", "_meta"} & set(answer.result)


@pytest.mark.parametrize("method", ["tools/call", "vendor/method", "initialize"])
async def test_a_request_in_the_shape_of_a_notification_is_not_carried_out(gateway: Served, method: str) -> None:
    client = await gateway.opened("/mcp/s/old")
    assert (await client.tell(method, name="late", arguments={"ms": "0"})).status == 202
    assert (await seen(client))["seen"] == []


async def test_a_notification_and_an_answer_are_accepted_without_a_body(gateway: Served) -> None:
    client = await gateway.opened()
    for message in (
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        {"jsonrpc": "2.0", "id": 5, "result": {}},
        {"jsonrpc": "2.0", "id": 5, "error": {"code": 1, "message": "x"}},
    ):
        answer = await client.post(message)
        assert answer.status == 202 and answer.messages == []


async def test_the_version_header_may_be_missing_but_not_wrong(gateway: Served) -> None:
    client = await gateway.opened()
    del client.headers["mcp-protocol-version"]
    assert (await client.ask("ping")).status == 200
    client.headers["mcp-protocol-version"] = "2025-06-18"
    assert (await client.ask("ping")).status == 200
    client.headers["mcp-protocol-version"] = "1999-01-01"
    assert (await client.ask("ping")).status == 400


async def test_progress_comes_on_the_calls_own_stream_under_the_clients_token(gateway: Served) -> None:
    for server, token in (("old", "tok"), ("new", 7)):
        client = await gateway.opened(f"/mcp/s/{server}")
        answer = await client.ask(
            "tools/call", name="steps", arguments={"count": 3}, _meta={"progressToken": token, "vendor/x": 1}
        )
        assert answer.streamed and answer.result["content"][0]["text"] == "stepped"
        told = [message["params"] for message in answer.messages[:-1]]
        assert told == [{"progressToken": token, "progress": step, "vendor": "kept"} for step in range(3)]


async def test_without_a_token_there_is_no_progress(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    for meta in ({}, {"progressToken": True}, {"progressToken": None}, {"progressToken": 1.5}):
        answer = await client.ask("tools/call", name="steps", arguments={}, _meta=meta)
        assert not answer.streamed and answer.result["content"][0]["text"] == "no token"


async def test_log_messages_of_a_call_come_on_its_stream_from_the_level_that_was_set(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    assert (await client.ask("logging/setLevel", level="warning")).result == {}
    quiet = await client.call("log", level="info")
    assert not quiet.streamed
    loud = await client.call("log", level="error")
    assert [message.get("method") for message in loud.messages] == ["notifications/message", None]
    assert loud.messages[0]["params"] == {"level": "error", "data": "logged", "vendor": 1}


async def test_a_stateless_server_logs_for_whoever_set_a_level(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/new")
    assert not (await client.call("log", level="error")).streamed
    await client.ask("logging/setLevel", level="warning")
    assert (await client.call("log", level="error")).messages[0]["params"]["data"] == "logged"
    assert not (await client.call("log", level="debug")).streamed


async def test_two_requests_of_one_session_cannot_have_one_id_at_a_time(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old")
    request = client.request("tools/call", name="hang", arguments={}, _meta={"progressToken": 1})
    async with client.stream("POST", request) as stream:
        assert (await stream.next())["method"] == "notifications/progress"
        again = await client.post(request)
        assert again.status == 400 and again.error["code"] == -32600 and again.last["id"] == request["id"]
        await client.call("release")
        assert (await stream.next())["result"]["content"][0]["text"] == "released"
    assert len([call for call in (await seen(client))["seen"] if call.get("name") == "hang"]) == 1


async def test_several_messages_in_one_array_are_of_one_revision_only(gateway: Served) -> None:
    for version in HANDSHAKE_VERSIONS:
        client = await gateway.opened("/mcp/s/old", version=version)
        requests = [client.request("ping"), client.request("tools/call", name="late", arguments={"ms": "1"})]
        note = {"jsonrpc": "2.0", "method": "notifications/whatever"}
        answer = await client.post([*requests, note])
        if version == "2025-03-26":
            (answers,) = answer.messages
            assert [one["id"] for one in answers] == [one["id"] for one in requests]
            assert answers[1]["result"]["content"][0]["text"] == "late"
            assert (await client.post([note, note])).status == 202
        else:
            assert answer.status == 400 and answer.error["code"] == -32600


async def test_an_id_twice_in_a_batch_costs_the_others_no_answer(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", version="2025-03-26")
    first, other = (client.request("tools/call", name="late", arguments={"ms": "50"}) for _ in range(2))
    answer = await client.post([first, {**first, "method": "ping"}, other])
    (answers,) = answer.messages
    assert answer.status == 200
    assert [one["id"] for one in answers] == [first["id"], first["id"], other["id"]]
    assert ["result" in one for one in answers] == [True, False, True]
    assert answers[1]["error"]["code"] == -32600


async def test_a_batch_with_one_bad_message_is_refused_whole(gateway: Served) -> None:
    client = await gateway.opened("/mcp/s/old", version="2025-03-26")
    call = client.request("tools/call", name="late", arguments={"ms": "1"})
    for bad in ([call, 7], [call, {"jsonrpc": "1.0", "id": 9, "method": "ping"}], []):
        answer = await client.post(bad)
        assert answer.status == 400 and answer.error["code"] == -32600
    greeting = client.request("initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo={})
    assert (await client.post([greeting])).last[0]["error"]["code"] == -32600
    assert (await seen(client))["seen"] == []
