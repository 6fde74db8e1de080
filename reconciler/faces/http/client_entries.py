"""What stands in a client's own file so that it finds the gateway: the address, or the bridge. Values only."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconciler.store.home import user_state

PLACEHOLDER = "<token>"


def endpoint_url(engine: str, project: str, *, root: bool) -> str:
    """Where the gateway of a project is below the URL of its engine; `root` is the project that needs no path."""
    return f"{engine}/mcp" if root else f"{engine}/p/{quote(project, safe='')}/mcp"


def endpoint_entry(url: str, authorization: str = f"Bearer {PLACEHOLDER}") -> dict[str, Any]:
    """For clients that speak HTTP."""
    return {"type": "http", "url": url, "headers": {"Authorization": authorization}}


def bridge_entry(file: Path, base: Path) -> dict[str, Any]:
    """For clients that start programs. It needs no token."""
    return {"command": "reconciler", "args": ["bridge", *whose(file, base)]}


def whose(file: Path, base: Path) -> list[str]:
    """The arguments by which our commands find a project. `base` is where state is kept: said where it is not the usual
    place."""
    elsewhere = [] if base == user_state() else ["--state-dir", str(base)]
    return ["-f", str(file), *elsewhere]
