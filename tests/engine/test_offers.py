"""Who is asked before a tool that says it only reads: what servers say of that, and when it is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.sessions import stale
from tests.definitions import TOOL
from tests.engine.desk import Desk, desk
from tests.engine.listing import lay, listed, show
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("GATE-2:gate-decides")]


def asks(at: Desk, server: str, tool: str) -> bool:
    policy = at.project.policy(server)
    return policy is None or policy.answer(tool).asks


@pytest.mark.parametrize("hint", ["false", 1, [False], {"readOnlyHint": True}])
async def test_only_true_says_that_a_tool_only_reads(hint: Any, tmp_path: Path) -> None:
    reads = {"name": "read", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    wipes = {"name": "wipe", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": hint}}
    lay(tmp_path, "s", tools=[reads, wipes])
    async with desk(tmp_path, {"s": listed(tmp_path, "s", requireApproval="writes")}) as at:
        await at.apply()
        await at.until(lambda: not asks(at, "s", "read"))
        assert asks(at, "s", "wipe")


async def test_a_hint_that_the_server_takes_back_is_not_believed_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "REFRESH_SECONDS", 0.02)
    lay(tmp_path, "s", tools=[TOOL])
    async with desk(tmp_path, {"s": listed(tmp_path, "s", requireApproval="writes")}) as at:
        await at.apply()
        await at.until(lambda: not asks(at, "s", "search"))
        await show(at, "s", tools=[{**TOOL, "annotations": {"readOnlyHint": False}}])
        assert asks(at, "s", "search")
        await show(at, "s", tools=[TOOL])
        assert not asks(at, "s", "search")


def shown(at: Desk, server: str) -> list[str]:
    """The tools that are seen of a server."""
    offer = at.project.offers.of(server)
    return [tool["name"] for tool in offer.listing.tools] if offer else []


@requirement("GATE-1:arrivals")
async def test_what_was_listed_last_is_seen_until_the_next_version_lists_and_never_of_another_server(
    tmp_path: Path,
) -> None:
    lay(tmp_path, "s", tools=[TOOL])
    cannot_start = {"command": "/nowhere/at-all"}
    async with desk(tmp_path, {"s": listed(tmp_path, "s", strategy="recreate")}) as at:
        await at.apply()
        (tmp_path / "s" / "lists.json").unlink()
        at.write({"s": {**cannot_start, "strategy": "recreate"}})
        await at.apply()
        await at.until(lambda: at.project.serving("s") is None)
        assert shown(at, "s") == ["search"] and at.project.offers.handshake("s") is None
        at.write({})
        await at.apply(allow=["s"])
        at.write({"s": cannot_start})
        await at.apply()
        assert shown(at, "s") == []
