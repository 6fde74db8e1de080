"""Following a file: saves become true, and what may not be believed changes nothing."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import anyio
import pytest

from reconciler.engine.change import Applied, Held, approve
from reconciler.engine.door import change
from reconciler.gate.principal import Principal
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ME = Principal("me", "operator")


async def followed(at: Desk, auto_approve: str = "start") -> None:
    follower = at.host.follow(at.project, auto_approve)  # type: ignore[arg-type]
    with anyio.fail_after(10):
        await follower.settled.wait()


@requirement("APPLY-1:watch")
async def test_a_save_is_live_and_a_new_command_waits_while_the_rest_of_the_save_is_live(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        await at.until(lambda: at.row("a")["status"] == "connected")
        at.write({"a": light("a", name="Anna"), "new": light("new")})
        await at.until(lambda: at.row("a")["name"] == "Anna" and bool(at.status()["pending"]))
        (pending,) = at.status()["pending"]
        assert (pending["server"], pending["marks"]) == ("new", ["launch"])
        done = await approve(at.project, at.project.waiting.chosen(pending["id"], ["new"]), "me", lambda _: None)
        assert isinstance(done, Applied)
        assert at.row("new")["status"] == "connected"
        at.write({"a": light("a", name="Anna")})
        await at.until(lambda: "new" not in at.rows())
        at.write({"a": light("a", name="Anna"), "new": light("new")})
        await at.until(lambda: at.rows().get("new", {}).get("status") == "connected")


@requirement("APPLY-3:broken-edit")
async def test_broken_half_written_and_empty_saves_touch_no_session(tmp_path: Path) -> None:
    servers = {f"s{n}": light(f"s{n}") for n in range(3)}
    async with desk(tmp_path, servers) as at:
        await followed(at)
        await at.until(lambda: {row["status"] for row in at.rows().values()} == {"connected"})
        pids = {row["pid"] for row in at.rows().values()}
        text = at.file.read_text(encoding="utf-8")
        damaged = [
            text[: len(text) // 2],
            "",
            "mcpServers: [",
            text.replace("command", "comand"),
            "<<<<<<< a\n>>>>>>> b\n",
        ]
        for broken in damaged:
            at.file.write_text(broken, encoding="utf-8")
            await at.until(lambda: at.project.followed.held is not None)
            at.file.write_text(text, encoding="utf-8")
            await at.until(lambda: at.project.followed.held is None)
        assert {row["pid"] for row in at.rows().values()} == pids


@requirement("APPLY-3:broken-edit")
async def test_a_missing_file_is_never_a_deletion(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        await at.until(lambda: at.row("a")["status"] == "connected")
        pid = at.row("a")["pid"]
        text = at.file.read_text(encoding="utf-8")
        at.file.unlink()
        await at.until(lambda: "not there" in (at.project.followed.held or ""))
        at.file.write_text(text, encoding="utf-8")
        await at.until(lambda: at.project.followed.held is None)
        assert at.row("a")["pid"] == pid


@requirement("APPLY-1:watch")
async def test_a_new_value_in_the_env_file_reconnects_only_the_servers_that_use_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COLOUR=red-and-long\n", encoding="utf-8")
    servers = {"a": light("a", env={"COLOUR": "${env:COLOUR}"}), "b": light("b")}
    async with desk(tmp_path, servers, envFile=".env") as at:
        await followed(at)
        await at.until(lambda: {row["status"] for row in at.rows().values()} == {"connected"})
        before = at.rows()
        (tmp_path / ".env").write_text("COLOUR=blue-and-long\n", encoding="utf-8")
        await at.until(lambda: at.row("a")["instance"] not in (None, before["a"]["instance"]))
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert at.row("b")["instance"] == before["b"]["instance"]
        assert "blue-and-long" not in str(await at.project.records.events(0, 100, None))


@requirement("APPLY-3:broken-edit")
async def test_an_overlay_that_is_gone_for_a_moment_deletes_nothing(tmp_path: Path) -> None:
    overlay = tmp_path / "reconciler.local.yaml"
    overlay.write_text(json.dumps({"mcpServers": {"mine": light("mine")}}), encoding="utf-8")
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        await at.until(lambda: {row["status"] for row in at.rows().values()} == {"connected"})
        instance = at.row("mine")["instance"]
        text = overlay.read_text(encoding="utf-8")
        overlay.unlink()
        back = asyncio.get_running_loop().time() + 0.3  # an editor that swaps a file takes so long at most
        await at.until(lambda: asyncio.get_running_loop().time() > back)
        overlay.write_text(text, encoding="utf-8")
        at.write({"a": light("a", description="a later save")})
        await at.until(lambda: at.project.ledger.document.servers["a"].get("description") == "a later save")
        assert at.row("mine")["instance"] == instance


@requirement("APPLY-3:broken-edit")
async def test_half_a_file_that_is_valid_is_held_and_no_yes_makes_it_true(tmp_path: Path) -> None:
    blocks = [f"  {n}:\n    command: {sys.executable}\n    args: {json.dumps(light(n)['args'])}\n" for n in "abc"]
    (tmp_path / "reconciler.yaml").write_text("version: 1\nmcpServers:\n" + "".join(blocks[:2]), encoding="utf-8")
    async with desk(tmp_path) as at:
        await followed(at)
        await at.until(lambda: [row["status"] for row in at.rows().values()] == ["connected", "connected"])
        at.file.write_text("version: 1\nmcpServers:\n" + "".join(blocks), encoding="utf-8")
        await at.until(lambda: bool(at.status()["pending"]))
        at.file.write_text("version: 1\nmcpServers:\n" + blocks[0], encoding="utf-8")
        await at.until(lambda: at.project.followed.held is not None)
        waits = at.status()["pending"][0]
        answer = await approve(at.project, at.project.waiting.chosen(waits["id"], []), "me", lambda _: None)
        assert isinstance(answer, Held)
        assert {"a", "b"} <= at.rows().keys()
        assert at.row("b")["status"] == "connected"


@requirement("APPLY-3:broken-edit")
async def test_what_we_wrote_is_believed_although_it_looks_like_half_of_what_was_there(tmp_path: Path) -> None:
    async with desk(tmp_path, {}) as at:
        at.file.write_text(
            "version: 1\nproject: desk\nmcpServers:\n  a: {type: uplink}\n  b: {type: uplink}\n", "utf-8"
        )
        await followed(at)
        whole = at.file.read_bytes()
        await change(at.project, {"mcpServers": {"b": None}}, if_match=None, principal=ME)
        assert whole.startswith(at.file.read_bytes()), "the very picture of an unfinished save"
        with anyio.move_on_after(1.5):
            await at.until(lambda: at.project.followed.held is not None)
        assert at.project.followed.held is None
        at.file.write_bytes(at.file.read_bytes()[:-8])
        await at.until(lambda: at.project.followed.held is not None)
