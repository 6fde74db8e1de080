"""Waiting until what was taken up is as it will be for now: connected, failed at least once, or held for a yes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.client import Answer, Client, NoEngine
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
        and row["transport"] != "uplink"
        and row["status"] in ("connecting", "disconnected")
        and not (row["id"] in held and row["status"] == "disconnected")
    ]


def wait_until_gone(client: Client, state: StateDir, seconds: float = STOP_SECONDS) -> bool:
    """Whether the engine that was told to stop is gone, with everything it ran, within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not _answers(client) and _is_free(state):
            return True
        time.sleep(_LOOK_AGAIN / 2)
    return False


def _answers(client: Client) -> bool:
    try:
        client.hello()
    except NoEngine:
        return False
    return True


def _is_free(state: StateDir) -> bool:
    """Whether nobody holds the state's lock: the kernel frees it with the end of its holder."""
    if not state.path.is_dir():
        return True
    try:
        os.close(state.hold())
    except StateBusy:
        return False
    return True
