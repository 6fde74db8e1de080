"""Projects and servers over our own API."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.desk import light
from tests.faces.cli.hosted import hosted
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("LIVE-1:status")]


async def test_the_projects_are_named_with_where_they_are_reached(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        answer = await engine.ask("GET", "/api/v1/projects", "viewer")
        assert answer.json == {
            "projects": [
                {"name": "desk", "path": "/p/desk", "root": True},
                {"name": "other", "path": "/p/other", "root": False},
            ]
        }
        below = await engine.ask("GET", f"{answer.json['projects'][0]['path']}/api/v1/hello", "viewer")
        assert below.json["projects"] == ["desk", "other"]


async def test_a_server_is_what_the_status_says_of_it(tmp_path: Path) -> None:
    servers = {"one": light("one"), "off": light("off", enabled=False)}
    async with hosted(tmp_path, servers) as engine:
        assert (await engine.ask("GET", "/api/v1/servers", "viewer")).json == {"servers": []}
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        listed = (await engine.ask("GET", "/api/v1/servers", "viewer")).json["servers"]
        status = (await engine.ask("GET", "/api/v1/status", "viewer")).json["servers"]
        assert (listed, [row["id"] for row in listed]) == (status, ["off", "one"])
        for row in listed:
            assert (await engine.ask("GET", f"/api/v1/servers/{row['id']}", "viewer")).json == row
        missing = await engine.ask("GET", "/api/v1/servers/two", "viewer")
        assert (missing.status, missing.json["error"]["code"]) == (404, "unknown-server")


async def test_a_server_that_waits_for_its_first_yes_is_there_too(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": []})
        row = (await engine.ask("GET", "/api/v1/servers/one", "viewer")).json
        assert (row["status"], row["reason"]) == ("disconnected", "waits for a yes")


async def test_a_session_that_cannot_be_replaced_is_said_to_fail_and_why(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"gone": {"command": "/nowhere/at/all"}}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 5})
        answer = await engine.ask("POST", "/api/v1/servers/gone/restart", "operator", {})
        assert (answer.status, answer.json["error"]["code"]) == (502, "command-not-found")
        logs = (await engine.ask("GET", "/api/v1/servers/gone/logs?lines=0", "viewer")).json
        assert logs["lines"] == []
