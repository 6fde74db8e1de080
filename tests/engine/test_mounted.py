"""A project in a directory that a cluster mounts and swaps: it stays the same project, and its servers go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.engine.change import Consent, apply_file
from reconciler.engine.host import Host
from reconciler.store.sources import Sources
from reconciler.store.state_dir import StateBusy
from tests.engine.desk import Desk, light
from tests.requirements import requirement
from tests.store.mounted import mounted, swap

pytestmark = [requirement("APPLY-1:identity"), pytest.mark.anyio]


def saying(words: str) -> str:
    return json.dumps({"mcpServers": {"a": light("a", description=words)}})


async def test_an_engine_is_found_through_swaps_and_the_next_has_what_was_accepted(tmp_path: Path) -> None:
    file, base = mounted(tmp_path / "desk", saying("one")), tmp_path / "state"
    sources = Sources(file, (), file.parent)
    first = Host()
    try:
        project = await first.add(sources, base)
        await apply_file(project, Consent("test", None), lambda _: None)
        at = Desk(file.parent, first, project)
        swap(file.parent, saying("two"))
        with pytest.raises(StateBusy):
            await Host().add(sources, base)
        before = at.row("a")["pid"]
        project.retry("a")  # in a directory that must be there after the swap
        await at.until(lambda: at.row("a")["status"] == "connected" and at.row("a")["pid"] != before)
    finally:
        await first.stop()
    swap(file.parent, saying("three"))
    second = Host()
    try:
        project = await second.add(sources, base)
        assert (project.name, project.ledger.document.servers["a"]["description"]) == ("desk", "one")
    finally:
        await second.stop()
