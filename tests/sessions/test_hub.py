"""Every session has one owner task; the hub opens, switches, drains and closes, and nothing is left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import anyio
import pytest

from reconciler.model.secret import Template
from reconciler.model.server import Remote
from reconciler.sessions.hub import SLOWEST_GREETING, SLOWEST_START, STARTS_ELSEWHERE, Hub
from reconciler.sessions.instance import DRAIN_SECONDS, Instance, NotLive
from reconciler.sessions.pulse import AGAIN_SECONDS, MISSED_PINGS, PING_SECONDS
from reconciler.sessions.session import DeadlineExceeded, RpcError, SessionError
from reconciler.sessions.stale import RELIST_SECONDS, REMEMBERED, REPEAT_SECONDS, STORM, UNTOLD_SECONDS
from reconciler.sessions.starts import processes_at_a_time
from tests.clock import JUMPING, pass_by
from tests.requirements import requirement
from tests.sessions.puppets import Puppet, Troupe, server, tool

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


class Room:
    """A hub of puppets, and an Event for every change of any of its sessions."""

    def __init__(self) -> None:
        self.troupe = Troupe()
        self.hub = Hub(self.troupe.open)
        self.changed = asyncio.Event()
        self.changes = 0

    def told(self) -> None:
        self.changes += 1
        self.changed.set()

    async def until(self, instance: Instance, *states: str) -> None:
        with anyio.fail_after(100_000):
            while instance.state not in states:
                self.changed.clear()
                await self.changed.wait()

    async def ready(self, **fields: Any) -> Instance:
        instance = self.hub.open(server(**fields), self.told)
        await self.until(instance, "ready", "closed")
        assert instance.state == "ready", instance.failure
        return instance

    async def live(self, **fields: Any) -> Instance:
        await self.ready(**fields)
        return self.hub.switch(fields.get("server_id", "a"))


@pytest.fixture
async def room() -> Any:
    made = Room()
    yield made
    await made.hub.close()
    assert made.troupe.inside == 0


def now() -> float:
    return asyncio.get_running_loop().time()


# Opening


async def test_a_session_is_ready_once_its_tools_are_listed(room: Room) -> None:
    instance = room.hub.open(server(), room.told)
    assert (instance.state, instance.session) == ("opening", None)
    await room.until(instance, "ready")
    assert [each["name"] for each in instance.listing.tools] == ["echo"]
    assert room.hub.slot("a").opening is instance
    assert room.hub.slot("a").live is None


async def test_every_session_has_an_id_of_its_own(room: Room) -> None:
    one, other = await room.live(spec="one"), await room.live(spec="two")
    assert one.id != other.id
    assert one.id.startswith("ins-")


async def test_a_session_that_is_not_ready_cannot_be_asked(room: Room) -> None:
    room.troupe.plays["one"] = asyncio.Event()
    instance = room.hub.open(server(), room.told)
    with pytest.raises(NotLive):
        await instance.request("tools/call", {}, timeout=1.0)


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (SessionError("no such file", terminal=True, code="command-not-found"), "command-not-found"),
        (RpcError({"code": -32603, "message": "broken"}), "rpc"),
        (ZeroDivisionError("a defect"), "internal"),
    ],
)
async def test_what_prevents_a_session_stays_with_it(room: Room, play: Exception, code: str) -> None:
    room.troupe.plays["one"] = play
    instance = room.hub.open(server(), room.told)
    await room.until(instance, "closed")
    assert instance.failure is not None
    assert instance.failure.code == code
    assert room.troupe.said == ["open one", "close one"]


async def test_a_server_whose_tools_cannot_be_listed_never_serves(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Puppet.request

    async def request(puppet: Puppet, method: str, *rest: Any, **more: Any) -> dict[str, Any]:
        if method == "tools/list":
            raise DeadlineExceeded("No answer to tools/list within 15 s.")
        return await original(puppet, method, *rest, **more)

    monkeypatch.setattr(Puppet, "request", request)
    instance = room.hub.open(server(), room.told)
    await room.until(instance, "closed")
    assert instance.failure is not None and instance.failure.code == "deadline"


async def test_so_many_processes_start_at_a_time_and_ten_others(room: Room) -> None:
    gate = room.troupe.plays["one"] = asyncio.Event()
    remote = Remote("http", Template(("http://x",)))
    at_once = processes_at_a_time() + STARTS_ELSEWHERE
    for number in range(at_once):
        room.hub.open(server(f"p{number}"), room.told)
        room.hub.open(server(f"r{number}", transport=remote), room.told)
    await anyio.wait_all_tasks_blocked()
    assert room.troupe.inside == at_once
    gate.set()
    with anyio.fail_after(1):
        while room.troupe.inside < 2 * at_once:
            room.changed.clear()
            await room.changed.wait()


@pytest.mark.parametrize(
    ("count", "seconds", "fields"),
    [
        (processes_at_a_time(), SLOWEST_START, {}),
        (STARTS_ELSEWHERE, SLOWEST_GREETING, {"transport": Remote("http", Template(("http://x",)))}),
    ],
)
async def test_a_slow_start_gives_its_place_back(
    room: Room, count: int, seconds: float, fields: dict[str, Any]
) -> None:
    room.troupe.plays["slow"] = asyncio.Event()
    for number in range(count):
        room.hub.open(server(f"slow{number}", "slow", **fields), room.told)
    began = now()
    await room.ready(server_id="quick", spec="quick", **fields)
    assert now() - began == seconds


async def test_a_place_is_given_back_once(room: Room) -> None:
    for number in range(3 * processes_at_a_time()):
        await room.live(server_id=f"s{number}")
    room.troupe.plays["slow"] = asyncio.Event()
    with anyio.fail_after(60):
        await pass_by(SLOWEST_START + 1)
    for number in range(2 * processes_at_a_time()):
        room.hub.open(server(f"slow{number}", "slow"), room.told)
    await anyio.wait_all_tasks_blocked()
    assert room.troupe.said.count("open slow") == processes_at_a_time()


async def test_whoever_no_longer_waits_for_a_place_takes_none(room: Room) -> None:
    room.troupe.plays["slow"] = asyncio.Event()
    for number in range(processes_at_a_time()):
        room.hub.open(server(f"slow{number}", "slow"), room.told)
    waiting = room.hub.open(server("gone", "gone"), room.told)
    await anyio.wait_all_tasks_blocked()
    await waiting.close()
    assert (await room.ready(server_id="quick", spec="quick")).state == "ready"
    assert "open gone" not in room.troupe.said


# Switching and draining


@requirement("APPLY-2:make-before-break")
async def test_the_new_one_serves_and_the_old_one_finishes_its_calls(room: Room) -> None:
    old = await room.live(spec="one")
    call = asyncio.create_task(old.request("tools/call", {}, timeout=60.0))
    await anyio.wait_all_tasks_blocked()
    new = await room.live(spec="two")
    slot = room.hub.slot("a")
    assert (slot.live, slot.opening, slot.draining) == (new, None, {old})
    await anyio.wait_all_tasks_blocked()
    assert (old.state, old.in_flight) == ("draining", 1)
    room.troupe.puppets[0].hold.set()
    assert (await call)["content"][0]["text"] == "one"
    await room.until(old, "closed")
    await anyio.wait_all_tasks_blocked()
    assert slot.draining == set()
    assert room.troupe.said == ["open one", "open two", "close one"]


@requirement("APPLY-2:make-before-break")
async def test_a_call_that_takes_too_long_is_ended_with_its_session(room: Room) -> None:
    old = await room.live(spec="one")
    call = asyncio.create_task(old.request("tools/call", {}, timeout=60.0))
    await anyio.wait_all_tasks_blocked()
    await room.live(spec="two")
    began = now()
    await room.until(old, "closed")
    assert now() - began == DRAIN_SECONDS
    with pytest.raises(SessionError):
        await call


async def test_nothing_that_is_not_proven_is_switched_to(room: Room) -> None:
    with pytest.raises(RuntimeError, match="nothing proven"):
        room.hub.switch("a")
    room.troupe.plays["one"] = asyncio.Event()
    room.hub.open(server(), room.told)
    with pytest.raises(RuntimeError, match="nothing proven"):
        room.hub.switch("a")


async def test_who_drains_tells_when_it_has_left(room: Room) -> None:
    await room.live()
    room.hub.retire("a")
    slot = room.hub.slot("a")
    assert slot.live is None
    with anyio.fail_after(60):
        while slot.draining:
            room.changed.clear()
            await room.changed.wait()
    assert room.troupe.said == ["open one", "close one"]


async def test_an_opening_is_abandoned(room: Room) -> None:
    room.troupe.plays["one"] = asyncio.Event()
    instance = room.hub.open(server(), room.told)
    room.hub.abandon("a")
    with anyio.fail_after(60):
        while room.hub.slot("a").draining:
            room.changed.clear()
            await room.changed.wait()
    assert instance.state == "closed"
    assert room.troupe.said == ["open one", "close one"]


async def test_an_opening_can_be_ended_before_it_began(room: Room) -> None:
    instance = room.hub.open(server(), room.told)
    await instance.close()
    assert (instance.state, room.troupe.said) == ("closed", [])


async def test_a_proven_session_can_be_abandoned_too(room: Room) -> None:
    instance = await room.ready()
    room.hub.abandon("a")
    await room.until(instance, "closed")
    assert room.hub.slot("a").opening is None


async def test_abandoning_or_retiring_nothing_is_nothing(room: Room) -> None:
    room.hub.abandon("a")
    room.hub.retire("a")
    assert room.hub.slot("a").draining == set()


# The end


async def test_the_end_of_a_session_is_told_with_its_reason(room: Room) -> None:
    live = await room.live()
    room.troupe.last.die()
    await room.until(live, "closed")
    assert live.end is not None
    assert (live.end.code, live.end.stderr[-1]) == (1, "last words")


@requirement("LIVE-2:no-orphans")
async def test_closing_ends_everything_at_once_also_what_still_has_calls(room: Room) -> None:
    room.troupe.plays["never"] = asyncio.Event()
    old = await room.live(spec="one")
    calls = [asyncio.create_task(old.request("tools/call", {}, timeout=60.0)) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    await room.live(spec="two")
    room.hub.open(server("b", "never"), room.told)
    await anyio.wait_all_tasks_blocked()
    began = now()
    await room.hub.close()
    assert (now() - began, room.troupe.inside) == (0.0, 0)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, SessionError) for result in results)


async def test_closing_twice_is_closing_once(room: Room) -> None:
    await room.live()
    await room.hub.close()
    await room.hub.close()
    assert room.troupe.said == ["open one", "close one"]


# Keeping


async def test_three_unanswered_pings_are_the_end(room: Room) -> None:
    live = await room.live()
    began = now()
    room.troupe.last.answers["ping"] = DeadlineExceeded("No answer to ping within 15 s.")
    await room.until(live, "closed")
    assert live.failure is not None
    assert str(live.failure) == "no answer to 3 pings"
    assert now() - began == PING_SECONDS + 2 * AGAIN_SECONDS


@requirement("LIVE-2:wake")
async def test_a_session_that_is_doubted_is_asked_at_once_and_one_silence_is_the_end(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    live.doubt()
    await pass_by(0.001)
    assert (puppet.asked.count("ping"), live.state) == (1, "ready")
    puppet.answers["ping"] = DeadlineExceeded("No answer to ping within 15 s.")
    await pass_by(PING_SECONDS + 1)
    assert (puppet.asked.count("ping"), live.state) == (2, "ready")
    live.doubt()
    await pass_by(0.001)
    assert (live.state, str(live.failure)) == ("closed", "no answer to 2 pings")


@requirement("LIVE-2:wake")
async def test_who_is_doubted_before_it_is_there_is_asked_when_it_is(room: Room) -> None:
    gate = room.troupe.plays["one"] = asyncio.Event()
    opening = room.hub.open(server(), lambda: None)
    await pass_by(1)
    opening.doubt()
    gate.set()
    await pass_by(1)
    assert (opening.state, room.troupe.last.asked.count("ping")) == ("ready", 1)


async def test_an_answered_ping_forgets_the_missed_ones(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    answers = [DeadlineExceeded("late"), DeadlineExceeded("late"), {}] * 20

    async def run() -> None:
        for answer in answers:
            puppet.answers["ping"] = answer
            asked = puppet.asked.count("ping")
            while puppet.asked.count("ping") == asked:
                await pass_by(AGAIN_SECONDS)

    await run()
    assert live.state == "ready"
    assert puppet.asked.count("ping") >= 50


async def test_who_works_on_a_call_may_be_silent_until_its_deadline(room: Room) -> None:
    live = await room.live()
    room.troupe.last.answers["ping"] = DeadlineExceeded("late")
    began = now()
    first = asyncio.create_task(live.request("tools/call", {}, timeout=200.0))
    await pass_by(PING_SECONDS + 1)
    second = asyncio.create_task(live.request("tools/call", {}, timeout=1000.0))
    await room.until(live, "closed")
    assert 200 <= now() - began <= 200 + AGAIN_SECONDS
    for call in (first, second):
        with pytest.raises(SessionError):
            await call


async def test_a_call_over_a_connection_that_is_doubted_gives_no_time(room: Room) -> None:
    live = await room.live()
    room.troupe.last.answers["ping"] = DeadlineExceeded("late")
    call = asyncio.create_task(live.request("tools/call", {}, timeout=200.0))
    await pass_by(1)
    live.doubt()
    await pass_by(1)
    assert (live.state, str(live.failure)) == ("closed", "no answer to a ping")
    with pytest.raises(SessionError):
        await call


async def test_an_error_is_an_answer_to_a_ping(room: Room) -> None:
    live = await room.live()
    room.troupe.last.answers["ping"] = RpcError({"code": -32601, "message": "Method not found"})
    await pass_by(10 * PING_SECONDS)
    assert live.state == "ready"


async def test_a_storm_of_changed_lists_is_one_refresh_in_two_seconds(room: Room) -> None:
    await room.live()
    puppet = room.troupe.last
    for _ in range(100):
        for _ in range(100):
            puppet.notify_client("notifications/tools/list_changed", {})
        await pass_by(0.1)
    assert 1 + 5 <= puppet.asked.count("tools/list") <= 1 + 6


@requirement("LIVE-2:neighbours")
async def test_a_storm_is_spoken_of_for_a_minute(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    for count in range(STORM + 5):
        assert live.storm == (count if count > STORM else 0)
        puppet.notify_client("notifications/tools/list_changed", {})
    await pass_by(REMEMBERED - 1)
    assert live.storm == STORM + 5
    for _ in range(STORM):
        puppet.notify_client("notifications/tools/list_changed", {})
    await pass_by(2)
    assert live.storm == 0


async def test_a_storm_of_one_list_does_not_hold_up_another(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    puppet.handshake = replace(puppet.handshake, capabilities={"tools": {}, "prompts": {}})
    puppet.notify_client("notifications/tools/list_changed", {})
    await pass_by(0.1)
    puppet.notify_client("notifications/tools/list_changed", {})
    puppet.answers["prompts/list"] = {"prompts": [{"name": "fresh"}]}
    puppet.notify_client("notifications/prompts/list_changed", {})
    await pass_by(0.1)
    assert [each["name"] for each in live.listing.prompts] == ["fresh"]
    assert (puppet.asked.count("tools/list"), puppet.asked.count("prompts/list")) == (2, 1)
    await pass_by(2)
    assert (puppet.asked.count("tools/list"), puppet.asked.count("prompts/list")) == (3, 1)


async def test_a_changed_list_is_read_at_once_and_told(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    puppet.answers["tools/list"] = {"tools": [tool("other")]}
    room.changed.clear()
    began = now()
    puppet.notify_client("notifications/tools/list_changed", {})
    with anyio.fail_after(60):
        await room.changed.wait()
    assert [each["name"] for each in live.listing.tools] == ["other"]
    assert now() == began


async def test_other_notifications_read_no_list(room: Room) -> None:
    await room.live()
    puppet = room.troupe.last
    puppet.notify_client("notifications/message", {"level": "info"})
    await pass_by(PING_SECONDS / 2)
    assert puppet.asked.count("tools/list") == 1


async def test_lists_are_read_again_every_ten_minutes(room: Room) -> None:
    await room.live()
    await pass_by(RELIST_SECONDS * 3 + 10 * PING_SECONDS)
    assert room.troupe.last.asked.count("tools/list") == 4


@requirement("LIVE-2:untold-changes")
async def test_lists_are_read_again_every_minute_while_the_server_cannot_tell(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    await pass_by(RELIST_SECONDS / 2)
    assert puppet.asked.count("tools/list") == 1
    puppet.hears = False
    puppet.answers["tools/list"] = {"tools": [tool("other")]}
    await pass_by(PING_SECONDS + 1)
    assert [each["name"] for each in live.listing.tools] == ["other"]
    before = puppet.asked.count("tools/list")
    await pass_by(600)
    assert 9 <= puppet.asked.count("tools/list") - before <= 11
    puppet.hears = True
    await pass_by(UNTOLD_SECONDS * 1.1)
    before = puppet.asked.count("tools/list")
    await pass_by(RELIST_SECONDS - 2 * UNTOLD_SECONDS)
    assert puppet.asked.count("tools/list") == before


@requirement("LIVE-2:untold-changes")
async def test_lists_that_were_read_before_the_server_could_tell_are_read_once_more(room: Room) -> None:
    room.troupe.hears = False
    live = await room.live()
    puppet = room.troupe.last
    puppet.answers["tools/list"] = {"tools": [tool("other")]}
    puppet.hears = True
    await pass_by(UNTOLD_SECONDS * 1.1)
    assert [each["name"] for each in live.listing.tools] == ["other"]
    await pass_by(RELIST_SECONDS - UNTOLD_SECONDS)
    assert puppet.asked.count("tools/list") == 2


@requirement("LIVE-2:untold-changes", "LIVE-2:bad-networks")
async def test_who_answers_no_ping_is_not_asked_for_its_lists_first(room: Room) -> None:
    room.troupe.hears = False
    live = await room.live()
    puppet = room.troupe.last
    await pass_by(PING_SECONDS + 1)
    puppet.answers["ping"] = DeadlineExceeded("nothing came")
    await pass_by(PING_SECONDS + MISSED_PINGS * AGAIN_SECONDS)
    assert (live.state, puppet.asked.count("tools/list")) == ("closed", 1)


@requirement("LIVE-2:bad-networks")
async def test_who_asks_for_quiet_is_there(room: Room) -> None:
    live = await room.live()
    room.troupe.last.answers["ping"] = SessionError("there asked not to be asked.", retry_after=600, code="http-429")
    await pass_by(10 * PING_SECONDS)
    assert live.state == "ready"


async def test_a_list_that_cannot_be_read_again_stays_as_it_was_until_it_can(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    before, puppet.answers["tools/list"] = puppet.answers["tools/list"], RpcError({"code": -32603, "message": "busy"})
    puppet.notify_client("notifications/tools/list_changed", {})
    await pass_by(2.5 * REPEAT_SECONDS)
    assert live.state == "ready"
    assert [each["name"] for each in live.listing.tools] == ["echo"]
    assert puppet.asked.count("tools/list") == 1 + 3
    puppet.answers["tools/list"] = before
    heard = room.changes
    await pass_by(REPEAT_SECONDS)
    assert (puppet.asked.count("tools/list"), room.changes) == (1 + 4, heard + 1)
    await pass_by(2 * REPEAT_SECONDS)
    assert puppet.asked.count("tools/list") == 1 + 4


async def test_who_gives_no_list_and_answers_no_ping_is_gone(room: Room) -> None:
    live = await room.live()
    puppet = room.troupe.last
    late = DeadlineExceeded("nothing came")
    puppet.answers |= {"tools/list": late, "ping": late}
    puppet.notify_client("notifications/tools/list_changed", {})
    await pass_by(MISSED_PINGS * REPEAT_SECONDS)
    assert live.state == "closed"


async def test_a_session_whose_lists_change_in_the_moment_of_its_end_ends(room: Room) -> None:
    await room.live()
    await anyio.wait_all_tasks_blocked()
    room.troupe.last.notify_client("notifications/tools/list_changed", {})
    with anyio.fail_after(60):
        await room.hub.close()
    assert room.troupe.inside == 0
