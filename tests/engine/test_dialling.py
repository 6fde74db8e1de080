"""Servers that dial in, in an engine: who serves, what status says, and when a socket has to go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.gate.gate import Refused
from reconciler.sessions import pulse
from reconciler.sessions.instance import NotLive
from reconciler.sessions.uplink import AlreadyHere, Link
from tests.engine.desk import OWNER, Desk, desk, light
from tests.engine.listing import pin
from tests.requirements import requirement
from tests.sessions.dialling import Reply, Wire, answers, serve, silent

pytestmark = [pytest.mark.anyio, requirement("CFG-3:uplink")]
UPLINK: dict[str, Any] = {"type": "uplink", "requireApproval": False}
WAITS = "waits for the server to dial in"


class Far(Wire):
    """A server far away that dials in; it is `silent` or answers as `reply` says."""

    def __init__(self, at: Desk, reply: Reply, force: bool) -> None:
        super().__init__()
        self._link = Link()
        at.project.uplinks.offer("far", self._link, force=force)
        self.work = [asyncio.create_task(self._link.carry(self)), asyncio.create_task(serve(self, reply))]


class Dialling:
    """Whoever dials in to a desk, hung up on at the end."""

    def __init__(self, at: Desk) -> None:
        self._at = at
        self._all: list[Far] = []

    def begin(self, reply: Reply = answers, *, force: bool = False) -> Far:
        far = Far(self._at, reply, force)
        self._all.append(far)
        return far

    async def connect(self, reply: Reply = answers, *, force: bool = False) -> Far:
        """Dial in, until it serves."""
        before = self._at.project.serving("far")
        far = self.begin(reply, force=force)
        await self._at.until(lambda: self._at.project.serving("far") not in (None, before))
        return far

    async def close(self) -> None:
        work = [task for far in self._all for task in far.work]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


@asynccontextmanager
async def dialling(folder: Path, **fields: Any) -> AsyncIterator[tuple[Desk, Dialling]]:
    """An engine that waits for the server `far`, and whoever dials in."""
    async with desk(folder, {"far": {**UPLINK, **fields}}) as at:
        dials = Dialling(at)
        await at.apply()
        try:
            yield at, dials
        finally:
            await dials.close()


def echoes(word: str, called: asyncio.Event | None = None, go: asyncio.Event | None = None) -> Reply:
    """A server that says `word` and what it was given; with `called` it says when, and answers at `go`."""

    async def answer(text: str) -> Any:
        if called and go:
            called.set()
            await go.wait()
        return {"content": [{"type": "text", "text": f"{word} {text}"}]}

    def reply(method: str, params: Mapping[str, Any]) -> Any:
        return answer(params["arguments"].get("text", "")) if method == "tools/call" else answers(method, params)

    return reply


async def test_until_it_dials_in_it_is_awaited_and_calls_are_answered_at_once(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, _):
        at.project.public_url = lambda: "https://mcp.example.com"
        reason = f"{WAITS} at wss://mcp.example.com/connect/{at.project.name}/far"
        row = at.row("far")
        assert (row["status"], row["reason"], row["sync"]) == ("disconnected", reason, "Synced")
        assert (row["health"], row["transport"], row["restarts"]) == ("Missing", "uplink", 0)
        conditions = {each["type"]: (each["status"], each["reason"]) for each in row["conditions"]}
        assert (conditions["Ready"], conditions["Reconciling"]) == (("False", "Pending"), ("False", "Pending"))
        with pytest.raises(NotLive) as refused:
            await at.call("far", "echo")
        assert str(refused.value) == f'"far" is disconnected: {reason}'
        assert (await at.plan()).empty


async def test_one_that_dials_in_is_connected_and_one_that_hangs_up_is_awaited_again(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = await dials.connect()
        row = at.row("far")
        assert (row["status"], row["health"], row["sync"], row["toolCount"]) == ("connected", "Healthy", "Synced", 1)
        assert row["serverInfo"] == {"name": "far", "version": "1"}
        assert await at.call("far", "echo", text="hello") == "hello"
        assert (await at.plan()).empty
        far.hang_up("The socket was closed with 1000: closing.")
        await at.until(lambda: at.row("far")["status"] == "disconnected")
        row = at.row("far")
        assert (row["reason"], row["restarts"], row["instance"]) == (WAITS, 1, None)
        with pytest.raises(NotLive, match=WAITS):
            await at.call("far", "echo")
        await at.project.events.flush()
        said = [each["message"] for each in await at.project.records.events(0, 100, "far") if each["kind"] == "down"]
        assert said == ["far went down: The socket was closed with 1000: closing"]
        await dials.connect()
        assert await at.call("far", "echo", text="again") == "again"


async def test_its_tools_stay_listed_while_it_is_away(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = await dials.connect()
        far.hang_up()
        await at.until(lambda: at.project.serving("far") is None)
        offer = at.project.offers.of("far")
        assert offer is not None
        assert ([tool["name"] for tool in offer.listing.tools], offer.live) == (["echo"], False)


@requirement("APPLY-2:make-before-break")
async def test_the_newer_one_is_proven_before_the_older_one_goes(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        called, go = asyncio.Event(), asyncio.Event()
        slow = await dials.connect(echoes("old", called, go))
        calling = asyncio.create_task(at.call("far", "echo", text="first"))
        await called.wait()
        with pytest.raises(AlreadyHere):
            dials.begin()
        await dials.connect(echoes("new"), force=True)
        assert await at.call("far", "echo", text="second") == "new second"
        assert not slow.farewell.done(), "a call of its is in flight"
        go.set()
        assert await calling == "old first"
        assert await slow.ended() == (1001, "replaced")
        assert at.row("far")["restarts"] == 0


async def test_a_newer_one_that_is_not_proven_disturbs_nobody(tmp_path: Path) -> None:
    async with dialling(tmp_path, timeouts={"start": "200ms"}) as (at, dials):
        old = await dials.connect(echoes("old"))
        new = dials.begin(silent, force=True)
        assert await at.call("far", "echo", text="meanwhile") == "old meanwhile"
        assert await new.ended() == (1008, "It did not complete the handshake within 0.2 s.")
        await at.project.settled("far")
        assert (at.row("far")["status"], at.row("far")["reason"]) == ("connected", None)
        assert await at.call("far", "echo", text="after") == "old after"
        assert not old.farewell.done()


async def test_one_that_says_nothing_is_turned_away_and_status_says_why(tmp_path: Path) -> None:
    async with dialling(tmp_path, timeouts={"start": "100ms"}) as (at, dials):
        far = dials.begin(silent)
        await at.until(lambda: at.row("far")["status"] == "connecting")
        assert (await far.ended())[0] == 1008
        await at.project.settled("far")
        row = at.row("far")
        why = "the last one that did was turned away: It did not complete the handshake within 0.1 s."
        assert (row["status"], row["reason"], row["nextRetryAt"]) == ("disconnected", f"{WAITS}; {why}", None)
        await dials.connect()
        assert at.row("far")["reason"] is None


async def test_a_newer_one_takes_the_place_of_one_that_is_not_proven_yet(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        first = dials.begin(silent)
        await at.until(lambda: at.row("far")["status"] == "connecting")
        await dials.connect(echoes("second"), force=True)
        assert await first.ended() == (1001, "replaced")
        assert await at.call("far", "echo") == "second "


@pytest.mark.parametrize("then", [None, {**UPLINK, "enabled": False}, light("far")], ids=["gone", "disabled", "other"])
async def test_a_server_that_is_not_to_dial_in_any_more_is_hung_up_on(tmp_path: Path, then: Any) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = await dials.connect()
        at.write({"far": then} if then else {})
        await at.apply(allow={"far"})
        assert await far.ended() == (1012, "the session was closed")
        if then and "command" in then:
            assert await at.call("far", "echo", text="a process") == "a process"


async def test_one_that_is_being_proven_is_hung_up_on_as_well(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = dials.begin(silent)
        await at.until(lambda: at.row("far")["status"] == "connecting")
        at.write({"far": {**UPLINK, "enabled": False}})
        await at.apply()
        assert (await far.ended())[0] == 1012
        assert at.row("far")["status"] == "disconnected"


async def test_what_served_another_way_goes_when_the_server_is_to_dial_in(tmp_path: Path) -> None:
    async with desk(tmp_path, {"far": light("far", requireApproval=False)}) as at:
        await at.apply()
        assert await at.call("far", "echo", text="a process") == "a process"
        at.write({"far": UPLINK})
        await at.apply()
        assert (at.row("far")["status"], at.row("far")["pid"]) == ("disconnected", None)
        dials = Dialling(at)
        await dials.connect()
        assert await at.call("far", "echo", text="from far") == "from far"
        await dials.close()


async def test_a_restart_hangs_up_so_that_it_dials_in_anew(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = await dials.connect()
        worker = at.project.worker("far")
        assert worker is not None
        worker.restart()
        assert await worker.settled() is None
        assert await far.ended() == (1012, "the session was closed")
        await dials.connect()


async def test_a_display_change_leaves_the_socket_alone(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (at, dials):
        far = await dials.connect()
        before = at.row("far")["instance"]
        at.write({"far": {**UPLINK, "description": "On a desk."}})
        await at.apply()
        assert (at.row("far")["instance"], far.farewell.done()) == (before, False)


async def test_the_end_of_the_engine_hangs_up(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(desk(tmp_path, {"far": UPLINK}))
        await at.apply()
        dials = Dialling(at)
        far = await dials.connect()
    assert await far.ended() == (1012, "the session was closed")
    await dials.close()


@requirement("GATE-3:enforced")
async def test_whoever_dials_in_with_other_tools_is_held_against_the_lock(tmp_path: Path) -> None:
    def other(method: str, params: Mapping[str, Any]) -> Any:
        if method == "tools/list":
            return {"tools": [{"name": "echo", "description": "Other.", "inputSchema": {"type": "object"}}]}
        return answers(method, params)

    async with dialling(tmp_path, lock="enforce") as (at, dials):
        await dials.connect()
        await pin(at)
        assert await at.call("far", "echo", text="as pinned") == "as pinned"
        await dials.connect(other, force=True)
        with pytest.raises(Refused) as refused:
            await at.project.gate.call(OWNER, "far", "echo", {})
        assert refused.value.code == "tool-locked"
        await dials.connect(force=True)
        assert await at.call("far", "echo", text="again") == "again"


async def test_one_that_stops_answering_pings_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PING_SECONDS", "AGAIN_SECONDS"):
        monkeypatch.setattr(pulse, name, 0.05)
    deaf = False

    def reply(method: str, params: Mapping[str, Any]) -> Any:
        return None if deaf else answers(method, params)

    async with dialling(tmp_path, timeouts={"list": "50ms"}) as (at, dials):
        far = await dials.connect(reply)
        deaf = True
        with anyio.fail_after(10):
            assert await far.ended() == (1008, "no answer to 3 pings")
        await at.until(lambda: at.row("far")["status"] == "disconnected")
