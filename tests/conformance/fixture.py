"""A server with everything that the official conformance suite asks for. A program: `python -m` this module.

`[--http PORT | --old]`: over stdio in both protocol eras, over streamable HTTP on 127.0.0.1 in both, or over stdio in
the handshake era only. Port 0 takes any; the URL is the first line printed.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import anyio
import mcp_types as types
import uvicorn
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel.server import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_loop
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError

from tests.conformance import offered
from tests.conformance.asking import BUS, INVALID, STATELESS, Call, Context, Result, Unanswered
from tests.conformance.offered import OFFERED

CACHED: tuple[CacheableMethod, ...] = (
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
)


async def list_tools(context: Context, params: Any) -> Result:
    names = [*OFFERED.tools, *([f"test_extra_tool_{OFFERED.extra_tool}"] if OFFERED.extra_tool else [])]
    return {
        "tools": [
            {"name": name, "description": f"{name} of the fixture", "inputSchema": schema_of(name)} for name in names
        ]
    }


def schema_of(name: str) -> dict[str, Any] | None:
    return dict(OFFERED.tools[name][0]) if name in OFFERED.tools else dict(offered.EMPTY)


async def call_tool(context: Context, params: types.CallToolRequestParams) -> Result:
    if params.name not in OFFERED.tools:
        raise MCPError(INVALID, f"Unknown tool: {params.name}")
    return await OFFERED.tools[params.name][1](Call(context))


async def list_prompts(context: Context, params: Any) -> Result:
    names = [*offered.PROMPTS, *([f"test_extra_prompt_{OFFERED.extra_prompt}"] if OFFERED.extra_prompt else [])]
    return {"prompts": [_prompt(name, offered.PROMPTS.get(name, ())) for name in names]}


def _prompt(name: str, arguments: tuple[str, ...]) -> Mapping[str, Any]:
    listed = [{"name": argument, "description": argument, "required": True} for argument in arguments]
    return {"name": name, "description": f"{name} of the fixture", "arguments": listed}


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Result:
    return await offered.prompt(Call(context))


async def list_resources(context: Context, params: Any) -> Result:
    listed = [
        {"uri": uri, "name": uri.removeprefix("test://"), "description": uri, "mimeType": found["mimeType"]}
        for uri, found in offered.RESOURCES.items()
    ]
    return {"resources": listed}


async def list_templates(context: Context, params: Any) -> Result:
    template = {"uriTemplate": offered.TEMPLATE, "name": "template", "description": "Data by id"}
    return {"resourceTemplates": [template]}


async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> Result:
    return offered.resource(str(params.uri))


async def complete(context: Context, params: types.CompleteRequestParams) -> Result:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}


async def nothing(context: Context, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


Handler: TypeAlias = Callable[[Context, Any], Awaitable[Result]]


def whole(handler: Handler) -> Any:
    """The handler, its result with what the stateless era wants in each, and a call that ends with questions."""

    async def answer(context: Context, params: Any) -> Result:
        try:
            found = await handler(context, params)
        except Unanswered as unanswered:
            found = unanswered.result
        return {"resultType": "complete", **found} if context.protocol_version >= STATELESS else found

    return answer


class Fixture(Server[Any]):
    """Tells of changed lists in the handshake era too."""

    def create_initialization_options(self, *_: Any, **__: Any) -> InitializationOptions:
        return super().create_initialization_options(NotificationOptions(True, True, True))


def fixture() -> Server[Any]:
    return Fixture(
        "fixture",
        version="1",
        instructions="Only for tests.",
        cache_hints={method: CacheHint(ttl_ms=1000, scope="private") for method in CACHED},
        get_tool_input_schema=schema_of,
        on_list_tools=whole(list_tools),
        on_call_tool=whole(call_tool),
        on_list_prompts=whole(list_prompts),
        on_get_prompt=whole(get_prompt),
        on_list_resources=whole(list_resources),
        on_list_resource_templates=whole(list_templates),
        on_read_resource=whole(read_resource),
        on_completion=whole(complete),
        on_set_logging_level=nothing,
        on_subscribe_resource=nothing,
        on_unsubscribe_resource=nothing,
        on_subscriptions_listen=ListenHandler(BUS),
    )


async def over_stdio(server: Server[Any], old: bool) -> None:
    options = server.create_initialization_options()
    async with stdio_server() as (read, write):
        if old:
            await serve_loop(server, read, write, lifespan_state={}, init_options=options)
        else:
            await server.run(read, write, options)


async def over_http(server: Server[Any], port: int) -> None:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    sys.stdout.write(f"http://127.0.0.1:{bound.getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        server.streamable_http_app(),
        log_config=None,
        log_level=logging.CRITICAL,
        ws="none",
        timeout_graceful_shutdown=0,
    )
    await uvicorn.Server(config).serve([bound])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    parser.add_argument("--old", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.http is None:
        anyio.run(over_stdio, fixture(), given.old)
    else:
        anyio.run(over_http, fixture(), given.http)


if __name__ == "__main__":
    main()
