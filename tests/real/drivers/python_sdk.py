"""A client on the Python SDK: `python_sdk.py legacy|auto`. Reads a job, prints what it saw, as typescript.mjs does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

PATIENCE = 30.0


async def accept(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content={})


@asynccontextmanager
async def transport(job: dict[str, Any]) -> AsyncIterator[Any]:
    if "url" in job:
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {job['token']}"})
        async with http, streamable_http_client(job["url"], http_client=http) as streams:
            yield streams
        return
    command, *arguments = job["command"]
    parameters = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with stdio_client(parameters) as streams:
        yield streams


def shown(result: types.CallToolResult) -> str:
    return "\n".join(block.text if isinstance(block, types.TextContent) else block.type for block in result.content)


async def main(mode: Literal["legacy", "auto"], job: dict[str, Any]) -> None:
    async with Client(
        transport(job), mode=mode, read_timeout_seconds=PATIENCE, elicitation_callback=accept, cache=None
    ) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
        resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
        answers = [shown(await client.call_tool(name, given)) for name, given in job["calls"]]
        read = len((await client.read_resource(resources[0])).contents) if resources else 0
        seen = {"tools": tools, "prompts": prompts, "resources": resources, "answers": answers, "read": read}
        sys.stdout.write(json.dumps({"protocol": client.protocol_version, **seen}) + "\n")


if __name__ == "__main__":
    anyio.run(main, cast(Literal["legacy", "auto"], sys.argv[1]), json.load(sys.stdin))
