"""An engine on a disk without room: sessions live on, the trouble is named, and work goes on once there is room."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import host as host_module
from reconciler.engine import ledger as ledger_module
from reconciler.engine import put_off
from reconciler.engine.change import Consent, apply_file
from reconciler.engine.host import Host
from reconciler.model.accepted import Accepted
from reconciler.store.accepted import read_accepted
from reconciler.store.records import Records
from reconciler.store.sources import Sources
from reconciler.store.state_dir import StateDir
from tests.engine.desk import Desk, desk, light
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store.namespace import run_with_mounts
from tests.waiting import becomes_true

pytestmark = requirement("APPLY-1:full-disk")


@pytest.mark.needs(MOUNTS)
def test_sessions_live_on_and_what_was_saved_is_taken_up_once_there_is_room(tmp_path: Path) -> None:
    run_with_mounts(
        tmp_path,
        """
        import asyncio, gc, json, signal
        from contextlib import suppress
        from reconciler.engine import put_off
        from reconciler.engine.host import Host
        from reconciler.store.observed import read_observed
        from reconciler.store.sources import Sources
        from tests.engine.desk import Desk, light

        (here / "state").mkdir()
        mount("-t", "tmpfs", "-o", "size=1m", "none", here / "state")
        full = here / "state" / "full"

        def fill():
            with suppress(OSError), full.open("wb", buffering=0) as file:
                while file.write(b"x" * 512):
                    pass

        def live(at):
            return {name for name, row in at.rows().items() if row["status"] == "connected"}

        async def main():
            odd = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: odd.append(context))
            host = Host()
            file = here / "reconciler.yaml"
            file.write_text(json.dumps({"mcpServers": {"a": light("a"), "b": light("b")}}))
            at = Desk(here, host, await host.add(Sources(file, (), here), here / "state"))
            follower = host.follow(at.project, "all")
            await at.until(lambda: live(at) == {"a", "b"}, 40)
            fill()
            a, b = at.row("a"), at.row("b")
            os.kill(b["pid"], signal.SIGKILL)
            await at.until(lambda: at.row("b")["status"] == "connected" and at.row("b")["pid"] != b["pid"], 40)
            at.write({"a": light("a", "--mark", "2", requireApproval=False), "b": light("b")})
            await at.until(lambda: at.status()["source"]["held"], 40)
            held = at.status()["source"]["held"]
            assert f"{at.project.state.accepted} cannot be written: No space left on device; make room there" in held
            applied = await at.apply()
            assert (applied.exit, applied.serial, applied.refused) == (5, 1, held.partition("it is: ")[2]), applied
            assert at.row("a")["pid"] == a["pid"] and not at.status()["pending"]
            full.unlink()
            await at.until(lambda: at.project.ledger.accepted.serial == 2 and not at.status()["source"]["held"], 40)
            assert await at.call("a", "echo", text="hi") == "hi"
            async with at.project.applying:  # also the end of it is written
                await at.project.events.flush()
            [exit] = await at.project.records.exits("b")
            assert exit["instance"] == b["instance"], exit
            assert [row["serial"] for row in await at.project.records.history()] == [2, 1]
            told = [event["message"] for event in await at.project.records.events(0, 100, None)]
            trouble = f"{at.project.state.records} cannot be written: No space left on device; make room there"
            assert any(trouble in each for each in told), told
            fill()
            notes = await host.stop()
            assert all("No space left on device; make room there" in note for note in notes) and notes, notes
            full.unlink()
            gc.collect()
            assert not odd, odd

            put_off.LOOK_SECONDS = 0.1
            fill()
            second = Host()
            at = Desk(here, second, await second.add(Sources(file, (), here), here / "state"))
            second.announce(at.project.state.socket)
            await at.until(lambda: live(at) == {"a", "b"} and at.project.records.behind, 40)
            assert "connected" in {event["kind"] for event in await at.project.records.events(0, 5, None)}
            full.unlink()  # nothing happens now, and nobody follows the file
            await at.until(lambda: not at.project.records.behind, 40)
            assert await second.stop() == []
            gc.collect()
            assert not odd, odd

        asyncio.run(main())
        """,
    )


def refuse_reports(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk under the last report of this project fails from now on."""
    real = host_module.write_observed

    def write(to: StateDir, report: Mapping[str, Any]) -> None:
        if to == state:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(to.observed))
        real(to, report)

    monkeypatch.setattr(host_module, "write_observed", write)


@pytest.mark.anyio
async def test_a_project_that_cannot_write_keeps_no_other_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, pids = Host(), []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "reconciler.yaml"
        Desk(file.parent, host, None).write({"s": light(name)}, project=name)  # type: ignore[arg-type]
        project = await host.add(Sources(file, (), file.parent), tmp_path / "state")
        await apply_file(project, Consent("test", None), lambda _: None)
        pids.append(Desk(file.parent, host, project).row("s")["pid"])
    refuse_reports(host.projects["one"].state, monkeypatch)
    real = Records.close

    async def breaks(records: Records) -> None:
        await real(records)
        if records is host.projects["two"].records:
            raise RuntimeError("a defect")

    monkeypatch.setattr(Records, "close", breaks)
    with pytest.raises(RuntimeError, match="a defect"):
        await host.stop()
    assert becomes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)
    assert host.projects["three"].state.observed.exists()


@pytest.mark.anyio
async def test_what_the_last_report_was_refused_for_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "reconciler.yaml"
    Desk(tmp_path, Host(), None).write({})  # type: ignore[arg-type]
    host = Host()
    project = await host.add(Sources(file, (), tmp_path), tmp_path / "state")
    refuse_reports(project.state, monkeypatch)
    why = "Input/output error; the disk fails: its machine's log says more"
    assert await host.stop() == [f"{project.state.observed} cannot be written: {why}"]


@pytest.mark.anyio
async def test_that_a_server_got_ready_is_written_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(put_off, "LOOK_SECONDS", 0.05)
    room, real = asyncio.Event(), ledger_module.write_accepted

    def write(state: StateDir, accepted: Accepted) -> None:
        if accepted.ready and not room.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(state.accepted))
        real(state, accepted)

    monkeypatch.setattr(ledger_module, "write_accepted", write)
    async with desk(tmp_path, {"a": light("a")}) as at:
        assert (await at.apply()).exit == 0
        await at.until(lambda: at.project.ledger.refused)
        assert at.project.ledger.accepted.ready == {}
        room.set()
        await at.until(lambda: not at.project.ledger.refused and "a" in at.project.ledger.accepted.ready)
    assert "a" in read_accepted(at.project.state, default_project="x").ready
