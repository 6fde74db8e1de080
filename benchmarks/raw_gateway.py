"""The baseline of the gateway, the least that can stand between HTTP and a stdio server. `raw_gateway.py PORT LOOP`

LOOP is `uvloop` or `asyncio`.

One process, HTTP/1.1 read by hand, one light server behind it. It parses a request once, gives it a number of its own,
and puts the client's id back into the bytes of the answer. It knows no token, no policy, no lock, no session, no
deadline and no limit, and believes everything it is told.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

PREFIX = "light-0__"
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
_TAKEN = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_NUMBER = re.compile(rb'"id": ?(\d+)')
_GREETING = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "raw"}}
_FIRST = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}}


class Upstream(asyncio.SubprocessProtocol):
    """The server's pipes: a line out for each question, and whoever waits for the line that comes back."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._waiting: dict[int, Callable[[bytes, re.Match[bytes]], None]] = {}
        self._write: Callable[[bytes], object] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pipe = cast(asyncio.SubprocessTransport, transport).get_pipe_transport(0)
        self._write = cast(asyncio.WriteTransport, pipe).write

    def ask(self, method: str, params: Any, answered: Callable[[bytes, re.Match[bytes]], None]) -> None:
        self._number += 1
        self._waiting[self._number] = answered
        message = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        self._write(json.dumps(message).encode() + b"\n")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if b"\n" not in data:
            self._rest += data
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            found = _NUMBER.search(line, 0, 80)
            if found:
                self._waiting.pop(int(found[1]))(line, found)


class Http(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._write: Callable[[bytes], object] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.WriteTransport, transport).write

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = int(head[head.index(b"content-length:") + 15 :].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._answer(json.loads(body))

    def _answer(self, message: Any) -> None:
        if "id" not in message:
            self._write(_TAKEN)
            return
        number = json.dumps(message["id"]).encode()
        if message["method"] != "tools/call":
            whole = b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (number, json.dumps(_GREETING).encode())
            self._write(_OK % (b"mcp-session-id: s\r\n", len(whole)) + whole)
            return
        params = message["params"]
        params["name"] = params["name"].removeprefix(PREFIX)

        def answered(line: bytes, found: re.Match[bytes]) -> None:
            whole = line[: found.start(1)] + number + line[found.end(1) :]
            self._write(_OK % (b"", len(whole)) + whole)

        self._upstream.ask("tools/call", params, answered)


async def serve(port: int) -> None:
    """Until it is killed."""
    loop = asyncio.get_running_loop()
    server = [sys.executable, "-I", "-S", "-u", str(Path(__file__).with_name("server.py")), "raw", "1"]
    transport, upstream = await loop.subprocess_exec(Upstream, *server, stderr=subprocess.DEVNULL)
    upstream.ask("initialize", _FIRST, lambda *_: None)
    listener = await loop.create_server(lambda: Http(upstream), "127.0.0.1", port, backlog=512)
    gc.freeze()
    await listener.serve_forever()
    transport.close()


if __name__ == "__main__":
    run = importlib.import_module(sys.argv[2]).run
    run(serve(int(sys.argv[1])))
