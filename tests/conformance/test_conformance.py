"""The official conformance suite judges our sessions and our gateway: every scored scenario, at both revisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.suite import Revision, judge_client, scored
from tests.requirements import requirement

pytestmark = [pytest.mark.needs("npm"), requirement("GATE-1:conformance")]

CLIENT: dict[Revision, int] = {"2025-11-25": 4, "2026-07-28": 7}
"""Scored scenarios for clients that have nothing to do with signing in."""
UNSCORED = "json-schema-2020-12-preservation"


@pytest.mark.parametrize("revision", CLIENT)
def test_our_sessions_pass_every_scored_scenario_for_clients(revision: Revision, tmp_path: Path) -> None:
    scenarios = [name for name in scored(revision, "client") if not name.startswith("auth/")]
    assert len(scenarios) == CLIENT[revision], scenarios
    report = judge_client([*scenarios, UNSCORED], revision, tmp_path)
    assert report.wrong([*scenarios, UNSCORED]) == []
