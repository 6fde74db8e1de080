"""The last report of an engine: it comes back, and a damaged one is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.store.observed import read_observed, write_observed
from reconciler.store.state_dir import StateDir

READY = {"type": "Ready", "status": "True", "lastTransitionTime": None}
ROW = {"id": "a", "enabled": True, "status": "connected", "health": "Healthy", "sync": "Synced", "conditions": [READY]}
REPORT: dict[str, Any] = {"project": "acme", "serial": 1, "source": {"problems": []}, "pending": [], "servers": [ROW]}


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "acme-1")
    made.ensure()
    return made


def test_the_report_comes_back_whatever_servers_say_of_themselves(state: StateDir) -> None:
    report = REPORT | {"servers": [ROW | {"serverInfo": {"name": "half \ud800, ünï, \0"}}]}
    write_observed(state, report)
    assert read_observed(state) == report
    assert state.observed.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"3", b"\xff"])
def test_a_damaged_report_is_none(state: StateDir, data: bytes) -> None:
    state.observed.write_bytes(data)
    assert read_observed(state) is None


@pytest.mark.parametrize(
    "other",
    [
        *({name: 3} for name in ("project", "source", "pending", "servers")),
        *({"servers": [row]} for row in (3, {}, ROW | {"conditions": None}, ROW | {"conditions": [{"type": "Ready"}]})),
    ],
)
def test_one_of_another_shape_is_none(state: StateDir, other: dict[str, Any]) -> None:
    state.observed.write_text(json.dumps(REPORT | other), encoding="utf-8")
    assert read_observed(state) is None


def test_without_a_report_there_is_none(tmp_path: Path) -> None:
    assert read_observed(StateDir(tmp_path / "missing")) is None
