"""Clients of the stateless era: each request is judged by its own envelope and headers."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.faces.gateway.counter import catalog_server, lay, tool
from tests.faces.gateway.served import META, STATELESS, Served, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:stateless-rules")]

INFO = META + "serverInfo"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def seen(gateway: Served, server: str = "old") -> list[Any]:
    """The calls a server got, but for this one."""
    client = gateway.stateless(f"/mcp/s/{server}")
    found: list[Any] = json.loads((await client.call("seen")).result["content"][0]["text"])["seen"]
    return found


async def test_a_client_discovers_what_an_endpoint_is(gateway: Served) -> None:
    said = (await gateway.stateless().ask("server/discover")).result
    assert said["supportedVersions"] == [STATELESS] and said["resultType"] == "complete"
    assert said["capabilities"]["tools"] == {"listChanged": True}
    assert said["_meta"][INFO]["name"] == "mcp-reconciler"
    assert said["ttlMs"] == 0 and said["cacheScope"] == "private"
    alone = (await gateway.stateless("/mcp/s/old").ask("server/discover")).result
    assert alone["_meta"][INFO]["name"] == "curious"


@pytest.mark.parametrize("server", ["old", "new"])
async def test_every_result_is_whole(gateway: Served, server: str) -> None:
    client = gateway.stateless(f"/mcp/s/{server}")
    listed = [await client.ask(f"{kind}/list") for kind in ("tools", "prompts", "resources", "resources/templates")]
    read = await client.ask("resources/read", uri="note://one")
    for answer in (*listed, read):
        assert answer.result["cacheScope"] == "private", "what one token sees is no other's"
        assert answer.result["ttlMs"] == (7 if answer is read else 0)
    for answer in (*listed, read, await client.call("late", ms="0")):
        assert answer.status == 200 and answer.result["resultType"] == "complete"
        assert answer.result["_meta"][INFO]["name"] == "curious"


@pytest.mark.parametrize("left_out", ["protocolVersion", "clientCapabilities"])
async def test_a_request_without_its_envelope_is_refused(gateway: Served, left_out: str) -> None:
    client = gateway.stateless()
    request = client.request("tools/list")
    del request["params"]["_meta"][META + left_out]
    answer = await client.post(request, **client.routing(request))
    assert answer.status == 400 and answer.error["code"] == -32602 and left_out in answer.error["message"]
    assert answer.last["id"] == request["id"]


@pytest.mark.parametrize("params", [{}, {"_meta": 7}, {"_meta": {}}, None])
async def test_a_request_without_any_meta_is_refused(gateway: Served, params: Any) -> None:
    request = {"jsonrpc": "2.0", "id": 5, "method": "tools/list"}
    body = request if params is None else {**request, "params": params}
    answer = await gateway.stateless().post(body, mcp_protocol_version=STATELESS, mcp_method="tools/list")
    assert answer.status == 400 and answer.error["code"] == -32602 and answer.last["id"] == 5


async def test_who_the_client_is_need_not_be_said(gateway: Served) -> None:
    client = gateway.stateless()
    request = client.request("tools/list")
    del request["params"]["_meta"][META + "clientInfo"]
    assert (await client.post(request, **client.routing(request))).status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp_protocol_version": None},
        {"mcp_protocol_version": "2025-11-25"},
        {"mcp_protocol_version": "1999-01-01"},
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_method": "TOOLS/CALL"},
        {"mcp_name": None},
        {"mcp_name": "old__seen"},
        {"mcp_name": "OLD__LATE"},
        {"mcp_name": "=?base64?!!!!?="},
        {"mcp_name": "=?base64?b2xkX19sYXR?="},
    ],
)
async def test_headers_that_do_not_say_what_the_body_says_are_refused(gateway: Served, wrong: dict[str, Any]) -> None:
    client = gateway.stateless()
    request = client.request("tools/call", name="old__late", arguments={"ms": "0"})
    answer = await client.post(request, **{**client.routing(request), **wrong})
    assert answer.status == 400 and answer.error["code"] == -32020 and answer.last["id"] == request["id"]
    assert await seen(gateway) == []


async def test_headers_may_have_space_around_them_and_be_wrapped(gateway: Served) -> None:
    client = gateway.stateless()
    wrapped = f"=?base64?{base64.b64encode(b'old__late').decode()}?="
    for name in ("  old__late  ", wrapped):
        request = client.request("tools/call", name="old__late", arguments={"ms": "0"})
        headers = {**client.headers, "mcp-protocol-version": STATELESS, "mcp-method": " tools/call ", "mcp-name": name}
        assert (await gateway.raw("POST", "/mcp", headers, json.dumps(request).encode())).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("doubled", ["mcp-protocol-version", "mcp-method", "mcp-name"])
async def test_a_routing_header_comes_once(gateway: Served, doubled: str) -> None:
    client = gateway.stateless()
    request = client.request("tools/call", name="old__late", arguments={"ms": "0"})
    headers = [(name.replace("_", "-"), value) for name, value in client.routing(request).items()]
    headers += [*client.headers.items(), (doubled, dict(headers)[doubled])]
    response = await gateway.http.post("/mcp", content=json.dumps(request), headers=headers)
    assert response.status_code == 400 and response.json()["error"]["code"] == -32020
    assert await seen(gateway) == []


@pytest.mark.parametrize("version", ["v999.0.0", "2027-01-01", ""])
async def test_a_revision_that_is_not_spoken_is_answered_with_those_that_are(gateway: Served, version: str) -> None:
    client = gateway.stateless()
    client.meta = {META + "protocolVersion": version}
    request = client.request("server/discover")
    answer = await client.post(request, mcp_protocol_version=version, mcp_method="server/discover")
    assert answer.status == 400 and answer.error["code"] == -32022
    assert answer.error["data"] == {"supported": [STATELESS], "requested": version}


@pytest.mark.parametrize(
    "method",
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/get", "x/y"],
)
async def test_a_method_that_this_revision_does_not_have_is_not_found(gateway: Served, method: str) -> None:
    answer = await gateway.stateless().ask(method, uri="note://one", level="info")
    assert answer.status == 404 and answer.error["code"] == -32601


@pytest.mark.parametrize("arguments", [[], "x", 7])
async def test_arguments_are_an_object(gateway: Served, arguments: Any) -> None:
    answer = await gateway.stateless().ask("tools/call", name="old__late", arguments=arguments)
    assert answer.status == 400 and answer.error["code"] == -32602


async def test_what_is_unknown_is_told_by_its_name(gateway: Served) -> None:
    client = gateway.stateless()
    answer = await client.call("old__nothing")
    assert answer.status == 400 and answer.error["message"] == "Unknown tool: old__nothing"
    read = await client.ask("resources/read", uri="nothing://x")
    assert read.error["code"] == -32602 and read.error["data"] == {"uri": "nothing://x"}


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled", "tools/call", "vendor/x"])
async def test_a_notification_is_accepted_and_does_nothing(gateway: Served, method: str) -> None:
    params = {"name": "old__late", "arguments": {"ms": "0"}, "requestId": 1}
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    client = gateway.stateless()
    assert (await client.post(message, mcp_protocol_version=STATELESS)).status == 202
    refused = await client.post(message, mcp_protocol_version="2027-01-01")
    assert refused.status == 400 and refused.error["code"] == -32022
    assert await seen(gateway) == []


@pytest.mark.parametrize(
    "body", [[], [{"jsonrpc": "2.0", "id": 1, "method": "ping"}], {"jsonrpc": "2.0", "id": 1, "result": {}}, 7, None]
)
async def test_only_one_request_or_notification_is_a_body(gateway: Served, body: Any) -> None:
    answer = await gateway.stateless().post(body, mcp_protocol_version=STATELESS)
    assert answer.status == 400 and answer.error["code"] == -32600


async def test_no_session_is_opened(gateway: Served) -> None:
    client = gateway.stateless()
    for answer in (await client.ask("server/discover"), await client.call("old__late", ms="0")):
        assert "mcp-session-id" not in answer.headers
    assert len(gateway.gateway.office.sessions) == 0


async def test_progress_and_logs_come_before_the_result_where_they_were_asked_for(gateway: Served) -> None:
    for server in ("old", "new"):
        client = gateway.stateless(f"/mcp/s/{server}")
        client.meta = {"progressToken": "mine"}
        answer = await client.call("steps", count=2)
        assert [message.get("method") for message in answer.messages] == ["notifications/progress"] * 2 + [None]
        assert {message["params"]["progressToken"] for message in answer.messages[:-1]} == {"mine"}
        client.meta = {}
        assert not (await client.call("steps", count=2)).streamed
        assert not (await client.call("log", level="alert")).streamed, "no level was asked for"
        client.meta = {META + "logLevel": "warning"}
        assert (await client.call("log", level="error")).messages[0]["params"]["data"] == "logged"
        assert not (await client.call("log", level="info")).streamed


async def test_no_request_of_a_server_is_ever_on_a_stream(gateway: Served) -> None:
    client = gateway.stateless("/mcp/s/old")
    client.capabilities = {"elicitation": {}}
    client.headers["accept"] = "text/event-stream"
    answer = await client.call("ask")
    assert answer.streamed and len(answer.messages) == 1 and answer.result["resultType"] == "input_required"


PARAMS = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "deep": {"type": "object", "properties": {"dry": {"type": "boolean", "x-mcp-header": "Dry"}}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({}, {}, 200),
        ({"region": "eu"}, {"mcp-param-region": "eu"}, 200),
        ({"region": "eu"}, {}, 400),
        ({"region": "eu"}, {"mcp-param-region": "us"}, 400),
        ({"region": "eu"}, {"mcp-param-region": "EU"}, 400),
        ({}, {"mcp-param-region": "eu"}, 400),
        ({"region": None}, {}, 200),
        ({"region": "é"}, {"mcp-param-region": "=?base64?w6k=?="}, 200),
        ({"count": 42}, {"mcp-param-count": "42.0"}, 200),
        ({"count": 42}, {"mcp-param-count": "43"}, 400),
        ({"deep": {"dry": True}}, {"mcp-param-dry": "true"}, 200),
        ({"deep": {"dry": True}}, {"mcp-param-dry": "True"}, 400),
        ({"deep": {"dry": False}}, {}, 400),
        ({"other": "x"}, {"mcp-param-other": "anything"}, 200),
    ],
)
async def test_arguments_that_travel_as_headers_say_the_same(
    tmp_path: Path, arguments: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    lay(tmp_path, "it", tools=[tool("mirrored", inputSchema=PARAMS)])
    async with served(tmp_path, {"it": catalog_server(tmp_path, "it")}) as gateway:
        for path, name in (("/mcp", "it__mirrored"), ("/mcp/s/it", "mirrored")):
            client = gateway.stateless(path)
            request = client.request("tools/call", name=name, arguments=arguments)
            answer = await client.post(request, **client.routing(request), **headers)
            assert answer.status == status, answer
            if status == 400:
                assert answer.error["code"] == -32020
        handshaken = await gateway.opened()
        assert (await handshaken.call("it__mirrored", **arguments)).status == 200, "the other era has no such headers"
