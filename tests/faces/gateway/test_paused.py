"""A paused server as clients of the gateway have it: nothing of it is listed, and every request says who paused it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.listing import lay, listed
from tests.faces.gateway.served import Served, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-2:pause")]

ERAS = ("handshake", "stateless")
FIND: dict[str, Any] = {"name": "find", "inputSchema": {"type": "object"}}
PROMPT: dict[str, Any] = {"name": "brief"}
NOTE: dict[str, Any] = {"uri": "note://one", "name": "one"}


async def paused(at: Served) -> str:
    """Pause it; what is said of that."""
    await at.desk.project.pauses.add("s", "jo", timedelta(hours=8))
    await at.desk.project.settled("s")
    pause = at.desk.project.pauses.of("s")
    return f'"s" is {pause}; `reconciler resume s` ends that'


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("path", "prefix"), [("/mcp", "s__"), ("/mcp/s/s", ""), ("/mcp/g/sea", "s__")])
async def test_requests_say_who_paused_it_until_when_and_the_way_out(
    tmp_path: Path, era: str, path: str, prefix: str
) -> None:
    lay(tmp_path, "s", tools=[FIND], prompts=[PROMPT], resources=[NOTE])
    async with served(tmp_path, {"s": listed(tmp_path, "s", group="sea", requireApproval=False)}) as at:
        client: Any = await at.opened(path) if era == "handshake" else at.stateless(path)
        [resource] = (await client.ask("resources/list")).result["resources"]
        assert (await client.call(f"{prefix}find")).result["content"][0]["text"] == "reached"
        why = await paused(at)
        assert "until 20" in why
        for method, member in (("tools/list", "tools"), ("prompts/list", "prompts"), ("resources/list", "resources")):
            assert (await client.ask(method)).result[member] == []
        refused = (await client.call(f"{prefix}find")).result
        assert refused["isError"] and refused["content"] == [{"type": "text", "text": why}]
        assert refused["_meta"]["reconciler/refused"] == {"code": "paused"}
        for method, params in (
            ("prompts/get", {"name": f"{prefix}brief"}),
            ("resources/read", {"uri": resource["uri"]}),
        ):
            error = (await client.ask(method, **params)).error
            assert (error["message"], error["data"]["reason"]) == (why, "paused")
        await at.desk.project.pauses.end("s", "jo")
        assert (await client.call(f"{prefix}find")).result["content"][0]["text"] == "reached"


async def test_who_listens_is_told_that_the_lists_changed(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[FIND], prompts=[PROMPT])
    async with served(tmp_path, {"s": listed(tmp_path, "s", requireApproval=False)}) as at:
        client = await at.opened()
        async with client.stream("GET") as stream:
            await paused(at)
            told = {(await stream.next())["method"] for _ in range(2)}
            assert told == {f"notifications/{kind}/list_changed" for kind in ("tools", "prompts")}


async def test_others_are_not_touched(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[FIND])
    lay(tmp_path, "t", tools=[FIND])
    servers = {name: listed(tmp_path, name, requireApproval=False) for name in ("s", "t")}
    async with served(tmp_path, servers) as at:
        client = at.stateless()
        await paused(at)
        assert [tool["name"] for tool in (await client.ask("tools/list")).result["tools"]] == ["t__find"]
        assert (await client.call("t__find")).result["content"][0]["text"] == "reached"
        assert (await client.call("u__find")).error["message"] == "Unknown tool: u__find"
