"""A server of which only one can run, with real processes: the way out is said and taken, the old one comes back."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.rivals import ONE_AT_A_TIME
from tests.engine.desk import LIGHT, desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("APPLY-2:recreate")]
OWNER = LIGHT.with_name("owner.py")


def owner(folder: Path, version: str, **fields: Any) -> dict[str, Any]:
    words = ["-E", "-S", "-u", str(OWNER), str(folder / "lock"), "--version", version]
    return {"command": sys.executable, "args": words, "requireApproval": False, **fields}


async def test_the_way_out_is_said_and_taken_and_what_fails_then_stops_nothing_for_long(tmp_path: Path) -> None:
    async with desk(tmp_path, {"s": owner(tmp_path, "1")}) as at:
        await at.apply()
        at.write({"s": owner(tmp_path, "2")})
        (failed,) = [outcome for outcome in (await at.apply()).outcomes if outcome.server == "s"]
        words = f"It exited with status 1; its last words: Error: the database is locked; {ONE_AT_A_TIME}"
        assert (failed.status, failed.error) == ("failed", words)
        assert at.row("s")["reason"] == f"the new version failed, the old one serves: {words}"
        assert json.loads(await at.call("s", "info"))["version"] == "1"
        at.write({"s": owner(tmp_path, "2", strategy="recreate")})
        assert (await at.apply()).exit == 0
        assert json.loads(await at.call("s", "info"))["version"] == "2"
        broken = {**owner(tmp_path, "3", strategy="recreate"), "args": ["-c", "raise SystemExit(3)"]}
        at.write({"s": broken})
        applying = asyncio.create_task(at.apply())
        await at.until(lambda: at.project.serving("s") is None)
        assert json.loads(await at.call("s", "info"))["version"] == "2", "a call waits for what comes back"
        assert (await applying).exit != 0
        assert at.row("s")["reason"].endswith("; a change or `reconciler restart s` has it tried again")
        assert at.row("s")["nextRetryAt"] is None
        serves = at.row("s")["pid"]
        at.host.follow(at.project, "all")
        at.write({"s": broken, "other": light("other")})
        await at.until(lambda: "other" in at.rows() and at.row("other")["status"] == "connected")
        assert at.row("s")["pid"] == serves, "what is saved of another server stops nothing"
