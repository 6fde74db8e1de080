"""Calls to servers that are on their way: after a start, and while one is replaced. They wait, or say why not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from reconciler.engine.project import Project
from reconciler.faces.gateway.endpoint import Gateway
from reconciler.gate.showing import RESULT_TOOL_NAME
from tests.engine.desk import desk
from tests.engine.listing import lay, listed, pin, reached
from tests.faces.gateway.served import PATIENCE, Served, listening, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:arrivals")]
ERAS = ("handshake", "stateless")
WITHOUT_ASKING: dict[str, Any] = {"requireApproval": False}
FIND: dict[str, Any] = {"name": "find", "inputSchema": {"type": "object"}}
MORE: dict[str, Any] = {"name": "more", "inputSchema": {"type": "object"}}
PROMPT: dict[str, Any] = {"name": "brief"}
NOT_THERE = {"command": "/nowhere/at-all"}


async def client_of(at: Served, era: str, path: str = "/mcp") -> Any:
    return await at.opened(path) if era == "handshake" else at.stateless(path)


@asynccontextmanager
async def started_again(folder: Path) -> AsyncIterator[Served]:
    """A new engine for what the one before it left, and its gateway."""
    async with desk(folder) as at:
        gateway = Gateway(at.host)
        with anyio.fail_after(PATIENCE):
            async with (
                listening(at.host, gateway) as url,
                httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as http,
            ):
                yield Served(at, gateway, http, url)


@asynccontextmanager
async def asked(*requests: Any) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Requests that are in flight."""
    tasks = [asyncio.ensure_future(request) for request in requests]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Returns once so many requests more wait for a server."""
    came = asyncio.Semaphore(0)
    ready = Project.ready

    async def counted(project: Project, server_id: str) -> None:
        came.release()
        await ready(project, server_id)

    monkeypatch.setattr(Project, "ready", counted)

    async def wait(number: int) -> None:
        for _ in range(number):
            await came.acquire()

    return wait


def text(answer: Any) -> str:
    found: str = answer.result["content"][0]["text"]
    return found


async def tools_of(client: Any) -> list[str]:
    return [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]]


async def test_a_call_before_the_first_listing_waits_for_its_server(tmp_path: Path, waits: Any) -> None:
    lay(tmp_path, "s", tools=[FIND], prompts=[PROMPT])
    (tmp_path / "s" / "go").touch()
    async with served(tmp_path, {"s": listed(tmp_path, "s", "--hang", **WITHOUT_ASKING)}):
        pass
    (tmp_path / "s" / "go").unlink()
    async with started_again(tmp_path) as at:
        clients = [await client_of(at, era, path) for era in ERAS for path in ("/mcp", "/mcp/s/s")]
        calls = [clients[n].call(("s__find", "find")[n % 2]) for n in range(4)]
        prompts = [clients[n].ask("prompts/get", name=("s__brief", "brief")[n % 2]) for n in range(4)]
        async with asked(*calls, *prompts) as tasks:
            await waits(8)
            assert await tools_of(clients[0]) == [] and not any(task.done() for task in tasks)
            (tmp_path / "s" / "go").touch()
            answers = await asyncio.gather(*tasks)
        assert [text(answer) for answer in answers] == ["reached"] * 8
        assert sorted(reached(tmp_path, "s")) == ["prompts/get brief"] * 4 + ["tools/call find"] * 4
        assert (await clients[0].call("s__none")).error["message"] == "Unknown tool: s__none"
        assert (await clients[0].call("x__find")).error["message"] == "Unknown tool: x__find"


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_of_a_server_that_cannot_start_says_which_why_and_when_it_is_tried_again(
    tmp_path: Path, era: str
) -> None:
    async with served(tmp_path, {"s": NOT_THERE}) as at:
        worker = at.desk.project.worker("s")
        assert worker is not None
        client = await client_of(at, era)
        error = (await client.call("s__find")).error
        assert (error["code"], error["data"]["reason"]) == (-32000, "not-live")
        assert error["message"].startswith('"s" is error: ') and "/nowhere/at-all" in error["message"]
        assert "; the next try is in " in error["message"]
        single = await client_of(at, era, "/mcp/s/s")
        assert (await single.call("find")).error["message"].startswith('"s" is error: ')


async def test_who_may_only_look_does_not_wait(tmp_path: Path) -> None:
    async with served(tmp_path, {"s": NOT_THERE}) as at:
        _, viewer = at.create_token("viewer")
        error = (await at.stateless(token=viewer).call("s__find")).error
        assert error["data"] == {"reason": "not-allowed"}


async def test_the_result_of_a_call_can_be_collected_before_anything_is_listed(tmp_path: Path) -> None:
    async with served(tmp_path, {"s": NOT_THERE}) as at:
        result = (await at.stateless().call(RESULT_TOOL_NAME, id="call-1")).result
        assert result["_meta"]["reconciler/refused"] == {"code": "unknown-call"}


async def test_a_server_that_goes_while_a_call_waits_for_it_ends_the_wait(tmp_path: Path, waits: Any) -> None:
    lay(tmp_path, "s", tools=[FIND])
    (tmp_path / "s" / "go").touch()
    async with served(tmp_path, {"s": listed(tmp_path, "s", "--hang", **WITHOUT_ASKING)}):
        pass
    (tmp_path / "s" / "go").unlink()
    async with started_again(tmp_path) as at:
        clients = [at.stateless(), at.stateless("/mcp/s/s")]
        async with asked(clients[0].call("s__find"), clients[1].call("find")) as tasks:
            await waits(2)
            at.desk.write({})
            await at.desk.apply(allow=["s"])
            for answer in await asyncio.gather(*tasks):
                assert '"s"' in answer.error["message"]


@pytest.mark.parametrize("era", ERAS)
async def test_while_one_is_recreated_its_lists_stay_and_calls_wait(tmp_path: Path, era: str, waits: Any) -> None:
    lay(tmp_path, "s", tools=[FIND], prompts=[PROMPT])
    options = {"strategy": "recreate", **WITHOUT_ASKING}
    async with served(tmp_path, {"s": listed(tmp_path, "s", **options)}) as at:
        client = await client_of(at, era)
        before = await tools_of(client)
        heard: list[set[str]] = []
        at.gateway.office.surfaces.listen(at.gateway._scope("/mcp"), lambda kinds: heard.append(set(kinds)))
        at.desk.write({"s": listed(tmp_path, "s", "--hang", **options)})
        calls = (client.call(name) for name in ("s__find", "s__find", "s__more"))
        async with asked(at.desk.apply()) as applied:
            await at.desk.until(lambda: at.desk.project.hub.slot("s").live is None)
            async with asked(*calls, client.ask("prompts/get", name="s__brief")) as tasks:
                await waits(4)
                assert await tools_of(client) == before == ["s__find"] and heard == []
                lay(tmp_path, "s", tools=[FIND, MORE], prompts=[PROMPT])
                (tmp_path / "s" / "go").touch()
                assert [text(answer) for answer in await asyncio.gather(*tasks)] == ["reached"] * 4
            await applied[0]
        await at.desk.until(lambda: heard == [{"tools"}])
        assert await tools_of(client) == ["s__find", "s__more"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_version_that_cannot_be_started_in_place_of_another_is_named_to_callers(
    tmp_path: Path, era: str
) -> None:
    lay(tmp_path, "s", tools=[FIND])
    options = {"strategy": "recreate", **WITHOUT_ASKING}
    async with served(tmp_path, {"s": listed(tmp_path, "s", **options)}) as at:
        client = await client_of(at, era)
        (tmp_path / "s" / "lists.json").unlink()  # the old version cannot come back either
        at.desk.write({"s": {**NOT_THERE, **options}})
        assert (await at.desk.apply()).exit != 0
        await at.desk.until(lambda: at.desk.project.hub.slot("s").opening is None)
        assert await tools_of(client) == ["s__find"]
        for name in ("s__find", "s__more"):
            error = (await client.call(name)).error
            assert (error["code"], error["data"]["reason"]) == (-32000, "not-live")
            assert error["message"].startswith('"s" is error: ') and "; the next try is in " in error["message"]


@requirement("GATE-3:enforced")
async def test_while_one_is_recreated_the_lock_judges_what_was_listed_last(tmp_path: Path, waits: Any) -> None:
    lay(tmp_path, "s", tools=[FIND, MORE])
    options = {"strategy": "recreate", "lock": "enforce", **WITHOUT_ASKING}
    async with served(tmp_path, {"s": listed(tmp_path, "s", **options)}) as at:
        await pin(at.desk)
        client = at.stateless()
        assert await tools_of(client) == ["s__find", "s__more"]
        at.desk.write({"s": listed(tmp_path, "s", "--hang", **options)})  # a launch that nobody accepted
        async with asked(at.desk.apply()) as applied:
            await at.desk.until(lambda: at.desk.project.hub.slot("s").live is None)
            assert await tools_of(client) == []
            async with asked(client.call("s__find")) as tasks:
                await waits(1)
                (tmp_path / "s" / "go").touch()
                refused = (await tasks[0]).result
            await applied[0]
        assert refused["_meta"]["reconciler/refused"] == {"code": "tool-locked"}
        assert reached(tmp_path, "s") == []


async def test_headers_that_repeat_arguments_are_held_to_what_is_listed_after_the_wait(
    tmp_path: Path, waits: Any
) -> None:
    schema = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}
    lay(tmp_path, "s", tools=[{**FIND, "inputSchema": schema}])
    (tmp_path / "s" / "go").touch()
    async with served(tmp_path, {"s": listed(tmp_path, "s", "--hang", **WITHOUT_ASKING)}):
        pass
    (tmp_path / "s" / "go").unlink()
    async with started_again(tmp_path) as at:
        client = at.stateless()
        request = client.request("tools/call", name="s__find", arguments={"region": "here"})
        sent = client.post(request, **client.routing(request), mcp_param_region="there")
        async with asked(sent) as tasks:
            await waits(1)
            (tmp_path / "s" / "go").touch()
            answer = await tasks[0]
        assert "Mcp-Param-Region" in json.dumps(answer.error) and reached(tmp_path, "s") == []
