"""A client: `client.py URL` over HTTP with the token in $TOKEN, `client.py COMMAND...` over stdio.

Lists what there is, calls the first tool, and reads the first resource.
"""

import asyncio
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


async def main(target: list[str]) -> None:
    if not target[0].startswith("http"):
        command = StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ))
        await show(Client(stdio_client(command)))
        return
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {os.environ['TOKEN']}"}) as http:
        await show(Client(streamable_http_client(target[0], http_client=http)))


async def show(client: Client) -> None:
    async with client:
        tools = (await client.list_tools()).tools
        resources = (await client.list_resources()).resources if client.server_capabilities.resources else []
        print(*[tool.name for tool in tools], *[resource.uri for resource in resources], sep="\n")
        if tools:
            given = dict.fromkeys(tools[0].input_schema.get("required", []), "buy milk")
            print((await client.call_tool(tools[0].name, given)).content[0].text)
        if resources:
            print((await client.read_resource(resources[0].uri)).contents[0].text)


asyncio.run(main(sys.argv[1:]))
