"""What an editor writes runs nothing and loosens nothing before somebody who may has seen it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine.change import Applied, Consent, apply_file, approve, plan_file
from reconciler.engine.door import Changed, ChangeRefused, change
from reconciler.engine.follow import AutoApprove
from reconciler.engine.rollback import patch_to, roll_back
from reconciler.gate.principal import Principal, Role
from reconciler.plan.actions import Plan
from reconciler.plan.document import plan_id
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

EDITOR = Principal("robin", "editor")
OPERATOR = Principal("ola", "operator")

pytestmark = [pytest.mark.anyio, requirement("API-3:holds")]


def trap(folder: Path, mark: str = "ran") -> dict[str, Any]:
    """A server that leaves a file behind when it is run."""
    return {"command": "touch", "args": [str(folder / mark)]}


def ran(at: Desk) -> list[str]:
    """What was run of the traps."""
    return sorted(path.name for path in at.folder.glob("ran*"))


async def write(at: Desk, patch: Any, who: Principal = EDITOR, **options: Any) -> Changed:
    return await change(at.project, patch, if_match=None, principal=who, wait=options.get("wait", 0))


async def put(at: Desk, server: str, fields: Any, who: Principal = EDITOR) -> Changed:
    return await write(at, {"mcpServers": {server: fields}}, who)


def waiting(at: Desk) -> dict[str, tuple[str, ...]]:
    return {pending.server: pending.marks for pending in at.project.waiting.all}


async def yes(at: Desk, *servers: str) -> Applied:
    """An operator's yes to what waits of these servers."""
    chosen = [pending for pending in at.project.waiting.all if pending.server in servers]
    applied = await approve(at.project, chosen, "ola", lambda _: None)
    assert isinstance(applied, Applied), applied
    return applied


async def everything_says_yes(at: Desk) -> None:
    """All that says yes without having looked."""
    follower = at.host.follow(at.project, "all")
    with anyio.fail_after(10):
        await follower.settled.wait()
    await follower.say_yes("all")
    await at.apply()
    await at.host.unfollow(at.project)


@asynccontextmanager
async def again(folder: Path, auto_approve: AutoApprove) -> AsyncIterator[Desk]:
    """The engine started anew, following the file."""
    async with desk(folder) as at:
        with anyio.fail_after(10):
            await at.host.follow(at.project, auto_approve).settled.wait()
        yield at


# What waits


