"""Tools by path, and calls through the gate."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.engine.desk import light
from tests.faces.api.connect.space import DOTTED, space
from tests.faces.http.raw import Answer, line
from tests.requirements import requirement
from tests.rig import evil_http, sdk_http
from tests.rig.starting import argv

pytestmark = [requirement("API-2:tools"), pytest.mark.anyio]


def names(answer: Any) -> list[str]:
    return [tool["name"] for tool in answer.json["tools"]]


async def test_a_tool_is_found_by_its_name_by_slashes_for_dots_and_by_category(tmp_path: Path) -> None:
    tools = [{"name": name} for name in ("repo.search", "repo.issues.list", "a.b", "plain")]
    async with space(tmp_path, {"one": {"mock": {"tools": tools}}}) as desk:
        for path, name in {
            "repo.search": "repo.search",
            "repo/search": "repo.search",
            "repo%2fsearch": "repo.search",
            "repo/issues/list": "repo.issues.list",
            "repo.issues/list": "repo.issues.list",
            "a/b": "a.b",
            "plain": "plain",
        }.items():
            found = await desk.ask("GET", f"/one/.tools/{path}")
            assert (found.status, found.json.get("name")) == (200, name), path
        for path, within in {"repo": 2, "repo/": 2, "repo/issues": 1, "repo.issues": 1, "a": 1, "": 4}.items():
            assert len(names(await desk.ask("GET", f"/one/.tools/{path}"))) == within, path
        for path in ("rep", "repo/search/x", "absent", "plain/x"):
            unknown = await desk.ask("GET", f"/one/.tools/{path}")
            assert (unknown.status, unknown.json["error"]) == (404, "not-found"), path
            assert (await desk.ask("POST", f"/one/.tools/{path}", {})).status == 404
        assert (await desk.ask("POST", "/one/.tools/repo", {})).status == 404


async def test_a_call_is_answered_as_the_server_answers(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, space(tmp_path, {"ev": light("ev"), "dotted": DOTTED}) as desk:
        await desk.ask("PUT", "/far", {"mcpUrl": url})
        called = await desk.ask("POST", "/ev/.tools/echo", {"text": "hi"}, "client")
        assert called.json == {"content": [{"type": "text", "text": "hi"}], "vendorTop": 2}
        assert (await desk.ask("POST", "/dotted/.tools/repo/search")).json["content"][0]["text"] == "found"
        assert (await desk.ask("POST", "/far/.tools/add", {"a": 1, "b": 2})).json["structuredContent"] == {"result": 3}
        wrong = await desk.ask("POST", "/far/.tools/add", {"a": "x"})
        assert (wrong.status, wrong.json["isError"]) == (200, True)


async def test_what_the_file_does_not_offer_is_not_there(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev", denyTools=["echo"])}) as desk:
        assert "echo" not in names(await desk.ask("GET", "/ev/.tools"))
        assert (await desk.ask("GET", "/ev/.tools/echo")).status == 404
        assert (await desk.ask("POST", "/ev/.tools/echo", {"text": "x"})).status == 404


async def test_a_call_that_asks_waits_for_a_person(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}, defaults={"requireApproval": True}) as desk:
        project = desk.engine.host.projects["desk"]
        async with project.events.listen() as news, anyio.create_task_group() as group:
            answers: list[Any] = []

            async def call() -> None:
                answers.append(await desk.ask("POST", "/ev/.tools/echo", {"text": "hi"}, "client"))

            group.start_soon(call)
            with anyio.fail_after(10):
                while (await news.get())["kind"] != "approval":
                    continue
            [waiting] = (await desk.engine.ask("GET", "/api/v1/approvals", "operator")).json["approvals"]
            assert (waiting["principal"], waiting["tool"], answers) == ("client-token", "echo", [])
            yes = await desk.engine.ask("POST", f"/api/v1/approvals/{waiting['id']}", "operator", {"decision": "allow"})
            assert yes.status == 200
        assert answers[0].json["content"][0]["text"] == "hi"


async def refused(folder: Path, code: int, message: str) -> Answer:
    """The answer to a call that the server refuses so; the server is asked once."""
    refusing = {
        "tools/list": evil_http.answers({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}),
        "tools/call": evil_http.refuses(code, message),
    }
    behaviour: Any = evil_http.mcp
    async with evil_http.EvilHttp(behaviour(**refusing)) as server, space(folder) as desk:
        await desk.ask("PUT", "/far", {"mcpUrl": server.url})
        answer = await desk.ask("POST", "/far/.tools/t", {})
        assert len(server.seen("tools/call")) == 1
        return answer


async def test_no_error_of_a_call_makes_a_client_call_again(tmp_path: Path) -> None:
    failed = await refused(tmp_path, -32000, "not today")
    assert (failed.status, failed.headers["x-should-retry"]) == (502, "false")
    assert "not today" in failed.json["message"]


async def test_what_the_server_finds_wrong_with_the_arguments_is_the_callers_fault(tmp_path: Path) -> None:
    failed = await refused(tmp_path, -32602, "no such argument")
    assert (failed.status, failed.json["error"]) == (400, "invalid-params")


async def test_a_tool_that_asks_its_user_says_that_nobody_can_be_asked_here(tmp_path: Path) -> None:
    _, *arguments = argv("curious", "--era", "stateless")
    async with space(tmp_path, {"new": {"command": sys.executable, "args": arguments}}) as desk:
        asked = await desk.ask("POST", "/new/.tools/ask", {"text": "who?"})
        assert (asked.status, asked.json["error"]) == (422, "asks")


async def test_a_server_that_is_down_says_why_and_is_not_asked_again(tmp_path: Path) -> None:
    async with evil_http.EvilHttp(evil_http.says(500)) as server, space(tmp_path) as desk:
        await desk.ask("PUT", "/far", {"mcpUrl": server.url})
        for method, path in (("GET", ""), ("GET", "/t"), ("POST", "/t")):
            down = await desk.ask(method, f"/far/.tools{path}", {})
            assert (down.status, down.json["error"], down.headers["x-should-retry"]) == (503, "not-live", "false")
            assert "500" in down.json["message"]


async def test_a_client_that_goes_away_takes_its_call_back(tmp_path: Path) -> None:
    seen, given_up = asyncio.Event(), asyncio.Event()

    async def hang(request: evil_http.Request, connection: evil_http.Connection) -> None:
        seen.set()
        await connection.gone()

    async def cancelled(request: evil_http.Request, connection: evil_http.Connection) -> None:
        given_up.set()
        await connection.answer(202)

    methods = {
        "tools/list": evil_http.answers({"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}),
        "tools/call": hang,
        "notifications/cancelled": cancelled,
    }
    behaviour: Any = evil_http.mcp
    async with evil_http.EvilHttp(behaviour(**methods)) as server, space(tmp_path) as desk:
        await desk.ask("PUT", "/far", {"mcpUrl": server.url})
        request = desk.engine.request("POST", "/connect/desk/far/.tools/t", "operator", {})
        with anyio.fail_after(10):
            async with line(desk.engine.address) as mine:
                await mine.say(request)
                await seen.wait()
            await given_up.wait()


async def test_there_are_no_triggers(tmp_path: Path) -> None:
    async with space(tmp_path, {"ev": light("ev")}) as desk:
        assert (await desk.ask("GET", "/ev/.triggers")).json == []
        for method in ("GET", "POST", "DELETE"):
            unknown = await desk.ask(method, "/ev/.triggers/any", {})
            assert (unknown.status, unknown.json["error"]) == (404, "not-found")
        assert (await desk.ask("GET", "/nobody/.triggers")).status == 404
