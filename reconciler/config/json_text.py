"""JSON."""

from __future__ import annotations

from reconciler.config.events import parse_yaml
from reconciler.config.tree import Node
from reconciler.problems import Problem


def parse_json(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """For now."""
    return parse_yaml(text, file)
