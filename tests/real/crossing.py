"""Fifty clients of both eras that all use the same request ids, before a slow server: does an answer cross?

`python -m tests.real.crossing [--calls 100000]`: every answer and every progress carries the tag of its call. Prints
what was counted and ends with 1 when one reached somebody else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx2

from tests.real.raw import HANDSHAKE, INFO, META, STATELESS
from tests.real.running import engine, rig

CLIENTS = 50
TOGETHER = 4
"""Calls that one client has under way at a time."""
PROGRESS = 10
"""Every so many calls ask for progress."""
SECONDS = 60.0


class Client:
    """Client number `number`; the even ones are of the handshake era. `seen` counts what its answers were."""

    def __init__(self, number: int, http: httpx2.AsyncClient, url: str) -> None:
        self.number = number
        self.seen: Counter[str] = Counter()
        self._http = http
        self._url = url
        self._old = number % 2 == 0
        self._headers = {"accept": "application/json, text/event-stream"}
        if not self._old:
            self._headers |= {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": "slow__tell"}

    async def begin(self) -> None:
        """The handshake, where the era has one."""
        if not self._old:
            return
        hello = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": INFO}
        begun = await self._post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})
        self._headers["mcp-session-id"] = begun.headers["mcp-session-id"]
        self._headers["mcp-protocol-version"] = HANDSHAKE
        await self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def _post(self, message: Mapping[str, Any]) -> httpx2.Response:
        response = await self._http.post(self._url, json=message, headers=self._headers)
        return response.raise_for_status()

    async def work(self, calls: int) -> None:
        """Ids 1 to `calls`, as every other client."""
        numbers = iter(range(1, calls + 1))

        async def go_on() -> None:
            for number in numbers:
                await self._call(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(TOGETHER):
                group.create_task(go_on())

    async def _call(self, number: int) -> None:
        tag = f"{self.number}:{number}"
        meta: dict[str, Any] = {"progressToken": number} if number % PROGRESS == 0 else {}
        if not self._old:
            meta |= {META + "protocolVersion": STATELESS, META + "clientInfo": INFO, META + "clientCapabilities": {}}
        params = {"name": "slow__tell", "arguments": {"tag": tag}, "_meta": meta}
        request = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        async with self._http.stream("POST", self._url, json=request, headers=self._headers) as response:
            async for message in _messages(response):
                self._look(message, number, tag)

    def _look(self, message: Mapping[str, Any], number: int, tag: str) -> None:
        if message.get("method") == "notifications/progress":
            said = message["params"]
            mine = said["progressToken"] == number and said["message"] == tag
            self.seen["progress" if mine else "crossed"] += 1
        elif "result" in message:
            mine = message["id"] == number and message["result"]["content"][0]["text"] == tag
            self.seen["answered" if mine else "crossed"] += 1
        else:
            self.seen["failed"] += 1


async def _messages(response: httpx2.Response) -> AsyncIterator[Mapping[str, Any]]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line[6:])
    else:
        yield json.loads(await response.aread())


async def crowd(url: str, token: str, calls: int) -> Counter[str]:
    """What all clients together saw; each makes its share of `calls`."""
    limits = httpx2.Limits(max_connections=CLIENTS * TOGETHER)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=SECONDS, limits=limits) as http:
        clients = [Client(number, http, url) for number in range(CLIENTS)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.begin())
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.work(calls // CLIENTS))
    return sum((client.seen for client in clients), Counter())


def count_crossings(folder: Path, calls: int) -> Counter[str]:
    """The crowd before an engine of its own."""
    with engine(folder, {"slow": rig("slow")}) as running:
        return anyio.run(crowd, f"{running.address}/mcp", running.token, calls)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    given = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossing-") as folder:
        seen = count_crossings(Path(folder).resolve(), given.calls)
    print(f"{CLIENTS} clients, {given.calls} calls, {time.monotonic() - start:.0f} s: {dict(seen)}")
    return 0 if seen["answered"] == given.calls and not seen["crossed"] and not seen["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
