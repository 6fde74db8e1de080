"""Waiting until what was taken up is as it will be for now: connected, failed at least once, or held for a yes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.client import Answer, Client
from reconciler.store.state_dir import StateBusy, StateDir

_LOOK_AGAIN = 0.1
STOP_SECONDS = 60.0


def wait_until_settled(client: Client, seconds: float, told: Callable[[Answer], None] = lambda _: None) -> Answer:
    """The status document once every server settled, or as it is after `seconds`. `told` sees each one before it."""
    deadline = time.monotonic() + seconds
    while True:
        report = client.status()
        if not unsettled(report) or time.monotonic() > deadline:
            return report
        told(report)
        time.sleep(_LOOK_AGAIN)


def unsettled(report: Mapping[str, Any]) -> list[str]:
    """The servers that are on their way."""
    held = {pending["server"] for pending in report["pending"]}
    return [
        row["id"]
        for row in report["servers"]
        if row["enabled"]
        and not row.get("paused")
        and row["transport"] != "uplink"
        and row["status"] in ("connecting", "disconnected")
        and not (row["id"] in held and row["status"] == "disconnected")
    ]


def end_engine(client: Client, state: StateDir, seconds: float = STOP_SECONDS) -> bool:
    """Tell the engine to stop. Whether it is gone, with everything it ran, within `seconds`."""
    pid = client.hello()["pid"]
    client.stop()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_free(state) and not _is_alive(pid):
            return True
        time.sleep(_LOOK_AGAIN / 2)
    return False


def _is_free(state: StateDir) -> bool:
    """Whether nobody holds the state's lock."""
    try:
        os.close(state.hold())
    except StateBusy:
        return False
    return True


def _is_alive(pid: int) -> bool:
    """Whether a process still does something: one that has ended may wait to be collected, by us or by its parent."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:  # no /proc here, or it went just now
        return not Path("/proc/self").exists()
    return state[0] != "Z"
