"""A write of any dialect is of the version that its If-Match names, where it names one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faces.cli.hosted import hosted
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("API-3:merge-patch", "API-1:malformed", "API-2:malformed")]

URL = "https://example.com/mcp"
SERVERS = {"one": {"url": URL, "enabled": False}, "two": {"mock": {"tools": []}}}
WRITES: list[tuple[str, str, Any]] = [
    ("PATCH", "/api/config", {"mcpServers": {"one": {"description": "d"}}}),
    ("POST", "/api/mcp-servers", {"url": URL, "enabled": False}),
    ("POST", "/api/mcp/servers", {"projectId": "desk", "name": "New", "transportType": "http", "url": URL}),
    ("PATCH", "/api/mcp/servers/one", {"description": "d"}),
    ("DELETE", "/api/mcp/servers/one", None),
    ("POST", "/api/mcp/servers/two/disconnect", {}),
    ("POST", "/connect/desk", {"mcpUrl": URL, "mock": {"enabled": True}}),
    ("PUT", "/connect/desk/one", {"name": "One", "headers": {"X-Key": "value"}}),
    ("PUT", "/desk/new", {"mcpUrl": f"{URL}?token=0123456789abcdef", "mock": {"enabled": True}}),
    ("DELETE", "/connect/desk/one", None),
    ("POST", "/api/v1/import", {"mcpServers": {"new": {"url": URL, "enabled": False}}}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=[f"{method} {path}" for method, path, _ in WRITES])
async def test_a_lost_update_is_found_by_every_route_that_writes(
    tmp_path: Path, method: str, path: str, body: Any
) -> None:
    async with hosted(tmp_path, SERVERS) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 10})
        project = engine.host.root
        before = project.sources.main.read_bytes()
        for wrong, status in (('"sha256:older"', 412), ("no tag", 400)):
            lost = await engine.ask(method, path, "operator", body, if_match=wrong)
            assert lost.status == status, lost.body
            assert (project.sources.main.read_bytes(), project.vault.list()) == (before, ())
        good = (await engine.ask("GET", "/api/config", "viewer")).headers["etag"]
        assert (await engine.ask(method, path, "operator", body, if_match=good)).status in (200, 201)
        assert project.sources.main.read_bytes() != before


@requirement("API-3:refused")
async def test_an_engine_that_writes_no_file_answers_every_write_with_the_patch(tmp_path: Path) -> None:
    async with hosted(tmp_path, SERVERS) as engine:
        await engine.ask("POST", "/api/v1/apply", "operator", {"yes": "all", "wait": 10})
        project = engine.host.root
        project.read_only, before = True, project.sources.main.read_bytes()
        for method, path, body in WRITES:
            refused = await engine.ask(method, path, "operator", body)
            assert (refused.status, "--read-only" in str(refused.json)) == (403, True), (path, refused.body)
            assert refused.json["patch"]["mcpServers"], path
            assert (project.sources.main.read_bytes(), project.vault.list()) == (before, ())
