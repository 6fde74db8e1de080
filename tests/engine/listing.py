"""Servers that list what a file says, and how a test changes that while they live."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from reconciler.engine.pinning import Accepted, accept
from reconciler.sessions.listing import Listing
from tests.engine.desk import Desk

KINDS = ("prompts", "resourceTemplates", "resources")
LISTED = Path(__file__).parent.parent / "rig" / "listed.py"


def listed(folder: Path, name: str, *options: str, **fields: Any) -> dict[str, Any]:
    """A written server that lists what `lay` says under this name."""
    (folder / name).mkdir(exist_ok=True)
    return {"command": sys.executable, "args": ["-E", "-S", "-u", str(LISTED), str(folder / name), *options], **fields}


def lay(folder: Path, name: str, **lists: Any) -> None:
    """What the server lists from its next list on."""
    (folder / name).mkdir(exist_ok=True)
    saved = folder / name / "lists.new"
    saved.write_text(json.dumps(lists), encoding="utf-8")
    saved.replace(folder / name / "lists.json")


async def show(at: Desk, name: str, **lists: Any) -> None:
    """The live server lists something else, says so, and has been listed again."""
    lay(at.folder, name, **lists)
    live = at.project.hub.slot(name).live
    assert live is not None
    assert live.session is not None
    os.kill(live.session.pid or 0, signal.SIGUSR1)
    await at.until(lambda: _is_listed(live.listing, lists))


def _is_listed(listing: Listing, lists: Mapping[str, Any]) -> bool:
    """Whether all of it was listed; malformed tools are withheld by name."""
    tools, others = lists.get("tools", []), (listing.prompts, listing.resource_templates, listing.resources)
    return (
        len(listing.tools) + len(listing.withheld) == len(tools)
        and all(tool in tools for tool in listing.tools)
        and [[*entries] for entries in others] == [lists.get(kind, []) for kind in KINDS]
    )


def reached(folder: Path, name: str) -> list[str]:
    """Every request that reached the server, but handshakes, lists and pings."""
    file = folder / name / "reached"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


async def pin(at: Desk, only: str | None = None) -> Accepted:
    """`reconciler lock`, or with --update."""
    with anyio.fail_after(20):
        return await accept(at.project, only, wait=10)
