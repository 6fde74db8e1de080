"""The accepted document in memory and on the disk: what is committed is there, what cannot be written is dropped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine import ledger as ledger_module
from reconciler.engine.ledger import Ledger
from reconciler.model.accepted import Accepted
from reconciler.store.accepted import read_accepted, write_accepted
from reconciler.store.state_dir import StateDir

pytestmark = pytest.mark.anyio
ONE = {"command": "one", "name": "A"}
TWO = {"command": "two", "name": "B"}


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "acme-1")
    made.ensure()
    return made


@pytest.fixture
def ledger(state: StateDir) -> Ledger:
    return Ledger(state, Accepted())


def on_disk(state: StateDir) -> Accepted:
    return read_accepted(state, default_project="default")


# What is accepted


async def test_what_was_committed_is_on_the_disk(state: StateDir, ledger: Ledger) -> None:
    ledger.begin()
    ledger.say_yes(frozenset({"sha256:1"}))
    ledger.accept_settings({"version": 1, "project": "acme"}, default_project="folder")
    ledger.accept("a", ONE)
    assert not on_disk(state).exists
    await ledger.commit()
    stored = on_disk(state)
    assert (stored.lineage, stored.serial, stored.yeses) == (
        ledger.accepted.lineage,
        1,
        frozenset({"sha256:1"}),
    )
    assert stored.document.written == {"version": 1, "project": "acme", "mcpServers": {"a": ONE}}


async def test_every_plan_that_is_taken_up_has_a_serial_of_its_own_and_one_lineage(ledger: Ledger) -> None:
    ledger.begin()
    lineage = ledger.accepted.lineage
    ledger.begin()
    assert (ledger.accepted.serial, ledger.accepted.lineage) == (2, lineage)
    assert lineage


async def test_a_server_remembers_the_serial_that_changed_it_last(ledger: Ledger) -> None:
    ledger.begin()
    ledger.accept("a", ONE)
    ledger.accept("b", ONE)
    ledger.begin()
    ledger.accept("a", TWO)
    assert ledger.accepted.changed == {"a": 2, "b": 1}


async def test_a_deleted_server_leaves_nothing_behind(ledger: Ledger) -> None:
    ledger.begin()
    ledger.accept("a", {**ONE, "protect": True})
    ledger.remember_ready("a")
    ledger.accept("a", None)
    assert (ledger.document.servers, ledger.accepted.changed, ledger.accepted.ready) == ({}, {}, {})
    assert ledger.accepted.protected == frozenset()
    assert (ledger.server("a"), ledger.ready("a")) == (None, None)
    ledger.accept("a", None)


async def test_protection_is_remembered_until_it_is_lifted(ledger: Ledger) -> None:
    ledger.accept("a", {**ONE, "protect": True})
    assert ledger.accepted.protected == {"a"}
    ledger.accept("a", {**ONE, "protect": False})
    assert ledger.accepted.protected == frozenset()


async def test_the_typed_server_follows_what_is_accepted(ledger: Ledger) -> None:
    ledger.accept("a", ONE)
    first = ledger.server("a")
    assert first is not None and first is ledger.server("a")
    ledger.accept_settings({"defaults": {"requireApproval": False}}, default_project="x")
    second = ledger.server("a")
    assert second is not None and (first.approval, second.approval) == ("always", "never")
    assert first.spec == second.spec
    ledger.accept("a", TWO)
    third = ledger.server("a")
    assert third is not None and third.spec != second.spec


async def test_settings_leave_the_servers_alone(ledger: Ledger) -> None:
    ledger.accept("a", ONE)
    ledger.accept_settings({"groups": {"dev": {}}}, default_project="x")
    ledger.accept_settings({}, default_project="y")
    assert ledger.document.written == {"mcpServers": {"a": ONE}}
    assert ledger.document.project == "y"


# The last that was ready


async def test_what_was_ready_last_comes_back_under_the_policy_of_today(ledger: Ledger) -> None:
    ledger.accept("a", ONE)
    proven = ledger.server("a")
    assert ledger.remember_ready("a")
    ledger.accept("a", {**TWO, "requireApproval": False})
    ready = ledger.ready("a")
    assert ready is not None and proven is not None
    assert (ready.spec, ready.transport) == (proven.spec, proven.transport)
    assert (ready.name, ready.approval) == ("B", "never")


async def test_a_spec_that_was_ready_before_is_no_news(ledger: Ledger) -> None:
    ledger.accept("a", ONE)
    assert ledger.remember_ready("a")
    ledger.accept("a", {**ONE, "name": "other"})
    assert not ledger.remember_ready("a")
    ledger.accept("a", TWO)
    assert ledger.remember_ready("a")


@pytest.mark.parametrize(
    "server",
    [
        {"command": "x", "args": ["a", "b"], "env": ["HOME", "TOKEN"]},
        {"command": "x", "env": {"TOKEN": "hunter2", "OTHER": "${env:OTHER}"}, "cwd": "sub"},
        {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer hunter2"}, "oauth": True},
        {"type": "sse", "url": "https://example.com/sse"},
        {"mock": {"tools": [{"name": "echo"}]}, "command": "x"},
    ],
)
async def test_what_was_ready_is_the_same_spec_after_a_restart(state: StateDir, server: dict[str, Any]) -> None:
    state.ensure_key()
    ledger = Ledger(state, on_disk(state))
    ledger.begin()
    ledger.accept_settings({"version": 1, "envFile": ".env"}, default_project="default")
    ledger.accept("a", server)
    ledger.remember_ready("a")
    await ledger.commit()
    again = Ledger(state, on_disk(state))
    live, ready = again.server("a"), again.ready("a")
    assert live is not None and ready is not None
    assert ready.spec == live.spec
    assert ready.transport == live.transport
    assert not again.remember_ready("a")


# Writing


async def test_callers_that_wait_together_share_a_write(
    state: StateDir, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = []

    def counted(where: StateDir, accepted: Accepted) -> None:
        writes.append(accepted.serial)
        write_accepted(where, accepted)

    monkeypatch.setattr(ledger_module, "write_accepted", counted)
    ledger.begin()
    await asyncio.gather(*(ledger.commit() for _ in range(50)))
    assert writes == [1]
    await ledger.commit()
    assert writes == [1]


async def test_what_is_said_during_a_write_is_written_after_it(state: StateDir, ledger: Ledger) -> None:
    async def apply(number: int) -> None:
        ledger.accept(f"s{number}", {"command": str(number)})
        await ledger.commit()
        assert f"s{number}" in on_disk(state).document.servers

    with anyio.fail_after(10):
        await asyncio.gather(*map(apply, range(40)))
    assert len(on_disk(state).document.servers) == 40


async def test_a_caller_that_is_cancelled_leaves_the_disk_with_the_newest(
    state: StateDir, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def held(where: StateDir, accepted: Accepted) -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(5)
        write_accepted(where, accepted)

    monkeypatch.setattr(ledger_module, "write_accepted", held)
    with anyio.fail_after(5):
        ledger.begin()
        first = asyncio.create_task(ledger.commit())
        await begun.wait()
        first.cancel()
        await asyncio.wait({first})
        ledger.begin()
        second = asyncio.create_task(ledger.commit())
        go.set()
        await second
    assert first.cancelled()
    assert on_disk(state).serial == 2


async def test_what_cannot_be_written_is_not_accepted(state: StateDir, ledger: Ledger) -> None:
    ledger.begin()
    ledger.accept("a", ONE)
    await ledger.commit()
    good = ledger.accepted
    state.path.rename(state.path.with_name("gone"))
    ledger.begin()
    ledger.accept("a", TWO)
    both = await asyncio.gather(ledger.commit(), ledger.commit(), return_exceptions=True)
    assert [type(error) for error in both] == [FileNotFoundError, FileNotFoundError]
    assert ledger.accepted == good
    server = ledger.server("a")
    assert server is not None and server.name == "A"
    await ledger.commit()


async def test_after_trouble_with_the_disk_it_works_again(state: StateDir, ledger: Ledger) -> None:
    away = state.path.with_name("gone")
    state.path.rename(away)
    ledger.begin()
    with pytest.raises(FileNotFoundError):
        await ledger.commit()
    away.rename(state.path)
    ledger.begin()
    ledger.accept("a", ONE)
    await ledger.commit()
    assert (on_disk(state).serial, dict(on_disk(state).document.servers)) == (1, {"a": ONE})
