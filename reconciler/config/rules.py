"""Rules."""

from __future__ import annotations

from typing import Any

from reconciler.config.findings import Findings


def check_rules(sound: dict[str, Any], findings: Findings) -> None:
    """Find every broken rule in a value whose shape is right."""
