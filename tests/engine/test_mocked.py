"""A mock in an engine stands in for its server, also towards the lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.engine import locked
from reconciler.engine.pinning import stand
from tests.engine.desk import Desk, desk
from tests.engine.listing import lay, listed, pin
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("CFG-3:mock")]
WEATHER: dict[str, Any] = {
    "name": "weather",
    "inputSchema": {"type": "object"},
    "outputSchema": {"type": "object", "properties": {"celsius": {"type": "integer", "minimum": -10}}},
}
PROMPT = {"name": "brief", "description": "Sums up."}
NEW = {"name": "rain", "inputSchema": {"type": "object"}}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock file is looked at as often as a test needs it."""
    monkeypatch.setattr(locked, "TICK", 0.02)


def offered(at: Desk) -> list[str]:
    offer = at.project.offers.of("s")
    assert offer is not None
    return [tool["name"] for tool in offer.listing.tools]


def pinned_condition(at: Desk) -> str:
    return str(next(each["reason"] for each in at.row("s")["conditions"] if each["type"] == "ToolsPinned"))


@requirement("GATE-3:enforced")
async def test_it_shows_what_is_pinned_of_its_server_and_counts_as_that(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[WEATHER], prompts=[PROMPT])
    real = listed(tmp_path, "s", requireApproval=False)
    async with desk(tmp_path, {"s": real}, lock="enforce") as at:
        await at.apply()
        await pin(at)
        at.write({"s": {**real, "mock": {"enabled": True, "scenario": "A dry summer."}}}, lock="enforce")
        await at.apply()
        assert (at.row("s")["status"], at.row("s")["transport"]) == ("connected", "mock")
        assert (offered(at), pinned_condition(at)) == (["weather"], "AsPinned")
        assert await at.call("s", "weather") == '{"celsius": -10}'
        assert stand(at.project, "s").why == "a mock shows what is pinned of it"
        at.write({"s": real}, lock="enforce")
        await at.apply()
        assert (offered(at), pinned_condition(at)) == (["weather"], "AsPinned")


async def test_it_follows_the_lock(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[WEATHER])
    real = listed(tmp_path, "s")
    async with desk(tmp_path, {"s": real}) as at:
        await at.apply()
        await pin(at)
        before = at.project.sources.lock.read_bytes()
        lay(tmp_path, "s", tools=[WEATHER, NEW])
        at.project.retry("s")
        await at.project.settled("s")
        await pin(at)
        both = at.project.sources.lock.read_bytes()
        at.write({"s": {**real, "mock": {}}})
        await at.apply()
        assert offered(at) == ["weather", "rain"] or offered(at) == ["rain", "weather"]
        for text, names in ((before, ["weather"]), (both, ["rain", "weather"])):
            at.project.sources.lock.write_bytes(text)
            with anyio.fail_after(10):
                await at.until(lambda names=names: sorted(offered(at)) == names)  # type: ignore[misc]


async def test_a_mock_that_nobody_knows_is_connected_and_shows_nothing(tmp_path: Path) -> None:
    mock = {"url": "https://mcp.example.com/mcp", "mock": {"enabled": True, "scenario": "Nothing yet."}}
    async with desk(tmp_path, {"s": mock}) as at:
        await at.apply()
        assert (at.row("s")["status"], at.row("s")["toolCount"], at.row("s")["health"]) == ("connected", 0, "Healthy")
        assert (await at.plan()).empty


@requirement("GATE-3:enforced")
async def test_tools_of_its_own_are_held_against_the_lock(tmp_path: Path) -> None:
    lay(tmp_path, "s", tools=[WEATHER])
    real = listed(tmp_path, "s")
    async with desk(tmp_path, {"s": real}, lock="enforce") as at:
        await at.apply()
        await pin(at)
        at.write({"s": {**real, "mock": {"tools": [WEATHER, NEW]}}}, lock="enforce")
        await at.apply()
        assert (offered(at), pinned_condition(at)) == (["weather"], "Drift")
