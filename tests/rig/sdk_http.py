"""The SDK's own server over real HTTP, in this process: streamable HTTP for both protocol eras, or SSE."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import uvicorn
from mcp.server.mcpserver import Context, MCPServer


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


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(kind: Literal["http", "sse"] = "http", port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The URL of a running sample server; every connection is broken off at the end."""
    server = sample()
    app = server.sse_app(host=host) if kind == "sse" else server.streamable_http_app(host=host)
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
