"""Rows and groups as values. No engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.faces.page.rows import HEALTH, Group, Health, Row
from tests.requirements import requirement

ROW = Row(
    id="git-hub",
    name="Straße",
    description="Looks at code",
    group="",
    transport="http",
    health="connected",
    why="",
    tools=3,
    approval="always",
    enabled=True,
    group_on=True,
    paused=False,
    waits="",
    file="reconciler.yaml",
    badge="",
)


@requirement("PAGE-1:search")
@pytest.mark.parametrize(
    ("text", "health", "found"),
    [
        ("", "", True),
        ("HUB", "", True),
        ("strasse", "", True),
        ("CODE", "connected", True),
        ("code", "error", False),
        ("http", "", False),
        ("", "no such health", False),
    ],
)
def test_a_row_is_found_by_what_it_is_called_and_its_health(text: str, health: str, found: bool) -> None:
    assert ROW.matches(text, health) is found


@requirement("PAGE-1:list")
def test_a_group_counts_its_healths_with_what_needs_somebody_first() -> None:
    of: list[Health] = ["connected", "error", "connected", "sign-in", "disconnected", "connecting"]
    rows = tuple(replace(ROW, health=health) for health in of)
    group = Group("dev", "dev", "", "", True, "reconciler.yaml", "", rows)
    assert group.healths == (
        ("error", 1),
        ("sign-in", 1),
        ("connecting", 1),
        ("disconnected", 1),
        ("connected", 2),
    )
    assert set(of) == set(HEALTH)
