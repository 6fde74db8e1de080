"""A whole engine on real servers: what the issue's acceptance says must be true of plan, apply and sessions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from reconciler.engine.change import Consent, approve
from reconciler.engine.host import Host
from reconciler.engine.saved import Stale, apply_saved
from reconciler.gate.approvals import Decision
from reconciler.gate.gate import Principal
from reconciler.gate.turn import Patience
from reconciler.plan.actions import word
from reconciler.plan.document import to_document
from reconciler.store.sources import Sources
from tests.canary import CANARY as canary
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@requirement("APPLY-1:only-what-changed")
async def test_changing_one_of_fifty_live_servers_replaces_exactly_that_one(tmp_path: Path) -> None:
    servers = {f"s{n}": light(f"s{n}") for n in range(50)}
    async with desk(tmp_path, servers) as at:
        assert (await at.apply()).exit == 0
        before = at.rows()
        assert {row["status"] for row in before.values()} == {"connected"}
        slow = asyncio.create_task(at.call("s1", "sleep", ms=300))
        at.write({**servers, "s0": light("s0", "--mark", "new")})
        applied = await at.apply()
        after = at.rows()
        assert [(o.server, o.action, o.status) for o in applied.outcomes] == [("s0", "reconnect", "applied")]
        assert {s for s in servers if before[s]["instance"] != after[s]["instance"]} == {"s0"}
        assert {s for s in servers if before[s]["pid"] != after[s]["pid"]} == {"s0"}
        with anyio.fail_after(5):
            assert await slow == "slept"


@requirement("APPLY-2:make-before-break")
async def test_no_call_fails_while_the_same_server_is_edited(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", "--mark", "0")}) as at:
        await at.apply()
        answers: list[str] = []
        done = asyncio.Event()

        async def call_on() -> None:
            while not done.is_set():
                answers.append(await at.call("a", "info"))

        caller = asyncio.create_task(call_on())
        for mark in range(1, 6):
            at.write({"a": light("a", "--mark", str(mark))})
            assert (await at.apply()).exit == 0
        done.set()
        await caller
        assert len(answers) > 5
        assert '"5"' in await at.call("a", "info")


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_new_version_that_does_not_start_leaves_the_old_one_serving(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "b": light("b")}) as at:
        await at.apply()
        pid = at.row("a")["pid"]
        at.write(
            {"a": {"command": "/bin/sh", "args": ["-c", "echo no license >&2; exit 3"]}, "b": light("b", "--mark", "1")}
        )
        applied = await at.apply()
        assert applied.exit == 5
        assert {o.server: o.status for o in applied.outcomes} == {"a": "failed", "b": "applied"}
        row = at.row("a")
        assert (row["status"], row["sync"], row["health"], row["pid"]) == ("connected", "OutOfSync", "Degraded", pid)
        assert "no license" in row["reason"]
        assert await at.call("a", "echo", text="still here") == "still here"


@requirement("APPLY-2:failed-change-keeps-old")
async def test_a_dead_server_comes_back_as_it_was_ready_last_while_the_new_version_fails(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", "--mark", "good")}) as at:
        await at.apply()
        at.write({"a": {"command": "/bin/sh", "args": ["-c", "exit 3"]}})
        assert (await at.apply()).exit == 5
        os.kill(at.row("a")["pid"], signal.SIGKILL)
        await at.until(lambda: at.row("a")["restarts"] == 1 and at.row("a")["status"] == "connected")
        assert '"good"' in await at.call("a", "info")
        assert at.row("a")["sync"] == "OutOfSync"


@requirement("PLAN-3:deletion-guard")
async def test_deleting_four_of_nine_servers_is_blocked_until_it_is_allowed(tmp_path: Path) -> None:
    servers = {f"s{n}": light(f"s{n}") for n in range(9)}
    async with desk(tmp_path, servers) as at:
        await at.apply()
        at.write({f"s{n}": light(f"s{n}") for n in range(5)})
        blocked = await at.apply()
        assert blocked.exit == 6
        assert "--allow mass-delete" in blocked.plan.blocked[0].way_out
        assert {row["status"] for row in at.rows().values()} == {"connected"}
        assert len(at.rows()) == 9
        assert (await at.apply(allow=["mass-delete"])).exit == 0
        assert sorted(at.rows()) == [f"s{n}" for n in range(5)]


async def test_nothing_to_do_is_the_empty_plan_after_rewrites_of_the_file(tmp_path: Path) -> None:
    servers = {"a": light("a", group="g", env={"X": "1"}), "b": light("b")}
    async with desk(tmp_path, servers) as at:
        await at.apply()
        text = at.file.read_text(encoding="utf-8")
        assert (await at.plan()).empty
        at.file.write_text("# a comment\n" + text, encoding="utf-8")
        assert (await at.plan()).empty
        at.write({"b": light("b"), "a": dict(reversed(light("a", group="g", env={"X": "1"}).items()))})
        assert (await at.plan()).empty
        at.file.touch()
        at.file.chmod(0o600)
        assert (await at.plan()).empty


async def test_the_actions_of_a_life_create_update_disable_enable_regroup_delete(tmp_path: Path) -> None:
    async with desk(tmp_path, {}) as at:
        await at.apply()
        steps = [
            ({"a": light("a")}, "create"),
            ({"a": light("a", description="now with words")}, "update"),
            ({"a": light("a", description="now with words", group="dev")}, "regroup"),
            ({"a": light("a", description="now with words", group="dev", enabled=False)}, "disable"),
            ({"a": light("a", description="now with words", group="dev")}, "enable"),
            ({}, "delete"),
        ]
        for servers, action in steps:
            at.write(servers)
            applied = await at.apply()
            assert [(word(a), o.status) for a, o in zip(applied.plan.actions, applied.outcomes, strict=True)] == [
                (action, "applied")
            ]
            assert (await at.plan()).empty
        assert at.rows() == {}


async def test_an_update_of_words_or_policy_leaves_the_session_alone(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        pid = at.row("a")["pid"]
        at.write({"a": light("a", name="Anna", requireApproval=False, timeouts={"call": "5s"}, denyTools=["blob"])})
        assert (await at.apply()).exit == 0
        row = at.row("a")
        assert (row["pid"], row["name"], row["requireApproval"]) == (pid, "Anna", False)


@requirement("PLAN-3:saved-plan-stale")
async def test_a_saved_plan_is_applied_once(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        saved = to_document(await at.plan())
        consent = Consent("test", None)
        first = await apply_saved(at.project, saved, consent, lambda _: None)
        assert not isinstance(first, Stale)
        assert at.row("a")["status"] == "connected"
        assert isinstance(await apply_saved(at.project, saved, consent, lambda _: None), Stale)


@requirement("PLAN-3:risk-and-marks")
async def test_what_nobody_said_yes_to_waits_and_the_yes_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        applied = await at.apply(yes=False)
        assert applied.exit == 6
        (pending,) = at.status()["pending"]
        assert (pending["server"], pending["action"], pending["marks"]) == ("a", "create", ["launch"])
        assert at.row("a")["reason"] == "waits for a yes"
        chosen = at.project.waiting.chosen(pending["id"], [])
        done = await approve(at.project, chosen, "test", lambda _: None)
        assert done.exit == 0  # type: ignore[union-attr]
        assert at.status()["pending"] == []
        at.write({})
        await at.apply()
        at.write({"a": light("a")})
        assert (await at.apply(yes=False)).exit == 0, "a launch that had its yes is never asked about again"


async def test_what_was_accepted_lives_again_after_a_restart_of_the_engine(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        created = at.row("a")["createdAt"]
        pid = at.row("a")["pid"]
    assert not alive(pid)
    async with desk(tmp_path) as at:
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert at.row("a")["createdAt"] == created
        assert (await at.plan()).empty


@requirement("LIVE-2:death-noticed", "LIVE-1:status")
async def test_a_killed_server_is_back_and_the_status_counts_it(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        os.kill(at.row("a")["pid"], signal.SIGKILL)
        await at.until(lambda: at.row("a")["restarts"] == 1 and at.row("a")["status"] == "connected")
        (ending,) = await at.project.records.exits("a")
        assert ending["code"] == -9
        assert await at.call("a", "echo", text="back") == "back"


@requirement("OPS-1:events-logs", "LIVE-2:death-noticed")
async def test_how_a_server_ended_that_never_came_up_is_kept(tmp_path: Path) -> None:
    words = "import sys; sys.exit('the key is missing')"
    async with desk(tmp_path, {"a": {"command": sys.executable, "args": ["-c", words]}}) as at:
        await at.apply()
        with anyio.fail_after(10):
            while not (exits := await at.project.records.exits("a")):
                await at.project.news.after(at.project.news.number)
        assert (exits[-1]["code"], exits[-1]["stderr"]) == (1, ["the key is missing"])


@requirement("GATE-2:gate-decides")
async def test_another_principal_waits_for_a_yes_and_the_owner_does_not(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a"), "free": light("free", requireApproval=False)}) as at:
        await at.apply()
        client, gate = Principal("a client", "client"), at.project.gate
        gate.patience = Patience(whole=0)
        parked = await gate.call(client, "a", "echo", {"text": "x"})
        assert (parked["isError"], "reconciler approve call-" in parked["content"][0]["text"]) == (True, True)
        (waits,) = await gate.approvals.listed("waiting")
        await gate.approvals.decide(waits.id, Decision(True, "me"))
        assert (await gate.result(client, waits.id))["content"][0]["text"] == "x"
        result = await gate.call(client, "free", "echo", {"text": "x"})
        assert result["content"][0]["text"] == "x"
        assert await at.call("a", "echo", text="mine") == "mine"


@requirement("API-4:secrets-never-render")
async def test_a_changed_literal_secret_reconnects_and_never_shows(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", env={"TOKEN": canary})}) as at:
        await at.apply()
        at.write({"a": light("a", env={"TOKEN": canary + "2"})})
        applied = await at.apply()
        assert [o.action for o in applied.outcomes] == ["reconnect"]
        assert canary not in str(to_document(applied.plan))
        assert canary not in at.project.state.accepted.read_text(encoding="utf-8")
        assert applied.plan.patch == {"mcpServers": {"a": {"env": {"TOKEN": "***"}}}}


async def test_an_unset_reference_fails_its_server_alone_saying_where_it_was_looked_for(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", env={"T": "${env:NOT_SET_ANYWHERE}"}), "b": light("b")}) as at:
        applied = await at.apply()
        assert {o.server: o.status for o in applied.outcomes if o.server in "ab"} == {"a": "failed", "b": "applied"}
        assert "NOT_SET_ANYWHERE is not set; looked in" in at.row("a")["reason"]
        assert at.row("a")["status"] == "error"


async def test_rolling_back_on_failure_brings_everything_back(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a", "--mark", "1"), "b": light("b")}) as at:
        await at.apply()
        at.write({"a": light("a", "--mark", "2"), "b": {"command": "/bin/false"}})
        applied = await at.apply(on_failure="rollback")
        assert applied.exit == 5
        assert {o.server: o.status for o in applied.outcomes} == {"a": "rolled-back", "b": "failed"}
        await at.until(lambda: {row["sync"] for row in at.rows().values()} == {"Synced"})
        assert '"1"' in await at.call("a", "info")


@requirement("LIVE-1:status")
async def test_the_status_says_what_was_left_out_and_what_was_no_protocol(tmp_path: Path) -> None:
    evil = Path(__file__).parent.parent / "rig" / "evil.py"
    servers = {
        "noisy": {
            "command": sys.executable,
            "args": ["-E", "-S", "-u", str(evil), "garbage", "5"],
            "env": ["NOT_SET_ANYWHERE"],
        },
        "double": {"command": sys.executable, "args": ["-E", "-S", "-u", str(evil), "twins"]},
    }
    async with desk(tmp_path, servers) as at:
        await at.apply()
        remarks = {c["type"]: c["message"] for row in at.rows().values() for c in row["conditions"]}
        assert remarks["EnvironmentComplete"] == "not set and left out: NOT_SET_ANYWHERE"
        assert "no JSON-RPC" in remarks["OutputClean"]
        assert remarks["ToolsComplete"]


@requirement("LIVE-1:status", "LIVE-1:conditions")
async def test_the_status_says_who_sends_too_much_until_a_little_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.sessions.streams.REMEMBERED", 0.3)
    log = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"again"}}\n'
    answer = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[{"type":"text","text":"over"}]}}'

    def flooding() -> list[tuple[str, str, str]]:
        rows = at.rows().items()
        conditions = [(name, each) for name, row in rows for each in row["conditions"]]
        return [(name, c["status"], c["message"]) for name, c in conditions if c["type"] == "MessagesSteady"]

    async with desk(tmp_path, {"loud": light("loud"), "calm": light("calm")}) as at:
        await at.apply()
        assert flooding() == []
        flood = asyncio.create_task(at.call("loud", "raw", text=log * 2500 + answer))
        await at.until(lambda: flooding() != [])
        said = "it sends more than 1000 messages a second that answer no request"
        assert flooding() == [("loud", "False", f"{said}: it is read slowly, so its answers may be late")]
        assert await at.call("calm", "echo", text="x") == "x"
        assert await flood == "over"
        await at.until(lambda: flooding() == [])


@requirement("APPLY-2:failed-change-keeps-old", "LIVE-1:status")
async def test_taking_a_failed_version_back_heals_the_status_and_can_be_done_again(
    tmp_path: Path,
) -> None:
    good, bad = {"a": light("a")}, {"a": {"command": "/bin/false"}}
    async with desk(tmp_path, good) as at:
        await at.apply()
        pid = at.row("a")["pid"]
        for _ in range(2):
            at.write(bad)
            assert (await at.apply()).exit == 5
            at.write(good)
            assert (await at.apply()).exit == 0
            row = at.row("a")
            assert (row["status"], row["sync"], row["health"], row["reason"], row["pid"]) == (
                *("connected", "Synced", "Healthy", None),
                pid,
            )
            assert (await at.plan()).empty


@requirement("LIVE-2:no-orphans")
async def test_a_second_engine_with_a_state_of_its_own_leaves_the_servers_of_the_first_alone(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await at.apply()
        pid = at.row("a")["pid"]
        other = Host()
        await other.add(Sources(at.file, (), tmp_path), tmp_path / "other-state")
        await other.stop()
        assert (at.row("a")["pid"], at.row("a")["restarts"]) == (pid, 0)
        assert alive(pid)


@requirement("PLAN-3:deletion-guard")
async def test_a_yes_to_one_guarded_deletion_is_none_to_the_others_now_or_later(tmp_path: Path) -> None:
    servers = {name: light(name) for name in "abcde"}
    async with desk(tmp_path, servers) as at:
        await at.apply()
        at.write({name: servers[name] for name in "de"})
        await at.apply(yes=False)
        waits = at.status()["pending"]
        assert [(p["server"], p["marks"]) for p in waits] == [(name, ["mass-delete"]) for name in "abc"]
        await approve(at.project, at.project.waiting.chosen(waits[0]["id"], ["a"]), "me", lambda _: None)
        assert sorted(at.rows()) == ["b", "c", "d", "e"]
        at.project.waiting.deny(at.project.waiting.chosen(waits[0]["id"], ["b"]))
        at.write({"d": light("d", description="saved again"), "e": servers["e"]})
        await at.apply(yes=False)
        assert sorted(at.rows()) == ["b", "c", "d", "e"]
        assert [p["server"] for p in at.status()["pending"]] == ["c"]


@requirement("GATE-2:gate-decides")
async def test_what_an_earlier_version_says_of_its_tools_is_not_believed_of_the_next(tmp_path: Path) -> None:
    tool = {"name": "wipe", "inputSchema": {"type": "object"}}
    reads = {**tool, "annotations": {"readOnlyHint": True}}
    server = {"command": "x", "requireApproval": "writes"}
    async with desk(tmp_path, {"a": {**server, "mock": {"tools": [reads]}}}) as at:
        await at.apply()
        await at.until(lambda: not at.project.policy("a").answer("wipe").asks)  # type: ignore[union-attr]
        at.write({"a": {**server, "mock": {"tools": [tool]}}})
        await at.apply()
        assert at.project.policy("a").answer("wipe").asks  # type: ignore[union-attr]


async def test_nothing_more_is_taken_up_once_the_engine_stops(tmp_path: Path) -> None:
    slow = {"command": "/bin/sh", "args": ["-c", "exec sleep 60"], "timeouts": {"start": "30s"}}
    (tmp_path / "reconciler.yaml").write_text(
        json.dumps({"version": 1, "mcpServers": {"slow": slow}}), encoding="utf-8"
    )
    host = Host()
    project = await host.add(Sources(tmp_path / "reconciler.yaml", (), tmp_path), tmp_path / "state")
    at = Desk(tmp_path, host, project)
    applying = asyncio.create_task(at.apply())
    await at.until(lambda: at.rows().get("slow", {}).get("status") == "connecting")
    with anyio.fail_after(10):
        await host.stop()
        assert [o.status for o in (await applying).outcomes if o.server == "slow"] == ["failed"]
