"""One URL for clients of both eras in front of servers of both eras."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.desk import light
from tests.faces.gateway.served import Served, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:one-url")]

ERAS = ["handshake", "stateless"]


async def test_a_client_of_either_era_lists_and_calls_servers_of_both(both: Served) -> None:
    for client in (await both.opened(), both.stateless()):
        listed = (await client.ask("tools/list")).result["tools"]
        names = [tool["name"] for tool in listed]
        assert "old__echo" in names and "new__echo" in names
        assert (await client.call("old__echo", text="hi")).result["content"][0]["text"] == "hi"
        said = json.loads((await client.call("new__echo", text="hi")).result["content"][0]["text"])
        assert said["text"] == "hi"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/mcp/s/old", {"echo"}),
        ("/mcp/g/team", {"old__echo"}),
        ("/mcp", {"old__echo", "new__echo"}),
    ],
)
async def test_each_endpoint_shows_its_part(tmp_path: Path, path: str, shown: set[str]) -> None:
    servers = {"old": light("old", group="team"), "new": light("new")}
    async with served(tmp_path, servers, defaults={"requireApproval": False}) as gateway:
        project = gateway.desk.project.name
        for below in (path, f"/p/{project}{path}", f"{path}/"):
            listed = (await gateway.stateless(below).ask("tools/list")).result["tools"]
            assert {tool["name"] for tool in listed if tool["name"].endswith("echo")} == shown


@pytest.mark.parametrize(
    "path", ["/mcp/s/nobody", "/mcp/g/nobody", "/p/nobody/mcp", "/mcp/x", "/mcp/s/", "/mcp/s/old/more", "/mcpx"]
)
async def test_there_is_nothing_elsewhere(both: Served, path: str) -> None:
    answer = await both.stateless(path).ask("tools/list")
    assert answer.status == 404 and "result" not in answer.last


async def test_nobody_comes_in_without_a_token(both: Served) -> None:
    client = both.stateless()
    del client.headers["authorization"]
    assert (await client.ask("tools/list")).status == 401
    client.headers["authorization"] = "Bearer wrong"
    assert (await client.ask("tools/list")).status == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_of_http_are_refused_and_no_page_is_told_otherwise(both: Served, method: str) -> None:
    response = await both.http.request(method, "/mcp", headers=both.stateless().headers)
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_stateless_client_has_nothing_to_get_or_to_delete(both: Served, method: str) -> None:
    headers = {**both.stateless().headers, "mcp-protocol-version": "2026-07-28"}
    response = await both.http.request(method, "/mcp", headers=headers)
    assert response.status_code == 405 and response.headers["allow"] == "POST"


async def test_a_result_that_comes_first_is_plain_json(both: Served) -> None:
    for client in (await both.opened(), both.stateless()):
        for answer in (await client.call("old__echo", text="hi"), await client.ask("tools/list")):
            assert answer.headers["content-type"] == "application/json" and answer.status == 200


@pytest.mark.parametrize(
    ("accept", "streamed"),
    [
        ("application/json", False),
        ("text/event-stream", True),
        ("*/*", False),
        ("application/*;q=0.5", False),
        ("text/event-stream, application/json", False),
    ],
)
@pytest.mark.parametrize("era", ERAS)
async def test_a_client_gets_what_it_accepts(both: Served, accept: str, streamed: bool, era: str) -> None:
    client = await both.opened() if era == "handshake" else both.stateless()
    client.headers["accept"] = accept
    answer = await client.call("old__echo", text="hi")
    assert answer.streamed is streamed
    assert answer.result["content"][0]["text"] == "hi"


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_accepts_neither_form_is_told_so_before_anything_runs(both: Served, era: str) -> None:
    client = await both.opened() if era == "handshake" else both.stateless()
    client.headers["accept"] = "text/html"
    assert (await client.call("old__change")).status == 406
    client.headers["accept"] = "*/*"
    listed = (await client.ask("tools/list")).result["tools"]
    assert not [tool for tool in listed if "extra" in tool["name"]]


async def test_only_json_is_taken(both: Served) -> None:
    client = await both.opened()
    client.headers["content-type"] = "text/plain"
    assert (await client.call("old__echo", text="hi")).status == 415
    client.headers["content-type"] = "application/json; charset=utf-8"
    assert (await client.call("old__echo", text="hi")).status == 200


@pytest.mark.parametrize("number", ["a", "", "7", 0, -3, 2**63, "ÿ"])
@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_has_the_id_of_its_request_as_it_came(both: Served, number: object, era: str) -> None:
    client = await both.opened() if era == "handshake" else both.stateless()
    request = client.request("tools/call", name="old__echo", arguments={"text": "hi"})
    headers = {} if era == "handshake" else both.stateless().routing(request)
    answer = await client.post({**request, "id": number}, **headers)
    assert answer.last["id"] == number and type(answer.last["id"]) is type(number)
    assert answer.result["content"][0]["text"] == "hi"
