"""Changed lists in the stateless era: one stream, opened again when it ends, with nothing missed in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
import pytest

from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import End, Era, Handshake
from reconciler.sessions.subscriptions import follow_changes
from tests.requirements import requirement
from tests.sessions.test_pipes import Wire, feed, ignore

pytestmark = [pytest.mark.anyio, requirement("LIVE-1:both-eras")]

CHANGING = {"tools": {"listChanged": True}, "prompts": {}, "resources": {"listChanged": True}}


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    with anyio.fail_after(5):
        yield Wire()


def session_on(wire: Wire, era: Era = "stateless", capabilities: Mapping[str, Any] = CHANGING) -> PipeSession:
    session = PipeSession(wire, ignore)
    session.handshake = Handshake(era, "2026-07-28", capabilities=capabilities)
    return session


async def test_a_stream_asks_for_the_lists_that_change(wire: Wire) -> None:
    session = session_on(wire)
    following = asyncio.create_task(follow_changes(session, ignore))
    (message,) = await wire.until(1)
    assert message["method"] == "subscriptions/listen"
    assert message["params"] == {"notifications": {"toolsListChanged": True, "resourcesListChanged": True}}
    session.finish(End("over"))
    await following


@pytest.mark.parametrize("error", [None, {"code": -32000, "message": "lost"}])
async def test_a_stream_that_ends_is_opened_again_and_every_list_reported(wire: Wire, error: Any) -> None:
    heard: list[str] = []
    session = session_on(wire)
    following = asyncio.create_task(follow_changes(session, lambda method, _: heard.append(method), pause=0))
    await wire.until(1)
    assert heard == []
    feed(session, id=wire.sent[0]["id"], **({"error": error} if error else {"result": {}}))
    await wire.until(2)
    assert heard == ["notifications/tools/list_changed", "notifications/resources/list_changed"]
    assert wire.sent[1]["method"] == "subscriptions/listen"
    session.finish(End("over"))
    await following


@pytest.mark.parametrize("code", [-32600, -32601, -32602])
async def test_a_server_that_does_not_know_the_stream_is_left_alone(wire: Wire, code: int) -> None:
    session = session_on(wire)
    following = asyncio.create_task(follow_changes(session, ignore, pause=0))
    await wire.until(1)
    feed(session, id=wire.sent[0]["id"], error={"code": code, "message": "no"})
    await following
    assert len(wire.sent) == 1


@pytest.mark.parametrize(("era", "capabilities"), [("handshake", CHANGING), ("stateless", {"tools": {}})])
async def test_nothing_is_opened_where_nothing_would_come(wire: Wire, era: Era, capabilities: Any) -> None:
    await follow_changes(session_on(wire, era, capabilities), ignore)
    assert wire.sent == []
