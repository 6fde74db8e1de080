"""`/readyz` and `/metrics`: for whoever watches over the process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler import __version__
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("OPS-1:readiness")]

SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\d+)')


async def apply(engine: Hosted) -> None:
    answer = await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 10})
    assert answer.status == 200, answer.body


async def reasons(engine: Hosted) -> list[str]:
    """Why it is not ready; nothing where it is."""
    answer = await engine.ask("GET", "/readyz")
    if answer.status == 200:
        assert answer.json == {"status": "ready"}
        return []
    assert (answer.status, answer.json["error"]["code"]) == (503, "not-ready")
    found: list[str] = answer.json["reasons"]
    return found


async def test_an_engine_is_ready_when_what_is_required_is(tmp_path: Path) -> None:
    servers = {
        "one": light("one", required=True),
        "off": light("off", required=True, enabled=False),
        "gone": {"command": "/nowhere/at/all"},
    }
    async with hosted(tmp_path, servers) as engine:
        assert await reasons(engine) == []
        await apply(engine)
        assert await reasons(engine) == []
        text = (tmp_path / "desk.reconciler.yaml").read_text(encoding="utf-8")
        (tmp_path / "desk.reconciler.yaml").write_text(
            text.replace('"command": "/nowhere/at/all"', '"command": "/nowhere/at/all", "required": true'),
            encoding="utf-8",
        )
        await apply(engine)
        assert await reasons(engine) == ['desk: the required server "gone" is error']
        await engine.ask("POST", "/api/v1/servers/gone/pause", "operator", {})
        assert await reasons(engine) == ['desk: the required server "gone" is paused']


async def test_files_with_errors_are_not_ready_and_nothing_of_them_is_told(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        (tmp_path / "other.reconciler.yaml").write_text("hunter2: [", encoding="utf-8")
        await engine.host.projects["other"].read()
        assert await reasons(engine) == ["other: the files have errors"]
        assert b"hunter2" not in (await engine.ask("GET", "/readyz")).body


async def metrics(engine: Hosted, path: str = "/metrics") -> dict[tuple[str, str], int]:
    """Every sample, by name and labels."""
    answer = await engine.ask("GET", path, "viewer")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    told: dict[str, str] = {}
    samples = {}
    for text in lines:
        if text.startswith("# TYPE "):
            _, _, name, kind = text.split()
            assert name not in told
            told[name] = kind
        elif not text.startswith("# HELP "):
            match = SAMPLE.fullmatch(text)
            assert match, text
            assert match[1] in told
            assert (told[match[1]] == "counter") == match[1].endswith("_total")
            samples[match[1], match[2]] = int(match[3])
    return samples


async def test_metrics_count_servers_calls_and_what_waits(tmp_path: Path) -> None:
    servers = {
        "one": light("one", requireApproval=False),
        "off": light("off", enabled=False),
        "gone": {"command": "/nowhere/at/all"},
    }
    async with hosted(tmp_path, servers) as engine:
        await apply(engine)
        called = await engine.ask(
            "POST", "/api/v1/call", "operator", {"server": "one", "tool": "echo", "arguments": {"text": "hunter2"}}
        )
        assert b"hunter2" in called.body
        found = await metrics(engine)
        assert found["reconciler_info", f'version="{__version__}"'] == 1
        assert found["reconciler_servers", 'project="desk",status="connected"'] == 1
        assert found["reconciler_servers", 'project="desk",status="disconnected"'] == 1
        assert found["reconciler_servers", 'project="desk",status="error"'] == 1
        assert found["reconciler_server_ready", 'project="desk",server="one"'] == 1
        assert found["reconciler_server_ready", 'project="desk",server="gone"'] == 0
        assert found["reconciler_calls_total", 'project="desk",asked="no"'] == 1
        assert found["reconciler_calls_waiting", 'project="desk"'] == 0
        assert found["reconciler_files_valid", 'project="desk"'] == 1
        assert found["reconciler_applied_serial", 'project="desk"'] == 1
        assert "hunter2" not in str(found)
        before = found["reconciler_server_restarts_total", 'project="desk",server="one"']
        crash = {"server": "one", "tool": "crash", "arguments": {"status": 1}}
        await engine.ask("POST", "/api/v1/call", "operator", crash)
        await engine.ask("POST", "/api/v1/servers/one/restart", "operator", {})
        found = await metrics(engine)
        assert found["reconciler_server_restarts_total", 'project="desk",server="one"'] > before


async def test_metrics_are_those_of_the_project_that_is_named(tmp_path: Path) -> None:
    async with hosted(tmp_path, {"one": light("one", enabled=False)}, "other") as engine:
        await apply(engine)
        assert await metrics(engine) == await metrics(engine, "/p/desk/metrics")
        assert ("reconciler_server_ready", 'project="desk",server="one"') in await metrics(engine)
        assert (await engine.ask("GET", "/p/other/metrics", "viewer")).status == 401
        assert (await engine.ask("GET", "/metrics")).status == 401
