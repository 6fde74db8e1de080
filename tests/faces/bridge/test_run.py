"""The bridge as a process in front of a gateway that answers when a test wants it: how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.faces.bridge.fake import ENVELOPE, PATH, Asked, Fake, bridged
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-1:bridge")]

PROGRAM = """
import sys
from pathlib import Path
from reconciler.faces.bridge.link import Address, Link
from reconciler.faces.bridge.run import run
sys.exit(run(Link(lambda: Address(Path(sys.argv[1]), sys.argv[2]))))
"""


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[tuple[Fake, Process]]:
    """A gateway and a bridge process in front of it, for 30 seconds at most."""
    fake = Fake(folder / "s")
    await fake.start()
    program = [sys.executable, "-c", PROGRAM, str(fake.socket), PATH]
    bridge = await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE, limit=2**24, env=dict(os.environ))
    try:
        with anyio.fail_after(30):
            yield fake, bridge
    finally:
        with suppress(ProcessLookupError):
            bridge.kill()
        await bridge.communicate()
        await fake.stop()


def say(bridge: Process, number: int, method: str) -> None:
    assert bridge.stdin
    params = {"_meta": ENVELOPE}
    bridge.stdin.write(
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"
    )


async def rest(bridge: Process) -> list[Any]:
    assert bridge.stdout
    return [json.loads(line) for line in (await bridge.stdout.read()).splitlines()]


async def test_what_was_asked_before_the_input_ended_is_still_answered(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def late(asked: Asked) -> None:
        await ended.wait()
        asked.result({"text": "x" * 3_000_000})

    async with process(tmp_path) as (fake, bridge):
        assert bridge.stdin
        fake.handlers["tools/list"] = late
        say(bridge, 1, "tools/list")
        say(bridge, 2, "tools/list")
        bridge.stdin.close()
        await fake.hears("tools/list", 2)
        ended.set()
        assert sorted(answer["id"] for answer in await rest(bridge)) == [1, 2]
        assert await bridge.wait() == 0


async def test_an_answer_that_does_not_come_holds_the_end_back_for_a_while_only(tmp_path: Path) -> None:
    async with process(tmp_path) as (fake, bridge):
        assert bridge.stdin
        fake.handlers |= {"vendor/hang": lambda _: None, "ping": lambda asked: asked.result({})}
        say(bridge, 1, "vendor/hang")
        say(bridge, 2, "ping")
        bridge.stdin.close()
        asked = await fake.hears("vendor/hang")
        assert [answer["id"] for answer in await rest(bridge)] == [2]
        await asked.over.wait()
        assert await bridge.wait() == 0


async def test_a_signal_ends_it_at_once_whatever_is_under_way(tmp_path: Path) -> None:
    async with process(tmp_path) as (fake, bridge):
        assert bridge.stdin
        fake.handlers["vendor/hang"] = lambda _: None
        say(bridge, 1, "vendor/hang")
        await fake.hears("vendor/hang")
        bridge.stdin.close()
        bridge.terminate()
        assert await rest(bridge) == []
        assert await bridge.wait() == 0


async def test_a_subscription_is_no_answer_that_is_waited_for(tmp_path: Path) -> None:
    def acknowledge(asked: Asked) -> None:
        asked.stream()
        asked.event({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {}})

    async with bridged(tmp_path) as (fake, client):
        fake.handlers |= {"subscriptions/listen": acknowledge, "ping": lambda asked: asked.result({})}
        await client.ask(1, "subscriptions/listen", {"_meta": ENVELOPE})
        assert (await client.read())["method"] == "notifications/subscriptions/acknowledged"
        await client.ask(2, "ping", {"_meta": ENVELOPE})
        await client.bridge.settled()
        assert client.lines.get_nowait() == b'{"jsonrpc": "2.0", "id": 2, "result": {}}'
