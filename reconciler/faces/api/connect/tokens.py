"""`/tokens`: plain tokens of a namespace, for a while."""

from __future__ import annotations

from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """The routes of one layout."""
    return []
