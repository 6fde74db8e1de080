"""What passes through is what was said: vendor fields, odd values, errors; and only to whom it was said."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.desk import light
from tests.faces.gateway.counter import catalog_server, lay, tool
from tests.faces.gateway.served import RIG, Served, program, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:raw")]

ERAS = ["handshake", "stateless"]


async def client_of(gateway: Served, era: str, path: str) -> Any:
    return await gateway.opened(path) if era == "handshake" else gateway.stateless(path)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Served]:
    servers = {"old": program("curious"), "new": program("curious", "--era", "stateless")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as found:
        yield found


async def last_call(gateway: Served, server: str, name: str) -> dict[str, Any]:
    answer = await gateway.stateless(f"/mcp/s/{server}").call("seen")
    calls = json.loads(answer.result["content"][0]["text"])["seen"]
    found: dict[str, Any] = [call["params"] for call in calls if call["name"] == name][-1]
    return found


@pytest.mark.parametrize("server", ["old", "new"])
@pytest.mark.parametrize("era", ERAS)
async def test_what_a_client_adds_reaches_the_server(gateway: Served, server: str, era: str) -> None:
    client = await client_of(gateway, era, f"/mcp/s/{server}")
    request = client.request("tools/call", name="late", arguments={"ms": "0", "n": 1.0, "big": 2**70, "none": None})
    request["params"]["vendorParam"] = {"deep": [None, True]}
    request["params"].setdefault("_meta", {})["vendor/key"] = {"kept": 1}
    headers = client.routing(request) if era == "stateless" else {}
    assert (await client.post(request, **headers)).status == 200
    got = await last_call(gateway, server, "late")
    assert got["arguments"] == {"ms": "0", "n": 1.0, "big": 2**70, "none": None}
    assert got["vendorParam"] == {"deep": [None, True]} and got["_meta"]["vendor/key"] == {"kept": 1}
    ours = {key for key in got["_meta"] if key.startswith("io.modelcontextprotocol/")}
    assert bool(ours) is (server == "new"), "the envelope of one era means nothing to a server of the other"


@pytest.mark.parametrize("era", ERAS)
async def test_the_clients_token_reaches_no_server(gateway: Served, era: str) -> None:
    for server in ("old", "new"):
        client = await client_of(gateway, era, f"/mcp/s/{server}")
        await client.call("late", ms="0")
        assert gateway.token not in json.dumps(await last_call(gateway, server, "late"))


@pytest.mark.parametrize("era", ERAS)
async def test_a_result_keeps_whatever_the_server_put_into_it(tmp_path: Path, era: str) -> None:
    odd = {
        "content": [
            {"type": "vendor_type", "x": 1},
            {"type": "text", "text": "\u2028 \U0001f600 \u0000", "annotations": {"vendor": [1]}},
            {"type": "resource_link", "uri": "file:///etc/passwd", "name": "link"},
        ],
        "structuredContent": [1, {"not": "an object"}],
        "isError": False,
        "vendorTop": {"a": None},
        "_meta": {"vendor/x": 1.5},
    }
    listed = tool("odd", vendorField={"deep": [1, 2]}, inputSchema={"type": "object", "vendor": 1}, outputSchema={})
    lay(tmp_path, "it", tools=[listed], answers={"odd": odd})
    async with served(tmp_path, {"it": catalog_server(tmp_path, "it")}) as gateway:
        client = await client_of(gateway, era, "/mcp/s/it")
        assert (await client.ask("tools/list")).result["tools"][0] == listed
        result = (await client.call("odd")).result
        if era == "stateless":
            assert result.pop("resultType") == "complete"
            del result["_meta"]["io.modelcontextprotocol/serverInfo"]
        assert result == odd


@pytest.mark.parametrize("era", ERAS)
async def test_an_error_of_a_server_is_the_clients_with_its_own_id(tmp_path: Path, era: str) -> None:
    async with served(tmp_path, {"it": light("it")}, defaults={"requireApproval": False}) as gateway:
        client = await client_of(gateway, era, "/mcp/s/it")
        error = {"code": -32042, "message": "no", "data": {"elicitations": [1]}, "vendor": 1}
        text = json.dumps({"jsonrpc": "2.0", "id": 0, "error": error}).replace('"id": 0', '"id": $ID')
        request = client.request("tools/call", name="raw", arguments={"text": text})
        headers = client.routing(request) if era == "stateless" else {}
        answer = await client.post({**request, "id": "mine"}, **headers)
        assert answer.last == {"jsonrpc": "2.0", "id": "mine", "error": error} and answer.status == 200


async def test_one_malformed_tool_hides_only_itself(tmp_path: Path) -> None:
    lay(tmp_path, "it", tools=[tool("good"), {"name": 7}, {"description": "nameless"}, "text", tool("fine")])
    async with served(tmp_path, {"it": catalog_server(tmp_path, "it")}) as gateway:
        for client in (await gateway.opened(), gateway.stateless()):
            names = [each["name"] for each in (await client.ask("tools/list")).result["tools"]]
            assert names == ["it__good", "it__fine", "it__tell", "it__update"]
            assert (await client.call("it__fine")).result["content"][0]["text"] == "fine"


@requirement("GATE-1:no-crossing")
async def test_equal_ids_of_many_clients_never_cross(gateway: Served) -> None:
    eras: list[Any] = []
    for number in range(20):
        server = ("old", "new")[number % 2]
        eras.append(await client_of(gateway, ERAS[number // 2 % 2], f"/mcp/s/{server}"))

    async def calls(number: int, client: Any) -> None:
        for turn in range(10):
            tag = f"{number}-{turn}"
            request = client.request("tools/call", name="log", arguments={"text": tag})
            request["params"]["_meta"] = {**request["params"].get("_meta", {}), "vendor/tag": tag}
            late = client.request("tools/call", name="late", arguments={"ms": str((number * 7 + turn) % 5), "tag": tag})
            for each in (request, late):
                each["id"] = turn
            headers = client.routing(request) if hasattr(client, "meta") else {}
            answer = await client.post(request, **headers)
            assert answer.last["id"] == turn
            for message in answer.messages[:-1]:
                assert message["params"]["data"] == tag
            headers = client.routing(late) if hasattr(client, "meta") else {}
            assert (await client.post(late, **headers)).last["id"] == turn

    await asyncio.gather(*(calls(number, client) for number, client in enumerate(eras)))


@requirement("GATE-1:no-crossing")
async def test_each_of_many_answers_is_that_of_its_call(both: Served) -> None:
    clients = [await both.opened() if number % 2 else both.stateless() for number in range(20)]

    async def calls(number: int) -> None:
        for turn in range(10):
            for name in ("old__echo", "new__echo"):
                answer = await clients[number].call(name, text=f"{number}-{turn}")
                said = answer.result["content"][0]["text"]
                assert (json.loads(said)["text"] if name == "new__echo" else said) == f"{number}-{turn}"

    await asyncio.gather(*map(calls, range(20)))


@requirement("GATE-2:gate-decides")
async def test_an_agent_reads_why_a_call_was_not_carried_out(tmp_path: Path) -> None:
    hidden = {"denyTools": ["drop"]}
    servers = {"it": program("curious", **hidden), "off": program("curious", enabled=False)}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as gateway:
        client = gateway.stateless()
        answer = await client.call("it__drop")
        assert answer.error["code"] == -32602 and "denyTools" in answer.error["message"]
        assert (await client.call("off__late", ms="0")).error["message"] == "Unknown tool: off__late"
        handshaken = await gateway.opened()
        assert (await handshaken.call("it__drop")).error["code"] == -32602


@requirement("GATE-2:gate-decides")
async def test_who_may_only_look_lists_and_does_not_call(gateway: Served) -> None:
    _, text = gateway.create_token("viewer")
    client = gateway.stateless("/mcp/s/old", text)
    assert len((await client.ask("tools/list")).result["tools"]) == 10
    refused = (await client.call("late", ms="0")).result
    assert refused["isError"] and refused["_meta"]["reconciler/refused"] == {"code": "not-allowed"}
    assert "may look" in refused["content"][0]["text"]
    assert (await client.ask("prompts/get", name="asks")).error["data"] == {"reason": "not-allowed"}


async def test_a_server_that_is_down_stays_listed_and_a_call_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    for name in ("light.py", "wire.py"):
        shutil.copy(RIG / name, tmp_path)
    gone = tmp_path / "light.py"
    server = {"command": sys.executable, "args": ["-E", "-S", "-u", str(gone)]}
    async with served(tmp_path, {"it": server}, defaults={"requireApproval": False}) as gateway:
        clients: list[Any] = [await gateway.opened(), gateway.stateless()]
        gone.unlink()
        assert (await clients[0].call("it__crash", status="1")).error["data"]["reason"] == "ended"
        worker = gateway.desk.project.worker("it")
        assert worker is not None
        await gateway.desk.until(lambda: worker.life.failures > 1)
        for client in clients:
            assert "it__echo" in [each["name"] for each in (await client.ask("tools/list")).result["tools"]]
            answer = await client.call("it__echo", text="x")
            assert answer.error["code"] == -32000 and answer.error["data"]["reason"] == "not-live"
            assert "No such file" in answer.error["message"] and "; the next try is in " in answer.error["message"]
