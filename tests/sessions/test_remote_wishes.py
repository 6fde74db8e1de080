"""Resources of a stateless server over HTTP are followed on a stream of their own, hung up when nobody follows any."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from reconciler.sessions.wishes import UPDATED, Granter, Wishes
from tests.requirements import requirement
from tests.rig.evil_http import Connection, EvilHttp, Request, mcp
from tests.sessions.remotes import Heard, nothing_left, opened

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("nothing_left"),
    requirement("GATE-1:resources-followed"),
]
__all__ = ["nothing_left"]


class Listening:
    """A server that acknowledges every stream and tells on those for resources that the first of them changed."""

    def __init__(self) -> None:
        self.filters: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
        self.server = EvilHttp(mcp("stateless", capabilities, **{"subscriptions/listen": self.listen}))

    async def listen(self, request: Request, connection: Connection) -> None:
        wanted = request.message["params"]["notifications"]
        self.filters.append(wanted)
        await connection.stream()
        await connection.event(_told("notifications/subscriptions/acknowledged", notifications=wanted))
        if "resourceSubscriptions" in wanted:
            await connection.event(_told(UPDATED, uri=wanted["resourceSubscriptions"][0]))
        await connection.gone()
        if "resourceSubscriptions" in wanted:
            self.left.set()


def _told(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


async def test_a_stream_of_their_own_tells_of_resources_and_says_nothing_of_lists() -> None:
    there, heard = Listening(), Heard()
    with anyio.fail_after(5):
        async with there.server, opened(there.server.url, heard=heard) as session:
            granter = Granter(session, lambda uri: None, 5)
            granting = asyncio.create_task(granter.run())
            granter.wish(Wishes(frozenset({"a:1", "a:2"})))
            assert await heard.until(UPDATED) == {"uri": "a:1"}
            assert there.filters == [{"toolsListChanged": True}, {"resourceSubscriptions": ["a:1", "a:2"]}]
            assert [method for method, _ in heard] == [UPDATED]
            granter.wish(Wishes())
            await there.left.wait()
            await session.probe()
            granting.cancel()
            await asyncio.wait({granting})
