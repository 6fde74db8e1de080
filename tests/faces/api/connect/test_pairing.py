"""A server of somebody's laptop joins through the official command line, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faces.api.connect.laptops import awaited, connected, until
from tests.faces.api.connect.pairing import doorkeeper, pairing
from tests.faces.api.connect.space import space
from tests.faces.api.connect.test_uplink import BOTH, call, echo
from tests.faces.cli.hosted import Hosted
from tests.npm import packages
from tests.requirements import requirement
from tests.rig import sdk_http
from tests.rig.starting import argv

pytestmark = [requirement("API-2:uplink", "API-2:official-clients"), pytest.mark.needs("npm"), pytest.mark.anyio]
CLI = "@smithery/cli@4.11.1"
LIGHT = ("--", *argv("light", "--name", "laptop"))


def served_by(engine: Hosted) -> Any:
    """Which session serves."""
    live = engine.host.projects["desk"].serving("far")
    return live.id if live else None


async def test_it_joins_is_called_every_way_and_leaves_with_ctrl_c(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        engine = desk.engine
        to = (packages(CLI), tmp_path, engine.host.facts.url or "", engine.token("editor"))
        async with pairing(*to, "--id", "far", *LIGHT) as laptop:
            await laptop.says("Pairing uplink ... connected")
            await connected(engine)
            assert desk.servers["far"] == {"type": "uplink", "name": "far"}
            got = (await desk.ask("GET", "/far")).json
            assert (got["transport"], got["serverInfo"]) == ("uplink", {"name": "laptop", "version": "1"})
            listed = (await desk.ask("GET", "/far/.tools")).json["tools"]
            assert {"echo", "ask"} <= {tool["name"] for tool in listed}
            assert await call(desk, "by .tools") == "by .tools"
            for at in ("/connect/desk/far/mcp", "/mcp"):
                assert await echo(desk, at) == at
            message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            raw = await desk.ask("POST", "/far/mcp", message, "client", accept=BOTH)
            assert len(raw.json["result"]["tools"]) == len(listed)
            assert await laptop.interrupt() == 0
        assert desk.servers == {}
        assert (await desk.ask("GET", "/far")).status == 404


async def test_a_restart_and_another_laptop_are_what_it_expects_of_them(tmp_path: Path) -> None:
    async with space(tmp_path, {"far": {"type": "uplink"}}) as desk:
        engine = desk.engine
        to = (packages(CLI), tmp_path, engine.host.facts.url or "", engine.token("editor"))
        async with pairing(*to, "--id", "far", *LIGHT) as first:
            await first.says("Pairing uplink ... connected")
            await connected(engine)
            before = served_by(engine)
            assert (await engine.ask("POST", "/api/v1/servers/far/restart", "operator", {})).status == 200
            await first.says("Pairing uplink ... reconnected (1/5)")
            await until(engine.host.projects["desk"], lambda: served_by(engine) not in (None, before))
            assert await call(desk, "reconnected") == "reconnected"
            async with pairing(*to, "--id", "far", *LIGHT) as late:
                assert await late.ended() == 1
                assert "Failed to pair uplink (409 Conflict)" in late.said
            assert await call(desk, "still the first") == "still the first"
            async with pairing(*to, "--id", "far", "--force", *LIGHT) as second:
                await second.says("Pairing uplink ... connected")
                assert await first.ended() == 1
                assert "Uplink replaced by another session." in first.said
                assert await call(desk, "the second") == "the second"
                assert await second.interrupt() == 0


async def test_an_engine_that_comes_back_behind_the_same_address_has_it_back(tmp_path: Path) -> None:
    """It tries again once, a quarter of a second later: something has to hold the address meanwhile."""
    servers = {"far": {"type": "uplink"}}
    async with doorkeeper() as keeper:
        async with space(tmp_path, servers) as desk:
            keeper.leads_to(desk.engine.address.port)
            token = desk.engine.token("editor")
            laptop = pairing(packages(CLI), tmp_path, keeper.url, token, "--id", "far", *LIGHT)
            opened = await laptop.__aenter__()
            await opened.says("Pairing uplink ... connected")
            await connected(desk.engine)
            keeper.holds()
        try:
            await opened.says("Uplink disconnected. Reconnecting (1/5)")
            async with space(tmp_path, servers) as desk:
                assert (await awaited(desk.engine)).startswith("waits for the server to dial in")
                keeper.leads_to(desk.engine.address.port)
                await opened.says("Pairing uplink ... reconnected (1/5)")
                await connected(desk.engine)
                assert await call(desk, "after the restart") == "after the restart"
        finally:
            await laptop.__aexit__(None, None, None)


async def test_a_server_at_a_loopback_address_joins_as_well(tmp_path: Path) -> None:
    async with sdk_http.serving() as url, space(tmp_path) as desk:
        to = (packages(CLI), tmp_path, desk.engine.host.facts.url or "", desk.engine.token("editor"))
        async with pairing(*to, "--id", "far", url) as laptop:
            await laptop.says("Pairing uplink ... connected")
            await connected(desk.engine)
            called = await desk.ask("POST", "/far/.tools/add", {"a": 2, "b": 3})
            assert called.json["structuredContent"] == {"result": 5}
            assert await laptop.interrupt() == 0
        assert desk.servers == {}
