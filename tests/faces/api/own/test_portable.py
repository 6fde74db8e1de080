"""Export and import: what is handed out has no secret, what comes in changes nothing that is here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.read import Source, read
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.faces.http.raw import Answer
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("OPS-1:import")]

IMPORT, EXPORT = "/api/v1/import", "/api/v1/export"


def written(folder: Path) -> dict[str, Any]:
    """What the file says, however it is laid out."""
    text = (folder / "desk.reconciler.yaml").read_text(encoding="utf-8")
    reading = read([Source("x.yaml", text)], default_project="desk")
    assert reading.written is not None
    return reading.written


async def bring(engine: Hosted, servers: Any, role: Any = "operator", query: str = "", **more: Any) -> Answer:
    return await engine.ask("POST", f"{IMPORT}{query}", role, {"mcpServers": servers, **more})


@requirement("OPS-1:export")
async def test_an_export_is_the_configuration_with_references_and_stars(tmp_path: Path) -> None:
    servers = {
        "one": light("one", env={"A": "${env:HOME}", "TOKEN": CANARY}, description="ünï: # x"),
        "far": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${env:X}"}, "enabled": False},
    }
    async with hosted(tmp_path, servers) as engine:
        whole = await engine.ask("GET", EXPORT, "viewer")
        assert whole.headers["vary"] == "accept"
        expected = {"version": 1, "project": "desk", "mcpServers": servers}
        expected["mcpServers"]["one"]["env"]["TOKEN"] = "***"
        assert whole.json == expected
        for accept in ("application/yaml", "text/html, Application/YAML;q=0.9"):
            yaml = await engine.ask("GET", EXPORT, "viewer", None, accept=accept)
            assert yaml.headers["content-type"] == "application/yaml"
            reading = read([Source("x.yaml", yaml.body.decode())], default_project="x")
            assert (reading.written, reading.problems) == (expected, ())
        (tmp_path / "desk.reconciler.yaml").write_text("mcpServers: [", encoding="utf-8")
        broken = await engine.ask("GET", EXPORT, "viewer")
        assert (broken.status, broken.json["problems"][0]["code"]) == (422, "yaml-syntax")


async def test_what_is_imported_stands_in_the_file_and_lives(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        came = await bring(engine, {"two": light("two")})
        assert came.status == 200, came.body
        assert {name: came.json[name] for name in ("dryRun", "added", "renamed", "unchanged", "ignored", "plan")} == {
            "dryRun": False,
            "added": ["two"],
            "renamed": [],
            "unchanged": [],
            "ignored": [],
            "plan": None,
        }
        assert [result["server"] for result in came.json["applied"]["results"]] == ["two"]
        assert written(tmp_path)["mcpServers"].keys() == {"one", "two"}
        settled = await engine.ask("POST", "/api/v1/servers/two/restart", "operator", {})
        assert settled.json["status"] == "connected"


async def test_a_server_whose_id_is_taken_comes_beside_the_one_that_is_here(tmp_path: Path) -> None:
    here = light("one", name="First")
    async with hosted(tmp_path, {"one": here}) as engine:
        other = light("other", enabled=False)
        came = (await bring(engine, {"one": other})).json
        assert came["renamed"] == [{"id": "one", "into": "one-v2", "name": "one (v2)"}]
        assert written(tmp_path)["mcpServers"] == {"one": here, "one-v2": {**other, "name": "one (v2)"}}
        again = (await bring(engine, {"one": other})).json
        assert (again["unchanged"], again["applied"], again["renamed"]) == (["one-v2"], None, [])


async def test_a_dry_run_says_what_would_come_of_it_and_does_nothing(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one")}) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all"})
        before = (tmp_path / "desk.reconciler.yaml").read_bytes()
        servers = {"one": light("one"), "two": light("two"), "ONE": light("else")}
        came = (await bring(engine, servers, query="?dryRun=true", defaults={}, inputs=[])).json
        assert (came["dryRun"], came["added"], came["unchanged"]) == (True, ["two"], ["one"])
        assert [each["into"] for each in came["renamed"]] == ["ONE-v2"]
        assert came["ignored"] == ["defaults", "inputs"]
        assert {(action["id"], action["action"]) for action in came["plan"]["actions"]} == {
            ("two", "create"),
            ("ONE-v2", "create"),
        }
        assert (came["applied"], came["pending"]) == (None, [])
        assert (tmp_path / "desk.reconciler.yaml").read_bytes() == before
        assert (await engine.ask("GET", "/api/v1/servers/two", "viewer")).status == 404


@requirement("API-4:secrets-never-render")
async def test_a_secret_that_comes_in_goes_to_the_vault(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        came = await bring(engine, {"one": light("one", env={"TOKEN": CANARY})})
        assert came.status == 200
        kept = written(tmp_path)["mcpServers"]["one"]["env"]["TOKEN"]
        assert kept.startswith("${secret:")
        exported = await engine.ask("GET", EXPORT, "viewer")
        assert exported.json["mcpServers"]["one"]["env"]["TOKEN"] == kept
        again = (await bring(engine, exported.json["mcpServers"])).json
        assert again["unchanged"] == ["one"]


async def test_what_an_editor_brings_waits_and_does_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    trap = {"command": "/bin/sh", "args": ["-c", f": > '{ran}'"]}
    async with hosted(tmp_path) as engine:
        came = await bring(engine, {"trap": trap}, "editor")
        assert came.status == 200, came.body
        assert [(each["server"], each["by"]) for each in came.json["pending"]] == [("trap", "editor-token")]
        (row,) = (await engine.ask("GET", "/api/v1/servers", "viewer")).json["servers"]
        assert (row["id"], row["status"], row["reason"]) == ("trap", "disconnected", "waits for a yes")
        body = {"plan": came.json["pending"][0]["id"], "servers": ["trap"]}
        assert (await engine.ask("POST", "/api/v1/deny", "operator", body)).status == 200
    assert not ran.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "nothing-to-bring"),
        ({"mcpServers": {}, "servers": {}}, 400, "nothing-to-bring"),
        ({"mcpServers": []}, 400, "bad-body"),
        ({"mcpServers": {"a": None}}, 400, "bad-body"),
        ({"servers": {"a": "x"}}, 400, "bad-body"),
        ({"mcpServers": {"a b": {"command": "x"}}}, 422, "invalid"),
        ({"mcpServers": {"a": {"command": "x", "enabeld": True}}}, 422, "invalid"),
        ({"mcpServers": {"a": {"url": "https://a", "headers": {"X": "***"}}}}, 422, "invalid"),
    ],
)
async def test_what_cannot_come_leaves_the_file_as_it_is(tmp_path: Path, body: Any, status: int, code: str) -> None:
    async with hosted(tmp_path) as engine:
        before = (tmp_path / "desk.reconciler.yaml").read_bytes()
        for query in ("", "?dryRun=true"):
            answer = await engine.ask("POST", f"{IMPORT}{query}", "operator", body)
            assert (answer.status, answer.json["error"]["code"]) == (status, code), answer.body
        assert (tmp_path / "desk.reconciler.yaml").read_bytes() == before


async def test_a_broken_file_takes_nothing_in(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        (tmp_path / "desk.reconciler.yaml").write_text("mcpServers: [", encoding="utf-8")
        answer = await bring(engine, {"one": light("one")})
        assert (answer.status, answer.json["error"]["code"]) == (409, "invalid")
        assert json.loads(answer.body)["problems"]
