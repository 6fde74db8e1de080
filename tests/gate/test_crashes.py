"""Kills between the steps of a call, a few of them (more: `python -m tests.gate.crashes`), and a full disk."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.gate.crashes import campaign
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store.namespace import run_with_mounts


@pytest.mark.anyio
@requirement("GATE-2:at-most-once")
async def test_kills_at_any_moment_run_nothing_twice_and_lose_no_yes(tmp_path: Path) -> None:
    told, ran = await anyio.to_thread.run_sync(campaign, tmp_path, 6, 5)
    assert ran
    assert told.allowed


@pytest.mark.needs(MOUNTS)
@requirement("GATE-2:fails-closed")
def test_on_a_full_disk_nothing_that_asks_runs_and_everything_else_does(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    code = """
    import asyncio
    from tests.gate.desk import CLIENT, NONE, OWNER, desk
    from reconciler.gate.approvals import Decision, NotDecided
    from reconciler.gate.principal import Refused

    async def refused(work):
        try:
            await work
        except (Refused, NotDecided) as error:
            return error.code
        return "not refused"

    async def main():
        mount("-t", "tmpfs", "-o", "size=512k", "none", here / "disk")
        async with desk(here / "disk", patience=NONE) as at:
            call = (await at.gate.call(CLIENT, "asks", "echo", {}))["_meta"]["reconciler/approval"]["id"]
            with (here / "disk" / "filler").open("wb", buffering=0) as filler:
                try:
                    while filler.write(b"x" * 4096):
                        pass
                except OSError:
                    pass
            large = {"text": "x" * 300_000}
            assert await refused(at.gate.call(CLIENT, "asks", "echo", large)) == "not-recorded"
            for _ in range(200):  # what is left in the log's last pages is used up
                if (code := await refused(at.gate.call(OWNER, "asks", "echo", {}))) != "not refused":
                    break
            assert code == "not-recorded", code
            ran = len(at.seen)
            assert await refused(at.approvals.decide(call, Decision(True, "me"))) == "not-recorded"
            await at.gate.call(CLIENT, "open", "echo", {})
            assert len(at.seen) == ran + 1
            (here / "disk" / "filler").unlink()
            await at.approvals.decide(call, Decision(True, "me"))
            await at.gate.result(CLIENT, call)
            assert len(at.seen) == ran + 2

    asyncio.run(main())
    """
    run_with_mounts(tmp_path, code)
