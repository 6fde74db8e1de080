"""The SDK's own server over real HTTP, in this process: streamable HTTP for both protocol eras, or SSE."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, TypeAlias

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

Heard: TypeAlias = list[dict[str, str]]
"""The headers of requests, their names in lower case."""


def sample() -> MCPServer:
    """Tools: add(a, b), count(to) with progress, more() which adds a tool and tells of it."""
    server = MCPServer("sample", version="7", log_level="CRITICAL")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def count(to: int, context: Context[Any]) -> str:
        for step in range(1, to + 1):
            await context.report_progress(step, to)
        return "done"

    return server


def _hearing(app: Any, heard: Heard) -> Any:
    async def hears(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            heard.append({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
        await app(scope, receive, send)

    return hears


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    kind: Literal["http", "sse"] = "http", port: int = 0, host: str = "127.0.0.1", heard: Heard | None = None
) -> AsyncIterator[str]:
    """The URL of a running sample server; every connection is broken off at the end. `heard` gets what arrives."""
    server = sample()
    served = server.sse_app(host=host) if kind == "sse" else server.streamable_http_app(host=host)
    app = served if heard is None else _hearing(served, heard)
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    running = _Uvicorn(
        uvicorn.Config(app, log_config=None, log_level=logging.CRITICAL, ws="none", timeout_graceful_shutdown=0)
    )
    task = asyncio.create_task(running.serve([bound]))
    try:
        yield f"http://{host}:{bound.getsockname()[1]}/{'sse' if kind == 'sse' else 'mcp'}"
    finally:
        running.should_exit = True
        await task
        bound.close()
