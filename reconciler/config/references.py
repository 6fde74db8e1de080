"""References."""

from __future__ import annotations

from typing import Any

from reconciler.config.findings import Findings


def check_references(sound: dict[str, Any], findings: Findings) -> None:
    """Find every reference that is none, and every secret that is written out."""
