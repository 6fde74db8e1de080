"""Resources that are followed and levels of logs: what a server is asked for, in either era, and when again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from reconciler.sessions.pipes import PipeSession
from reconciler.sessions.session import RESUMED, Era, Handshake, RpcError, SessionError
from reconciler.sessions.wishes import Granter, Wishes
from tests.clock import JUMPING, pass_by
from tests.requirements import requirement
from tests.sessions.asking import Wire, feed
from tests.sessions.puppets import Puppet
from tests.sessions.test_hub import Room

pytestmark = [pytest.mark.anyio, requirement("GATE-1:resources-followed")]

CAPABILITIES = {"resources": {"subscribe": True}, "logging": {}}


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class Played:
    """A session whose server the test plays, and who sees to the wishes on it."""

    def __init__(self, era: Era, capabilities: dict[str, Any]) -> None:
        self.wire = Wire()
        self.session = PipeSession(self.wire, lambda *_: None)
        self.session.handshake = Handshake(era, "any", capabilities=capabilities)
        self.missed: list[str] = []
        self.granter = Granter(self.session, self.missed.append, 15)
        self._answered = 0

    def wish(self, *resources: str, level: str | None = None) -> None:
        self.granter.wish(Wishes(frozenset(resources), level))

    async def answers(self, count: int = 1, **answer: Any) -> list[tuple[str, Any]]:
        """Answer the next requests, each when it comes; what they were."""
        seen = []
        for _ in range(count):
            await self.wire.until_requests(self._answered + 1)
            request = self.wire.requests[self._answered]
            self._answered += 1
            feed(self.session, id=request["id"], **(answer or {"result": {}}))
            seen.append((request["method"], next(iter(request["params"].values()))))
        return seen

    async def says_nothing_more(self) -> None:
        """However long we wait."""
        count = len(self.wire.requests)
        await pass_by(1000)
        assert len(self.wire.requests) == count


@asynccontextmanager
async def played(era: Era = "handshake", capabilities: dict[str, Any] = CAPABILITIES) -> AsyncIterator[Played]:
    here = Played(era, capabilities)
    running = asyncio.create_task(here.granter.run())
    try:
        with anyio.fail_after(100_000):
            yield here
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_only_the_difference_is_asked_for() -> None:
    async with played() as here:
        here.wish("a:1", "a:2")
        assert await here.answers(2) == [("resources/subscribe", "a:1"), ("resources/subscribe", "a:2")]
        here.wish("a:2", "a:3")
        assert await here.answers(2) == [("resources/unsubscribe", "a:1"), ("resources/subscribe", "a:3")]
        here.wish("a:3", "a:2")
        await here.says_nothing_more()


async def test_wishes_that_change_while_the_server_answers_come_to_what_was_wished_last() -> None:
    async with played() as here:
        here.wish("a:1")
        await here.wire.until_requests(1)
        here.wish("a:2")
        here.wish("a:3")
        assert await here.answers(3) == [
            ("resources/subscribe", "a:1"),
            ("resources/unsubscribe", "a:1"),
            ("resources/subscribe", "a:3"),
        ]
        await here.says_nothing_more()


async def test_what_a_server_refuses_is_not_asked_again_until_it_is_wished_anew() -> None:
    async with played() as here:
        here.wish("a:1", "a:2")
        await here.answers(2, error={"code": -32002, "message": "no such resource"})
        await here.says_nothing_more()
        here.wish("a:2", "a:3")
        assert await here.answers() == [("resources/subscribe", "a:3")]
        here.wish("a:1")
        assert await here.answers(2) == [("resources/unsubscribe", "a:3"), ("resources/subscribe", "a:1")]


async def test_what_a_server_does_not_answer_in_time_is_asked_again() -> None:
    async with played() as here:
        here.wish("a:1")
        await here.wire.until_requests(2)
        assert [sent["params"]["uri"] for sent in here.wire.requests] == ["a:1", "a:1"]


async def test_a_level_is_set_once_and_when_it_changes() -> None:
    async with played() as here:
        here.wish(level="info")
        assert await here.answers() == [("logging/setLevel", "info")]
        here.wish("a:1", level="info")
        assert await here.answers() == [("resources/subscribe", "a:1")]
        here.wish("a:1", level="debug")
        assert await here.answers() == [("logging/setLevel", "debug")]


@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_server_that_declares_neither_is_asked_for_neither(era: Era) -> None:
    async with played(era, {"resources": {}, "tools": {}}) as here:
        here.wish("a:1", level="info")
        await here.says_nothing_more()
        assert here.wire.requests == []


async def test_in_the_stateless_era_one_stream_has_them_all_and_a_new_one_comes_before_the_old_one_goes() -> None:
    async with played("stateless") as here:
        here.wish("a:2", "a:1", level="info")
        await here.wire.until_requests(1)
        here.wish("a:1")
        await here.wire.until_requests(2)
        sent = [(request["method"], request["params"]["notifications"]) for request in here.wire.requests]
        assert sent == [
            ("subscriptions/listen", {"resourceSubscriptions": ["a:1", "a:2"]}),
            ("subscriptions/listen", {"resourceSubscriptions": ["a:1"]}),
        ]
        here.wish()
        await pass_by(1)
        ended = [told["params"]["requestId"] for told in here.wire.notifications]
        assert ended == [request["id"] for request in here.wire.requests]
        await here.says_nothing_more()
        assert here.missed == []


@pytest.mark.parametrize("answer", [{"result": {}}, {"error": {"code": -32000, "message": "lost"}}])
async def test_a_stream_that_ends_is_opened_again_and_all_its_resources_may_have_changed(answer: Any) -> None:
    async with played("stateless") as here:
        here.wish("a:2", "a:1")
        await here.answers(3, **answer)
        assert here.missed == ["a:1", "a:2"] * 2


@pytest.mark.parametrize("code", [-32600, -32601, -32602])
async def test_a_stream_that_is_refused_is_not_asked_for_again(code: int) -> None:
    async with played("stateless") as here:
        here.wish("a:1")
        await here.answers(error={"code": code, "message": "no"})
        await here.says_nothing_more()


# Whichever session serves


class Stage(Room):
    """A hub that says what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, str, Any]] = []
        self.hub._told = lambda server, method, params: self.heard.append((server, method, dict(params)))


