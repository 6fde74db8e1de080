"""Credentials of programs: fetched once for everybody, kept while they hold, renewed ahead, anew when refused."""

import asyncio

import anyio
import pytest

from reconciler.sessions.session import DeadlineExceeded, SessionError
from reconciler.sessions.sign_in.credential import Challenge
from reconciler.sessions.sign_in.machine import FETCH_SECONDS, TRIES, TRIES_WITHIN, Machine
from reconciler.sessions.sign_in.machine_settings import Token, token_for
from tests.clock import JUMPING
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("AUTH-1:one-token")]

REFUSED = Challenge(401, "Bearer")


class Fetching:
    """Gives out tokens t1, t2, ... while `open`; raises `failure` instead while there is one."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.now = 1000.0
        self.lifetime = lifetime
        self.challenges: list[Challenge | None] = []
        self.failure: SessionError | None = None
        self.open = anyio.Event()
        self.open.set()
        self.begun = anyio.Event()

    async def __call__(self, challenge: Challenge | None) -> Token | None:
        self.challenges.append(challenge)
        self.begun.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return token_for(f"t{len(self.challenges)}", self.lifetime, self.now)

    def machine(self) -> Machine:
        return Machine(self, lambda: self.now)

    def hold(self) -> None:
        self.open, self.begun = anyio.Event(), anyio.Event()


async def test_a_token_is_used_until_two_minutes_before_its_end_and_then_renewed() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    assert machine.header() is None
    assert await machine.prepare() == "Bearer t1"
    fetch.now += 3479
    assert machine.header() == "Bearer t1"
    fetch.now += 1
    assert machine.header() is None
    assert await machine.prepare() == machine.header() == "Bearer t2"
    assert len(fetch.challenges) == 2


async def test_a_short_lived_token_is_used_for_half_its_life() -> None:
    fetch = Fetching(lifetime=60)
    machine = fetch.machine()
    await machine.prepare()
    fetch.now += 29
    assert machine.header() == "Bearer t1"
    fetch.now += 1
    assert machine.header() is None


async def test_twenty_who_meet_an_ended_token_share_one_fetch() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    await machine.prepare()
    fetch.now += 4000
    headers: list[str | None] = []

    async def call() -> None:
        headers.append(await machine.prepare())

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
    assert headers == ["Bearer t2"] * 20 and len(fetch.challenges) == 2


async def test_twenty_whose_token_is_refused_share_one_fetch() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    first = await machine.prepare()
    fetch.hold()
    headers: list[str | None] = []

    async def call() -> None:
        headers.append(await machine.refused(first, REFUSED, 1))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(call)
        await fetch.begun.wait()
        fetch.open.set()
    assert headers == ["Bearer t2"] * 20 and fetch.challenges == [None, REFUSED]
    assert await machine.refused(first, REFUSED, 1) == "Bearer t2", "who comes later needs no other"


async def test_while_one_renews_ahead_the_others_go_on_with_the_token_they_have() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    await machine.prepare()
    fetch.now += 3500
    fetch.hold()
    async with anyio.create_task_group() as group:
        group.start_soon(machine.prepare)
        await fetch.begun.wait()
        assert machine.header() == "Bearer t1"
        fetch.open.set()
    assert machine.header() == "Bearer t2"


async def test_a_renewal_ahead_that_fails_costs_nothing_and_is_tried_again_later() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    await machine.prepare()
    fetch.now += 3500
    fetch.failure = SessionError("no")
    assert await machine.prepare() == machine.header() == "Bearer t1"
    fetch.now += 30
    assert machine.header() is None, "it is tried again"
    assert await machine.prepare() == "Bearer t1"
    fetch.now += 70
    with pytest.raises(SessionError, match="no"):
        await machine.prepare()
    fetch.failure = None
    assert await machine.prepare() == f"Bearer t{len(fetch.challenges)}"


async def test_everybody_who_waited_hears_why_there_is_no_token() -> None:
    fetch = Fetching()
    fetch.failure = SessionError("the secret is wrong", terminal=True)
    machine = fetch.machine()
    fetch.hold()
    heard: list[str] = []

    async def call() -> None:
        with pytest.raises(SessionError) as caught:
            await machine.prepare()
        heard.append(str(caught.value))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(call)
        await fetch.begun.wait()
        fetch.open.set()
    assert heard == ["the secret is wrong"] * 5 and len(fetch.challenges) == 1


async def test_who_gives_up_waiting_leaves_the_token_to_the_others() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    fetch.hold()
    async with anyio.create_task_group() as first:
        first.start_soon(machine.prepare)
        await fetch.begun.wait()
        first.cancel_scope.cancel()
    fetch.open.set()
    assert await machine.prepare() == "Bearer t1" and len(fetch.challenges) == 1


async def test_at_the_end_nobody_waits_for_a_token() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    fetch.hold()

    async def call() -> None:
        with pytest.raises(asyncio.CancelledError):
            await machine.prepare()

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await fetch.begun.wait()
        machine.give_up()


async def test_a_server_that_is_never_content_is_not_humoured_for_ever() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    held = await machine.prepare()
    for _ in range(TRIES):
        held = await machine.refused(held, REFUSED, 1)
        assert held is not None
    assert await machine.refused(held, REFUSED, 1) is None
    assert len(fetch.challenges) == 1 + TRIES
    fetch.now += TRIES_WITHIN
    assert await machine.refused(held, REFUSED, 1) is not None


async def test_a_new_session_may_try_again() -> None:
    fetch = Fetching()
    machine = fetch.machine()
    for _ in range(TRIES + 1):
        await machine.refused(machine.header(), REFUSED, 1)
    machine.begin_anew()
    assert await machine.refused(machine.header(), REFUSED, 1) is not None


@pytest.mark.parametrize("anyio_backend", [JUMPING])
async def test_a_fetch_that_never_ends_is_given_up() -> None:
    fetch = Fetching()
    fetch.hold()
    with pytest.raises(DeadlineExceeded, match=f"within {FETCH_SECONDS:g} s"):
        await fetch.machine().prepare()


def test_a_token_is_not_shown() -> None:
    assert "t1" not in repr(token_for("t1", 3600, 0))
