"""Following a file: saves become true, and what may not be believed changes nothing."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from reconciler.engine.change import Applied, approve
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


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
