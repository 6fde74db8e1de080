"""What no version of the protocol knows arrives as it was sent, in both directions, on every transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
import pytest

from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import Era, Handshake, RpcError, Session
from tests.requirements import requirement
from tests.rig.evil_http import Connection, EvilHttp, Request, Sse, mcp
from tests.sessions.asking import Wire, feed
from tests.sessions.remotes import opened

pytestmark = [pytest.mark.anyio, requirement("GATE-1:raw")]

ODD: dict[str, Any] = {
    "big": 2**70,
    "bigger": -(10**400),
    "fraction": 0.1,
    "precise": 1234567890.1234567,
    "one": 1.0,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "minus": -0.0,
    "null": None,
    "false": False,
    "zero": 0,
    "": {"": [[], {}, [None]]},
    "text": 'grüß 😀 \u0000 \u2028 </script> \\ "',
    "_meta": {"vendor/x": [1, None], "io.modelcontextprotocol/related-task": {"taskId": "t"}},
    "__proto__": {"a": 1},
    "isError": "neither",
    "inputSchema": 7,
}
"""Members that mean nothing where they stand, or the wrong thing."""

RESULT = {
    "content": [{"type": "hologram", "rays": ODD}, 3, None],
    "structuredContent": [ODD, "breaks its own schema"],
    "resultType": "from-the-future",
    "ttlMs": -5,
    **ODD,
}
ERROR = {"code": -32021, "message": "", "data": {"requiredCapabilities": {"sampling": {}}, **ODD}}
PARAMS = {"name": "x", "arguments": ODD, "inputResponses": {"q": ODD}, "requestState": "s", **ODD}

Answer: TypeAlias = dict[str, Any]
Exchanged: TypeAlias = Callable[[Answer], Awaitable[tuple[str, Any]]]
"""What a server answers -> the text of the params that it got, and what we got."""


async def _request(session: Session) -> Any:
    try:
        return await session.request("tools/call", PARAMS, timeout=5)
    except RpcError as error:
        return error.error


@asynccontextmanager
async def over_pipes(era: Era) -> AsyncIterator[Exchanged]:
    wire = Wire()
    session = PipeSession(wire, lambda *_: None)
    session.handshake = Handshake(era, "any")

    async def exchanged(answer: Answer) -> tuple[str, Any]:
        asking = asyncio.create_task(_request(session))
        await wire.until_requests(1)
        feed(session, id=wire.requests[0]["id"], **answer)
        return json.dumps(wire.requests[0]["params"]), await asking

    yield exchanged


@asynccontextmanager
async def over_http(era: Era, streamed: bool) -> AsyncIterator[Exchanged]:
    answer: Answer = {}

    async def behave(request: Request, connection: Connection) -> None:
        message = {"jsonrpc": "2.0", "id": request.message["id"], **answer}
        if streamed:
            await connection.stream()
            await connection.event(message)
            await connection.gone()
        else:
            await connection.answer(200, json.dumps(message).encode())

    async with EvilHttp(mcp(era, **{"tools/call": behave})) as server, opened(server.url) as session:

        async def exchanged(wanted: Answer) -> tuple[str, Any]:
            answer.update(wanted)
            got = await _request(session)
            return json.dumps(server.seen("tools/call")[0].message["params"]), got

        yield exchanged


@asynccontextmanager
async def over_sse() -> AsyncIterator[Exchanged]:
    sse = Sse(**{"tools/call": None})
    async with EvilHttp(sse) as server, opened(server.url, "sse") as session:

        async def exchanged(wanted: Answer) -> tuple[str, Any]:
            asking = asyncio.create_task(_request(session))
            request = await server.until("tools/call")
            assert sse.standing is not None
            await sse.standing.event({"jsonrpc": "2.0", "id": request.message["id"], **wanted})
            return json.dumps(request.message["params"]), await asking

        yield exchanged


WAYS = {
    "pipes": lambda: over_pipes("handshake"),
    "http": lambda: over_http("handshake", False),
    "http, streamed": lambda: over_http("handshake", True),
    "http, stateless": lambda: over_http("stateless", False),
    "http, stateless, streamed": lambda: over_http("stateless", True),
    "sse": over_sse,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("answer", [{"result": RESULT}, {"error": ERROR}], ids=["result", "error"])
async def test_nothing_is_lost_added_or_rounded(way: str, answer: Answer) -> None:
    with anyio.fail_after(10):
        async with WAYS[way]() as exchanged:
            params, got = await exchanged(answer)
    assert json.dumps(got) == json.dumps(next(iter(answer.values())))
    arrived = json.loads(params)
    stamp = {name: arrived["_meta"].pop(name) for name in list(arrived["_meta"]) if name not in ODD["_meta"]}
    assert json.dumps(arrived, sort_keys=True) == json.dumps(PARAMS, sort_keys=True)
    assert len(stamp) == (3 if "stateless" in way else 0)