async def serves(stage: Stage, spec: str) -> Puppet:
    """A new session that serves and takes subscriptions."""
    instance = await stage.ready(spec=spec)
    puppet = stage.troupe.last
    puppet.handshake = Handshake("handshake", "any", capabilities=CAPABILITIES)
    puppet.answers |= {"resources/subscribe": {}, "resources/unsubscribe": {}, "logging/setLevel": {}}
    assert stage.hub.switch("a") is instance
    return puppet


async def test_wishes_outlive_the_session_and_reach_the_next_one() -> None:
    stage = Stage()
    stage.hub.follow_resources("a", frozenset({"a:1"}))
    stage.hub.log_level("a", "info")
    first = await serves(stage, "one")
    await pass_by(1)
    assert first.asked[1:] == ["logging/setLevel", "resources/subscribe"]
    second = await serves(stage, "two")
    await pass_by(1)
    assert second.asked[1:] == ["logging/setLevel", "resources/subscribe"]
    stage.hub.follow_resources("a", frozenset())
    await pass_by(1)
    assert second.asked[3:] == ["resources/unsubscribe"]
    await stage.hub.close()


async def test_a_resource_may_have_changed_while_another_session_served() -> None:
    stage = Stage()
    stage.hub.follow_resources("a", frozenset({"a:1"}))
    await serves(stage, "one")
    assert stage.heard == [("a", "notifications/resources/updated", {"uri": "a:1"})]
    await stage.hub.close()


async def test_a_stream_that_was_away_may_have_lost_updates() -> None:
    stage = Stage()
    puppet = await serves(stage, "one")
    puppet.notify_client(RESUMED, {})
    assert stage.heard == []
    stage.hub.follow_resources("a", frozenset({"a:1"}))
    puppet.notify_client(RESUMED, {})
    assert stage.heard == [("a", "notifications/resources/updated", {"uri": "a:1"})]
    await stage.hub.close()


async def test_without_wishes_nothing_is_asked_and_nothing_runs() -> None:
    stage = Stage()
    before = asyncio.all_tasks()
    puppet = await serves(stage, "one")
    stage.hub.follow_resources("a", frozenset())
    assert puppet.asked == ["tools/list"]
    assert not [task for task in asyncio.all_tasks() - before if "wishes" in task.get_name()]
    await stage.hub.close()


@pytest.mark.parametrize("failure", [SessionError("late"), RpcError({"code": -1, "message": "no"})])
async def test_a_session_lives_on_when_a_wish_fails(failure: Exception) -> None:
    stage = Stage()
    puppet = await serves(stage, "one")
    puppet.answers["resources/subscribe"] = failure
    stage.hub.follow_resources("a", frozenset({"a:1"}))
    await pass_by(100)
    live = stage.hub.slot("a").live
    assert live is not None and live.state == "ready"
    await stage.hub.close()
