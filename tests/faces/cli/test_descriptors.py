"""An engine that was given few descriptors takes as many as it may have."""

from __future__ import annotations

import pytest

from tests.faces.cli.desk import COMMAND, Desk, light
from tests.requirements import requirement

FEW = 48
"""Enough for an engine, too few for one with SERVERS; a session takes four."""
SERVERS = 12


@requirement("LIVE-2:descriptors")
@pytest.mark.needs("prlimit")
def test_servers_come_although_the_soft_limit_of_descriptors_is_too_low_for_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faces.cli.desk.COMMAND", ["prlimit", f"--nofile={FEW}:", *COMMAND])
    with desk.applied({f"s{number}": light(f"s{number}") for number in range(SERVERS)}) as done:
        assert done.exit == 0, done.err
        rows = desk.run("status", "-o", "json").json["servers"]
        assert [row["status"] for row in rows] == ["connected"] * SERVERS
