"""FastMCP's client, in an environment of its own. Reads a job and prints what it saw, as typescript.mjs does."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


async def main(job):
    if "url" in job:
        transport = StreamableHttpTransport(job["url"], headers={"Authorization": f"Bearer {job['token']}"})
    else:
        transport = StdioTransport(job["command"][0], job["command"][1:])
    async with Client(transport, timeout=30) as client:
        tools = [tool.name for tool in await client.list_tools()]
        prompts = [prompt.name for prompt in await client.list_prompts()]
        resources = [str(resource.uri) for resource in await client.list_resources()]
        answers = []
        for name, given in job["calls"]:
            result = await client.call_tool(name, given)
            answers.append("\n".join(getattr(block, "text", block.type) for block in result.content))
        read = len(await client.read_resource(resources[0])) if resources else 0
        protocol = getattr(client, "protocol_version", None) or getattr(
            client.initialize_result, "protocolVersion", getattr(client.initialize_result, "protocol_version", None)
        )
        seen = {"tools": tools, "prompts": prompts, "resources": resources, "answers": answers, "read": read}
        print(json.dumps({"protocol": protocol, **seen}))


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
