"""Following a file: saves become true, and what may not be believed changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import sys
from pathlib import Path

import anyio
import pytest

from reconciler.engine import follow
from reconciler.engine.change import Applied, Held, approve
from reconciler.engine.door import change
from reconciler.engine.watch import LATEST_LOOK, SETTLE_WRITTEN
from reconciler.gate.principal import Principal
from reconciler.store import files
from tests.engine.desk import Desk, desk, light
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store.mounted import mounted, swap
from tests.store.namespace import run_with_mounts

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
async def test_what_is_written_into_a_file_that_was_just_replaced_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = {"a": light("a"), "b": light("b")}
    begun = json.dumps({"version": 1, "mcpServers": {"a": light("a", description="x" * 500)}})
    async with desk(tmp_path, servers) as at:
        await followed(at, "all")
        await at.until(lambda: {row["status"] for row in at.rows().values()} == {"connected"})
        pid = at.row("b")["pid"]

        def rest() -> None:
            at.write({**servers, "a": light("a", name="whole")})

        async def quiet(texts: follow.Texts) -> float:
            if b"replaced" in texts[at.file]:
                at.file.write_text(begun, encoding="utf-8")
                asyncio.get_running_loop().call_later(SETTLE_WRITTEN / 2, rest)
                return 0
            return LATEST_LOOK  # as a disk says whose clock is another one

        monkeypatch.setattr(follow, "_quiet", quiet)
        at.write({**servers, "a": light("a", name="replaced")})
        await at.until(lambda: at.row("a")["name"] == "whole")
        assert at.row("b")["pid"] == pid


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
async def test_what_somebody_applies_is_believed_although_it_looks_like_half_of_what_was_there(tmp_path: Path) -> None:
    async with desk(tmp_path, {}) as at:
        whole = "mcpServers:\n  a: {type: uplink}\n  b: {type: uplink}\n"
        at.file.write_text(whole, encoding="utf-8")
        await followed(at)
        half = whole.partition("  b:")[0]
        at.file.write_text(half, encoding="utf-8")
        await at.until(lambda: held(at).startswith("reconciler.yaml:2:"))
        await at.apply()
        assert (at.rows().keys(), held(at)) == ({"a"}, "")
        at.file.write_text(f"{half}    # with a word\n", encoding="utf-8")
        at.file.write_text(half, encoding="utf-8")
        at.file.write_text(f"{half[:-2]}, name: Anna}}\n", encoding="utf-8")
        await until_said(at, name="Anna")
        assert held(at) == ""


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


def held(at: Desk) -> str:
    return at.project.followed.held or ""


async def until_said(at: Desk, **fields: str) -> None:
    """Until that is accepted of the server."""
    await at.until(lambda: fields.items() <= at.project.ledger.document.servers["a"].items())


@requirement("APPLY-3:broken-edit")
async def test_what_is_not_believed_is_told_with_its_place_and_what_is_wrong_now(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        whole = at.file.read_text(encoding="utf-8")
        at.write({"a": {"comand": "x"}})
        await at.until(lambda: ': server "a" has no field "comand"' in held(at))
        assert [problem["line"] for problem in at.status()["source"]["problems"]] == [5]
        at.file.write_text("", encoding="utf-8")
        await at.until(lambda: held(at) == "reconciler.yaml:1:1: it is empty")
        at.file.write_text(f"<<<<<<< a\n>>>>>>> b\n{whole}", encoding="utf-8")
        await at.until(lambda: held(at) == "reconciler.yaml:1:1: it has conflict markers")
        assert [problem["code"] for problem in at.status()["source"]["problems"]] == ["merge-conflict"]
        at.file.write_text(whole[:9], encoding="utf-8")
        why = "it ends in line 1 of 1 of what it was, as an unfinished save does"
        await at.until(lambda: held(at) == f"reconciler.yaml:1:10: {why}")


@requirement("APPLY-3:broken-edit")
async def test_a_broken_save_is_told_while_something_is_being_applied(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        async with at.project.applying:
            at.write({"a": {"comand": "x"}})
            await at.until(lambda: "comand" in held(at))


@requirement("APPLY-3:broken-edit")
async def test_a_file_that_cannot_be_read_for_a_moment_is_believed_without_another_save(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))  # no file can be opened
        try:
            os.utime(at.file)
            await at.until(lambda: held(at).endswith("Too many open files"))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        await at.until(lambda: not held(at))


@requirement("APPLY-3:broken-edit")
async def test_a_pipe_or_a_directory_in_place_of_the_file_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SILENCE", 0.05)
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        kept = at.file.rename(tmp_path / "kept")
        os.mkfifo(at.file)
        await at.until(lambda: held(at) == "reconciler.yaml:1:1: it is empty")
        silent = os.open(at.file, os.O_RDWR)
        os.utime(at.file)
        await at.until(lambda: held(at).endswith("it is a pipe, and nothing comes out of it"))
        os.close(silent)
        at.file.unlink()
        at.file.mkdir()
        await at.until(lambda: held(at).endswith("Is a directory"))
        at.file.rmdir()
        kept.rename(at.file)
        await at.until(lambda: not held(at))


@requirement("APPLY-1:watch")
async def test_that_something_waits_is_said_once_and_not_at_every_save(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": light("a")}) as at:
        await followed(at)
        for number in range(3):
            at.write({"a": light("a", name=f"name {number}"), "new": light("new")})
            await until_said(at, name=f"name {number}")
        await at.project.events.flush()
        said = await at.project.records.events(0, 100, "new", "waiting")
        assert [event["count"] for event in said] == [1]


@requirement("APPLY-1:watch", "APPLY-1:identity")
async def test_a_swap_of_a_config_map_goes_live(tmp_path: Path) -> None:
    def saying(words: str) -> str:
        return json.dumps({"mcpServers": {"a": light("a", description=words)}})

    folder = tmp_path / "mounted"
    mounted(folder, saying("one"))
    async with desk(folder, state=tmp_path / "state") as at:
        await followed(at)
        await at.until(lambda: at.row("a")["status"] == "connected")
        instance = at.row("a")["instance"]
        for words in ("two", "three, longer", "four, and longer still"):
            swap(folder, saying(words))
            await until_said(at, description=words)
        assert at.row("a")["instance"] == instance


@requirement("APPLY-1:watch", "APPLY-3:broken-edit")
async def test_a_directory_that_goes_takes_nothing_away_and_once_it_is_back_its_file_goes_live(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    async with desk(folder, {"a": light("a", cwd=str(tmp_path))}, state=tmp_path / "state") as at:
        await followed(at)
        await at.until(lambda: at.row("a")["status"] == "connected")
        instance = at.row("a")["instance"]
        for name in ("Anna", "Berta"):
            shutil.rmtree(folder)
            await at.until(lambda: "not there" in held(at))
            folder.mkdir()
            at.write({"a": light("a", cwd=str(tmp_path), name=name)})
            await until_said(at, name=name)
            assert not held(at)
        assert at.row("a")["instance"] == instance


@requirement("APPLY-3:broken-edit")
async def test_with_a_broken_file_an_engine_begins_with_what_was_accepted(tmp_path: Path) -> None:
    servers = {"a": light("a"), "b": light("b")}
    async with desk(tmp_path, servers) as at:
        await at.apply()
    whole = at.file.read_bytes()
    for broken in (b"mcpServers: [", b"", whole[:40], b"<<<<<<< a\n>>>>>>> b\n" + whole):
        at.file.write_bytes(broken)
        async with desk(tmp_path) as at:
            await followed(at)
            await at.until(lambda: {row["status"] for row in at.rows().values()} == {"connected"})
            assert at.rows().keys() == servers.keys() and ("reconciler.yaml:1:" in held(at)), held(at)


@pytest.mark.needs(MOUNTS)
@requirement("APPLY-1:watch")
def test_of_a_mounted_file_it_is_said_that_no_events_arrive_and_that_the_host_replaced_it(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        import asyncio, json
        from reconciler.engine import watch
        from tests.engine.desk import desk, light

        def saying(name):
            return json.dumps({"version": 1, "mcpServers": {"a": light("a", name=name)}})

        async def main():
            watch.TICK_MS = 100
            on_host, folder = here / "host.yaml", here / "container"
            folder.mkdir()
            on_host.write_text(saying("A"))
            (folder / "reconciler.yaml").touch()
            mount("--bind", on_host, folder / "reconciler.yaml")
            async with desk(folder, state=here / "state") as at:
                await at.host.follow(at.project, "start").settled.wait()
                await at.until(lambda: at.row("a")["status"] == "connected", 40)
                instance = at.row("a")["instance"]
                for name in ("B", "C", "D"):
                    assert at.status()["source"]["remark"] is None
                    on_host.write_text(saying(name))
                    await at.until(lambda: at.row("a")["name"] == name, 40)
                said = at.status()["source"]["remark"]
                assert said.startswith("no events of saves arrive here") and "--poll" in said, said
                (folder / "event").touch()
                await at.until(lambda: at.status()["source"]["remark"] is None, 40)
                (here / "new").write_text(saying("E"))
                (here / "new").rename(on_host)
                await at.until(lambda: at.status()["source"]["remark"], 40)
                assert "mount its directory instead" in at.status()["source"]["remark"]
                assert at.row("a")["instance"] == instance and at.row("a")["name"] == "D"
                await at.project.events.flush()
                said = [event["message"] for event in await at.project.records.events(0, 100, None)]
                assert len([each for each in said if "no events of saves" in each or "host replaced" in each]) == 2
        asyncio.run(main())
        """,
    )