async def test_a_new_command_of_an_editor_is_in_the_file_and_waits(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        changed = await put(at, "t", trap(tmp_path))
        assert "touch" in at.file.read_text(encoding="utf-8")
        assert [(o.server, o.status, o.marks) for o in changed.applied.outcomes] == [("t", "waiting", ("launch",))]
        [pending] = at.project.waiting.all
        assert (pending.server, pending.plan, pending.by) == ("t", changed.plan_id, "robin")
        assert at.row("t")["reason"] == "waits for a yes"
        await everything_says_yes(at)
        assert (ran(at), waiting(at)) == ([], {"t": ("launch",)})
        await yes(at, "t")
        assert (ran(at), waiting(at)) == (["ran"], {})
        assert not at.project.holds.servers


@pytest.mark.parametrize("auto_approve", ["no", "start", "all"])
async def test_it_waits_across_a_restart_whatever_the_engine_says_yes_to(
    tmp_path: Path, auto_approve: AutoApprove
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        first = await put(at, "t", trap(tmp_path))
    async with again(tmp_path, auto_approve) as at:
        assert (ran(at), waiting(at)) == ([], {"t": ("launch",)})
        [pending] = at.project.waiting.all
        assert (pending.plan, pending.by) == (first.plan_id, "robin")
        await everything_says_yes(at)
        assert ran(at) == []
        await yes(at, "t")
        assert ran(at) == ["ran"]


async def test_what_waits_can_be_answered_in_an_engine_that_follows_no_file(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
    async with desk(tmp_path) as at:
        assert waiting(at) == {"t": ("launch",)}
        await yes(at, "t")
        assert ran(at) == ["ran"]


@pytest.mark.parametrize("url", ["${env:NOWHERE:-http://127.0.0.2:9}/mcp", "${env:NOWHERE}@127.0.0.2:9/mcp"])
async def test_an_address_that_a_reference_decides_is_not_led_elsewhere(tmp_path: Path, url: str) -> None:
    async with desk(tmp_path, {"a": {"url": "${env:NOWHERE}/mcp"}, "b": {"url": "${env:NOWHERE:-x}/mcp"}}) as at:
        await at.apply()
        for server in ("a", "b"):
            await put(at, server, {"url": url})
        assert waiting(at) == {"a": ("launch",), "b": ("launch",)}


async def test_what_is_harmless_is_taken_up_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", denyTools=["x"]), "b": light("b")}) as at:
        await at.apply()
        pid = at.row("a")["pid"]
        for fields in ({"description": "d"}, {"denyTools": ["x", "y"]}, {"requireApproval": True}):
            changed = await put(at, "a", fields)
            assert [o.status for o in changed.applied.outcomes] == ["applied"]
        assert at.row("a")["pid"] == pid
        await put(at, "a", {"enabled": False})
        await put(at, "a", {"enabled": True})
        await put(at, "b", None)
        assert (waiting(at), sorted(at.rows())) == ({}, ["a"])
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert not at.project.holds.any


LOOSER: dict[str, dict[str, Any]] = {
    "approval": {"mcpServers": {"a": {"requireApproval": False}}},
    "of a tool": {"mcpServers": {"a": {"tools": {"echo": {"requireApproval": False}}}}},
    "the filter": {"mcpServers": {"a": {"denyTools": None}}},
    "the lock": {"lock": "off"},
    "of everybody": {"defaults": {"requireApproval": False}},
    "of a group": {"groups": {"g": {"requireApproval": "writes"}}},
    "who may approve": {"approvals": {"via": ["client"]}},
    "protection": {"mcpServers": {"a": {"protect": False}}},
    "another group": {"mcpServers": {"a": {"group": "lax"}}},
}


@pytest.mark.parametrize("patch", LOOSER.values(), ids=LOOSER)
async def test_a_weaker_rule_waits(tmp_path: Path, patch: dict[str, Any]) -> None:
    groups = {"g": {"name": "G"}, "lax": {"requireApproval": False}}
    async with desk(tmp_path, {"a": light("a", denyTools=["x"], protect=True, group="g")}, groups=groups) as at:
        await at.apply()
        before = at.project.ledger.document.written
        await write(at, patch)
        assert waiting(at)
        await everything_says_yes(at)
        assert at.project.ledger.document.written == before
        await yes(at, *waiting(at))
        assert at.project.ledger.document.written != before
        assert (waiting(at), at.project.holds.servers) == ({}, frozenset())


RUNS: dict[str, dict[str, Any]] = {
    "command": {"mcpServers": {"a": {"command": "touch", "args": ["ran"]}}},
    "arguments": {"mcpServers": {"a": {"args": ["--version"]}}},
    "directory": {"mcpServers": {"a": {"cwd": "/"}}},
    "variable": {"mcpServers": {"a": {"env": {"TOKEN": "x"}}}},
    "forwarded": {"mcpServers": {"a": {"env": ["TOKEN", "HOME"]}}},
    "address": {"mcpServers": {"a": {"command": None, "args": None, "env": None, "url": "http://127.0.0.1:9/"}}},
    "file of variables": {"envFile": "other.env"},
    "enabled": {"mcpServers": {"off": {"enabled": True}}},
    "group": {"groups": {"g": {"enabled": True}}},
    "moved": {"mcpServers": {"grouped": {"group": None}}},
    "mock": {"mcpServers": {"mocked": {"mock": {"enabled": False}}}},
    "moved to another id": {"mcpServers": {"b": light("a", env=["TOKEN"])}},
}


@pytest.mark.parametrize("patch", RUNS.values(), ids=RUNS)
async def test_whatever_would_run_or_contact_something_else_waits(tmp_path: Path, patch: dict[str, Any]) -> None:
    servers = {
        "a": light("a", env=["TOKEN"]),
        "off": {**trap(tmp_path), "enabled": False},
        "grouped": {**trap(tmp_path), "group": "g"},
        "mocked": {**trap(tmp_path), "mock": {"tools": []}},
    }
    async with desk(tmp_path, servers, groups={"g": {"enabled": False}}) as at:
        await at.apply()
        before = at.project.ledger.document.written
        await write(at, patch)
        assert waiting(at)
        await everything_says_yes(at)
        assert (at.project.ledger.document.written, ran(at)) == (before, [])
    async with again(tmp_path, "all") as at:
        assert (at.project.ledger.document.written, ran(at)) == (before, [])


# In several steps


async def test_the_second_command_waits_like_the_first_and_a_yes_to_the_first_is_none_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path, "ran1"))
        shown = at.project.waiting.all
        await put(at, "t", trap(tmp_path, "ran2"))
        applied = await approve(at.project, shown, "ola", lambda _: None)
        assert isinstance(applied, Applied)
        assert (ran(at), [outcome.status for outcome in applied.outcomes]) == ([], ["waiting"])
        await everything_says_yes(at)
        assert ran(at) == []
        await yes(at, "t")
        assert ran(at) == ["ran2"]


async def test_a_harmless_change_of_what_waits_leaves_it_waiting(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        await put(at, "a", trap(tmp_path))
        for who in (EDITOR, OPERATOR):
            for server in ("t", "a"):
                await put(at, server, {"description": f"by {who.name}"}, who)
        assert at.project.ledger.document.servers["a"] == light("a", description="by ola")
        await everything_says_yes(at)
        assert (ran(at), sorted(waiting(at))) == ([], ["a", "t"])
        await yes(at, "t")
        assert ran(at) == ["ran"]
        assert at.project.ledger.document.servers["t"] == {**trap(tmp_path), "description": "by ola"}


async def test_switched_off_changed_and_switched_on_again_it_still_waits(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "m": {**trap(tmp_path), "mock": {"tools": []}}}) as at:
        await at.apply()
        await put(at, "a", {"enabled": False})
        for server in ("a", "m"):
            await put(at, server, trap(tmp_path, f"ran-{server}"))
        await put(at, "new", {**trap(tmp_path), "enabled": False})
        await everything_says_yes(at)
        for who in (EDITOR, OPERATOR):
            for server in ("a", "new"):
                await put(at, server, {"enabled": True}, who)
            await put(at, "m", {"mock": None}, who)
            await everything_says_yes(at)
            assert ran(at) == [], who
        assert sorted(waiting(at)) == ["a", "m", "new"]


async def test_removed_and_written_anew_it_waits_even_where_its_command_is_known(tmp_path: Path) -> None:
    servers = {"a": light("a", denyTools=["*"])}
    async with desk(tmp_path, servers, defaults={"requireApproval": "writes"}) as at:
        await at.apply()
        await put(at, "a", None)
        await put(at, "a", light("a"))
        assert waiting(at)
        await put(at, "a", {"enabled": False})
        await put(at, "a", {"enabled": True})
        await everything_says_yes(at)
        assert "a" not in at.project.ledger.document.servers
        await yes(at, "a")
        assert at.row("a")["status"] == "connected"


async def test_under_another_name_it_waits_whoever_gives_it_that(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        await write(at, {"mcpServers": {"t": None, "u": trap(tmp_path)}})
        await everything_says_yes(at)
        at.write({"a": light("a"), "v": trap(tmp_path)})  # by hand
        await everything_says_yes(at)
        assert (ran(at), waiting(at)) == ([], {"v": ("launch",)})


async def test_what_a_person_adds_by_hand_does_not_carry_it_along(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "a", {"env": {"PATH": "/evil"}})
        written = dict((await at.project.read()).reading.written or {})["mcpServers"]["a"]
        at.write({"a": {**written, "args": [*light("a")["args"], "--mark", "mine"]}})
        await everything_says_yes(at)
        assert (at.project.ledger.document.servers["a"], waiting(at)) == (light("a"), {"a": ("launch",)})


async def test_an_older_command_that_comes_back_waits_as_it_did(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path, "ran1"))
        older = at.file.read_bytes()
        await put(at, "t", trap(tmp_path, "ran2"))
        await yes(at, "t")
        at.file.write_bytes(older)  # as git checkout does
        await everything_says_yes(at)
        assert (ran(at), waiting(at)) == (["ran2"], {"t": ("launch",)})


async def test_what_is_taken_back_leaves_nothing_that_waits(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "a", {"args": ["--other"]})
        await put(at, "a", {"args": light("a")["args"]})
        await put(at, "t", trap(tmp_path))
        await put(at, "t", None)
        assert (waiting(at), at.project.holds.servers) == ({}, frozenset())
        at.write({"a": light("a", "--mark", "by hand")})
        await everything_says_yes(at)
        assert at.project.ledger.document.servers["a"] == light("a", "--mark", "by hand")


async def test_a_yes_to_settings_is_needed_before_new_servers_begin_under_them(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await write(at, {"defaults": {"requireApproval": False}})
        await put(at, "b", light("b"), OPERATOR)
        assert at.project.ledger.document.settings == {"version": 1}
        assert at.project.ledger.document.servers["b"] == light("b")
        assert waiting(at) == {"@project": ("loosen",), "a": ("loosen",), "b": ("with-settings",)}


# Yeses


async def test_a_yes_to_everything_counts_only_from_somebody_who_was_shown_it(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        plan = await plan_file(at.project)
        assert isinstance(plan, Plan)
        for consent in (Consent("ola", None), Consent("ola", frozenset({"t"}))):
            await apply_file(at.project, consent, lambda _: None, expected=plan_id(plan))
            assert ran(at) == []
        seen = Consent("ola", None, seen=True)
        await apply_file(at.project, seen, lambda _: None, expected=plan_id(plan))
        assert (ran(at), at.project.holds.servers) == (["ran"], frozenset())


async def test_a_no_is_not_asked_again_and_is_no_yes_after_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        at.project.waiting.deny(at.project.waiting.all)
        await everything_says_yes(at)
        assert (ran(at), waiting(at)) == ([], {})
    async with again(tmp_path, "all") as at:
        assert (ran(at), waiting(at)) == ([], {"t": ("launch",)})


async def test_a_way_back_is_no_yes(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "t": {**trap(tmp_path), "enabled": False}}) as at:
        await at.apply()
        await put(at, "a", {"description": "later"}, OPERATOR)
        await put(at, "t", {"enabled": True})
        await roll_back(at.project, await patch_to(at.project, 1), Consent("ola", None), lambda _: None)
        assert (ran(at), waiting(at), at.project.holds.servers) == ([], {}, frozenset())
        await put(at, "t", {"enabled": True})
        path = at.file.read_bytes()
        await put(at, "a", {"description": "again"}, OPERATOR)
        at.file.write_bytes(path)
        await everything_says_yes(at)
        assert (ran(at), waiting(at)) == ([], {"t": ("launch",)})


async def test_an_operators_own_write_is_a_yes_to_what_it_shows(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        assert (await put(at, "t", {"enabled": True}, OPERATOR)).waits
        assert ran(at) == []
        await write(at, {"mcpServers": {"t": {**trap(tmp_path), "enabled": True}}}, OPERATOR, wait=5)
        assert (ran(at), waiting(at), at.project.holds.servers) == (["ran"], {}, frozenset())


async def test_an_operator_who_enables_elsewhere_what_an_editor_wrote_is_asked(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "t": {**trap(tmp_path), "enabled": False}}) as at:
        await at.apply()
        await put(at, "u", trap(tmp_path))  # the same, by an editor
        changed = await put(at, "t", {"enabled": True}, OPERATOR)
        assert [outcome.status for outcome in changed.applied.outcomes] == ["waiting"]
        assert ran(at) == []


# Faults


async def test_a_write_that_fails_leaves_file_and_vault_as_they_were_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        text = at.file.read_bytes()

        def no_room(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("reconciler.engine.rewrite.write_whole", no_room)
            with pytest.raises(ChangeRefused) as refused:
                await put(at, "t", {**trap(tmp_path), "env": {"KEY": "a-secret-of-robin"}})
        assert refused.value.code == "read-only"
        assert (at.file.read_bytes(), at.project.vault.list()) == (text, ())
        await everything_says_yes(at)
        assert (ran(at), waiting(at), at.project.holds.servers) == ([], {}, frozenset())


async def test_held_is_written_before_the_file_so_that_a_kill_between_them_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[frozenset[str]] = []
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()

        def look(*_: Any, **__: Any) -> None:
            held.append(at.project.holds.servers)
            raise OSError(5, "killed here")

        monkeypatch.setattr("reconciler.engine.rewrite.write_whole", look)
        with pytest.raises(ChangeRefused):
            await put(at, "t", trap(tmp_path))
        assert held == [{"t"}]


async def test_without_its_records_an_engine_takes_up_nothing_new_by_itself(tmp_path: Path) -> None:
    servers = {"a": light("a"), "off": {**trap(tmp_path, "ran-off"), "enabled": False}}
    async with desk(tmp_path, servers) as at:
        await at.apply()
        await put(at, "t", trap(tmp_path))
        records = at.project.state.records
    records.write_bytes(b"no database" * 1000)
    async with again(tmp_path, "all") as at:
        assert (ran(at), waiting(at)) == ([], {"t": ("launch",)})
        assert [pending.by for pending in at.project.waiting.all] == ["unknown"]
        await put(at, "off", {"enabled": True}, OPERATOR)
        assert (ran(at), sorted(waiting(at))) == ([], ["off", "t"])
        await yes(at, "t", "off")
        assert ran(at) == ["ran", "ran-off"]
        at.write({"a": light("a", "--mark", "by hand")})
        await everything_says_yes(at)
        assert at.project.ledger.document.servers["a"] == light("a", "--mark", "by hand")


async def test_where_nothing_was_applied_yet_an_editors_first_rule_waits_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await write(at, {"defaults": {"requireApproval": False}})
        assert sorted(waiting(at)) == ["@project"]
        await everything_says_yes(at)
        assert at.project.ledger.document.settings == {}


async def test_who_only_reads_or_calls_writes_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        roles: tuple[Role, ...] = ("viewer", "client")
        for role in roles:
            with pytest.raises(ChangeRefused) as refused:
                await put(at, "a", {"description": "d"}, Principal("x", role))
            assert (refused.value.code, "may not change" in str(refused.value)) == ("not-allowed", True)


async def test_more_than_can_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        monkeypatch.setattr("reconciler.store.hold_rows.MOST", 1)
        await put(at, "t", trap(tmp_path))
        text = at.file.read_bytes()
        with pytest.raises(ChangeRefused) as refused:
            await put(at, "u", trap(tmp_path, "ran2"))
        assert (refused.value.code, at.file.read_bytes()) == ("too-many-held", text)
        assert at.project.holds.servers == {"t"}
