"""Clients that call at a steady rate while the file changes under them, ten times."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.sessions import stale
from tests.engine.desk import light
from tests.faces.gateway import served as serving
from tests.faces.gateway.served import Handshaken, Served, Stateless, served
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("APPLY-2:no-call-dropped")]
RATE, CALLERS = 100, 4
"""Calls per second of all callers together; fewer where the machine cannot do more."""
CHANGES, BROKEN = 10, 5
"""The fifth change is a version that ends as it starts."""
BETWEEN = 6
"""Answers of all callers after each change, before the next one comes."""
TOOLS_CHANGED = "notifications/tools/list_changed"
OPTIONS: dict[str, Any] = {"requireApproval": False}


class Callers:
    """Clients of both eras at both kinds of endpoints. `failed` has what was not answered with a result."""

    def __init__(self) -> None:
        self.failed: list[Any] = []
        self.answered: Counter[str] = Counter()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def call(self, client: Handshaken | Stateless, tool: str, **arguments: Any) -> None:
        answer = (await client.call(tool, **arguments)).last
        if "result" not in answer or answer["result"].get("isError"):
            self.failed.append(answer)
        self.answered[client.path] += 1
        for total, waits in self._waiting:
            if self.answered.total() >= total and not waits.done():
                waits.set_result(None)

    async def go_on(self, client: Handshaken | Stateless, tool: str) -> None:
        """Call for ever, each time at the time for it: whoever is late does not catch up."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await self.call(client, tool, text=str(begun))
            await asyncio.sleep(max(0.0, begun + CALLERS / RATE - loop.time()))

    async def more(self, number: int) -> None:
        """Wait for so many answers more."""
        waits = asyncio.get_running_loop().create_future()
        self._waiting.append((self.answered.total() + number, waits))
        await waits


@asynccontextmanager
async def calling(at: Served) -> AsyncIterator[Callers]:
    callers = Callers()
    clients: list[tuple[Handshaken | Stateless, str]] = [
        (await at.opened(), "s__echo"),
        (await at.opened("/mcp/s/s"), "echo"),
        (at.stateless(), "s__echo"),
        (at.stateless("/mcp/s/s"), "echo"),
    ]
    tasks = [asyncio.create_task(callers.go_on(*each)) for each in clients]
    try:
        yield callers
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
    assert all(callers.answered.values()) and len(callers.answered) == 2


@asynccontextmanager
async def hearing(at: Served) -> AsyncIterator[list[str]]:
    """What a client is told that only listens: the methods."""
    client = await at.opened()
    heard: list[str] = []
    async with client.stream("GET") as stream:

        async def hear() -> None:
            while True:
                heard.append((await stream.next())["method"])

        task = asyncio.create_task(hear())
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def change(at: Served, callers: Callers, strategy: str, number: int) -> None:
    """The next version is applied while a longer call is in flight, which ends on the version that it began on."""
    longer = at.stateless()
    in_flight = asyncio.create_task(callers.call(longer, "s__sleep", ms=60))
    await callers.more(2)
    fields = {**OPTIONS, "strategy": strategy}
    broken = {"command": sys.executable, "args": ["-E", "-S", "-c", "raise SystemExit(3)"], **fields}
    at.desk.write({"s": broken if number == BROKEN else light("s", "--version", str(number), **fields)})
    applied = await at.desk.apply()
    assert (applied.exit == 0) is (number != BROKEN)
    await in_flight
    await callers.more(BETWEEN)


@pytest.mark.parametrize("strategy", ["replace-first", "recreate"])
async def test_calls_go_on_while_their_server_changes(
    tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 3 * serving.PATIENCE)  # ten changes take their time on a busy machine
    monkeypatch.setattr(stale, "REFRESH_SECONDS", 0.02)
    first = light("s", **OPTIONS, strategy=strategy)
    async with served(tmp_path, {"s": first}) as at, calling(at) as callers, hearing(at) as heard:
        for number in range(1, CHANGES + 1):
            before = len(callers.failed)
            await change(at, callers, strategy, number)
            if number not in (BROKEN, BROKEN + 1):  # it is tried again and again, until the next one is applied
                assert callers.failed[before:] == []
        assert json.loads(await at.desk.call("s", "info"))["version"] == str(CHANGES)
        assert heard == []
        await callers.call(at.stateless(), "s__change")
        await at.desk.until(lambda: heard == [TOOLS_CHANGED])
        await at.desk.apply()
    if strategy == "replace-first":
        assert callers.failed == []
    for failed in callers.failed:
        assert (failed["error"]["code"], failed["error"]["data"]["reason"]) == (-32000, "not-live")
        words = failed["error"]["message"]
        assert words.startswith('"s" is ') and "; the next try is in " in words
        assert "exited with status 3" in words or "stops before the new one starts" in words
