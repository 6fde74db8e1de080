"""Namespaces: one for a file, and with a directory they come and go."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.store.tokens import create_token
from tests.engine.desk import light
from tests.faces.api.connect.space import Space, space
from tests.faces.http.raw import Answer, ask, line
from tests.requirements import requirement

pytestmark = [requirement("API-2:namespaces"), pytest.mark.anyio]

PRETEND: dict[str, Any] = {"mcpUrl": "https://mcp.invalid/mcp", "mock": {"enabled": True}}


async def asked(desk: Space, method: str, path: str, token: str, body: Any = None) -> Answer:
    """A request with a token that is already there."""
    return await desk.engine.ask(method, path, None, body, authorization=f"Bearer {token}")


def names(answer: Answer) -> list[str]:
    return [each["name"] for each in answer.json["namespaces"]]


async def test_with_one_file_there_is_one_namespace_and_no_other(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        for path in ("/namespaces", "/connect/namespaces"):
            found = await desk.engine.ask("GET", path, "viewer")
            assert found.json == {
                "namespaces": [{"name": "desk"}],
                "pagination": {"currentPage": 1, "pageSize": 20, "totalPages": 1, "totalCount": 1},
            }
        mine = await desk.engine.ask("PUT", "/namespaces/desk", "operator")
        assert (mine.status, mine.json["name"]) == (200, "desk")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", mine.json["createdAt"])
        for method, path in (("POST", "/namespaces"), ("PUT", "/namespaces/other"), ("DELETE", "/namespaces/desk")):
            refused = await desk.engine.ask(method, path, "operator")
            assert (refused.status, refused.headers["x-should-retry"]) == (409, "false")
            assert "reconciler watch DIR" in refused.json["message"]
        assert sorted(path.name for path in tmp_path.glob("*.yaml")) == ["desk.reconciler.yaml"]


async def test_a_namespace_of_a_directory_is_a_file_that_is_hosted_at_once(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine, file = desk.engine, tmp_path / "fresh.reconciler.yaml"
        made = await engine.ask("PUT", "/namespaces/fresh", "operator")
        assert (made.status, made.json["name"], file.is_file()) == (201, "fresh", True)
        assert (await engine.ask("PUT", "/namespaces/fresh", "operator")).json == made.json
        put = await engine.ask("PUT", "/connect/fresh/one", "operator", PRETEND)
        assert (put.status, put.json["status"]) == (200, {"state": "connected"})
        assert "one:" in file.read_text(encoding="utf-8") and desk.servers == {}
        assert names(await engine.ask("GET", "/namespaces", "operator")) == ["desk", "fresh"]
        project = engine.host.projects["fresh"]
        assert (project.followed.on, project.state.engine_file.is_file()) == (True, True)
        assert (await engine.ask("GET", "/p/fresh/api/v1/status", "operator")).json["project"] == "fresh"


async def test_a_namespace_without_a_name_gets_one(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        made = await desk.engine.ask("POST", "/namespaces", "operator")
        assert made.status == 201 and re.fullmatch(r"[a-z]+-[a-z]+", made.json["name"])
        assert names(await desk.engine.ask("GET", "/namespaces", "operator")) == sorted(["desk", made.json["name"]])


async def test_whoever_created_a_namespace_is_alone_in_it_with_its_own_tokens(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine = desk.engine
        await engine.ask("PUT", "/namespaces/fresh", "operator")
        for role in ("viewer", "client", "editor"):
            stranger: Any = role
            assert names(await engine.ask("GET", "/namespaces", stranger)) == ["desk"]
            assert (await engine.ask("GET", "/connect/fresh", stranger)).status == 401
        other = create_token(engine.host.projects["desk"].state, "operator", "second")[1]
        engine.host.projects["desk"].tokens.look()
        for method in ("PUT", "DELETE"):
            refused = await asked(desk, method, "/namespaces/fresh", other)
            assert (refused.status, refused.json["error"]) == (403, "not-allowed")
        own = create_token(engine.host.projects["fresh"].state, "viewer", "own")[1]
        engine.host.projects["fresh"].tokens.look()
        assert (await asked(desk, "GET", "/connect/fresh", own)).status == 200
        assert (await asked(desk, "GET", "/connect/desk", own)).status == 401
        assert names(await asked(desk, "GET", "/namespaces", own)) == ["fresh"]


async def test_the_usual_operator_can_create_one_too(tmp_path: Path) -> None:
    """Its token has the name that the first operator of the new namespace has."""
    async with space(tmp_path, directory=True) as desk:
        from_start = desk.engine.state.local_tokens.read_text(encoding="utf-8")
        token = re.findall(r"rcl_[A-Za-z0-9_-]+", from_start)[-1]
        assert (await asked(desk, "PUT", "/namespaces/fresh", token)).status == 201
        assert (await asked(desk, "PUT", "/connect/fresh/one", token, PRETEND)).status == 200


async def test_a_namespace_goes_with_its_connections_tokens_secrets_and_file(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine, file = desk.engine, tmp_path / "fresh.reconciler.yaml"
        await engine.ask("PUT", "/namespaces/fresh", "operator")
        await engine.ask("PUT", "/connect/fresh/one", "operator", {**PRETEND, "headers": {"X-Key": "very-secret"}})
        project = engine.host.projects["fresh"]
        own = create_token(project.state, "operator", "own")[1]
        project.tokens.look()
        gone = await asked(desk, "DELETE", "/namespaces/fresh", own)
        assert (gone.status, gone.json) == (200, {"name": "fresh", "success": True})
        assert (file.exists(), list(engine.host.projects)) == (False, ["desk"])
        assert (project.serving("one"), project.closing) == (None, True)
        assert (await asked(desk, "GET", "/namespaces", own)).status == 401
        assert (await engine.ask("GET", "/connect/fresh/one", "operator")).status == 404
        assert (await engine.ask("DELETE", "/namespaces/fresh", "operator")).status == 404
        [aside] = (tmp_path / "state").glob("*.removed-*")
        assert {entry.name for entry in aside.iterdir()} <= {"records.db", "records.db-wal", "records.db-shm", "logs"}


async def test_a_namespace_that_comes_back_is_a_new_one(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine = desk.engine
        for _ in range(2):
            await engine.ask("PUT", "/namespaces/fresh", "operator")
            assert (await engine.ask("GET", "/connect/fresh", "operator")).json["connections"] == []
            assert engine.host.projects["fresh"].vault.list() == ()
            await engine.ask("PUT", "/connect/fresh/one", "operator", {**PRETEND, "headers": {"X-Key": "very-secret"}})
            ping = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            spoken = await engine.ask("POST", "/connect/fresh/one/mcp", "operator", ping)
            assert spoken.json["result"] == {"tools": []}
            assert (await engine.ask("DELETE", "/namespaces/fresh", "operator")).status == 200


async def test_what_is_open_in_a_namespace_ends_with_it(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine = desk.engine
        await engine.ask("PUT", "/namespaces/fresh", "operator")
        project = engine.host.projects["fresh"]
        own = create_token(project.state, "viewer", "own")[1]
        project.tokens.look()
        request = engine.request("GET", "/p/fresh/api/v1/events/stream", None, authorization=f"Bearer {own}")
        async with line(engine.address) as mine:
            await mine.say(request)
            assert (await mine.hear_head())[0] == 200
            await engine.ask("DELETE", "/namespaces/fresh", "operator")
            with anyio.fail_after(10):
                await mine.hear_chunks()


@pytest.mark.parametrize("name", ["Fresh", "a_b", "a.b", "-a", "a-", "a" * 64, "%C3%A9", "a%20b", "%2e%2e"])
async def test_a_name_that_no_namespace_can_have_is_refused(tmp_path: Path, name: str) -> None:
    async with space(tmp_path, directory=True) as desk:
        refused = await desk.engine.ask("PUT", f"/namespaces/{name}", "operator")
        assert (refused.status, refused.json["error"]) == (400, "bad-name")
        assert len(list(tmp_path.glob("*.reconciler.yaml"))) == 1


@pytest.mark.parametrize(
    "name", ["api", "mcp", "connect", "oauth", "namespaces", "tokens", "health", "servers", "p", "ui"]
)
async def test_a_word_of_our_own_addresses_is_no_namespace(tmp_path: Path, name: str) -> None:
    async with space(tmp_path, directory=True) as desk:
        refused = await desk.engine.ask("PUT", f"/namespaces/{name}", "operator")
        assert (refused.status, refused.json["error"]) == (400, "bad-name")


async def test_what_stands_in_the_way_stays(tmp_path: Path) -> None:
    async with space(tmp_path, {}, "other", directory=True) as desk:
        engine = desk.engine
        (tmp_path / "taken.reconciler.yaml").symlink_to("/nowhere")
        taken = await engine.ask("PUT", "/namespaces/taken", "operator")
        assert (taken.status, taken.json["error"]) == (409, "exists")
        root = await engine.ask("DELETE", "/namespaces/desk", "operator")
        assert (root.status, root.json["error"], desk.file.exists()) == (409, "root", True)
        (tmp_path / "other.reconciler.local.yaml").write_text("{}", encoding="utf-8")
        own = create_token(engine.host.projects["other"].state, "operator", "own")[1]
        engine.host.projects["other"].tokens.look()
        overlaid = await asked(desk, "DELETE", "/namespaces/other", own)
        assert (overlaid.status, overlaid.json["error"]) == (409, "overlaid")
        assert (tmp_path / "other.reconciler.yaml").exists() and "other" in engine.host.projects


@requirement("GATE-1:roles")
@pytest.mark.parametrize("role", ["viewer", "client", "editor"])
async def test_only_operators_create_and_delete(tmp_path: Path, role: Any) -> None:
    async with space(tmp_path, {}, "other", directory=True) as desk:
        for method, path in (("POST", "/namespaces"), ("PUT", "/namespaces/x"), ("DELETE", "/namespaces/other")):
            assert (await desk.engine.ask(method, path, role)).status == 403
            assert (await desk.engine.ask(method, path)).status == 401


async def test_namespaces_are_read_in_pages_and_by_how_they_begin(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        for number in range(4):
            await desk.engine.ask("PUT", f"/namespaces/n{number}", "operator")

        async def page(query: str) -> Any:
            found = await desk.engine.ask("GET", f"/namespaces?{query}", "operator")
            return found.status, names(found) if found.status == 200 else found.json["error"]

        assert await page("page=1&pageSize=2") == (200, ["desk", "n0"])
        assert await page("page=3&pageSize=2") == (200, ["n3"])
        assert await page("page=4&pageSize=2") == (200, [])
        assert await page("q=n") == (200, ["n0", "n1", "n2", "n3"])
        assert await page("hasServers=1") == await page("hasSkills=true") == (200, [])
        for wrong in ("page=0", "page=x", "pageSize=0", "pageSize=101", "ownerId=me"):
            assert (await page(wrong))[0] == 400, wrong


async def test_a_token_with_several_roles_is_asked_for_the_highest(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine = desk.engine
        await engine.ask("PUT", "/namespaces/fresh", "operator")
        await engine.ask("PUT", "/namespaces/aaa", "operator")
        policy = [{"namespaces": ["fresh"], "operations": ["read"]}]
        reader = (await engine.ask("POST", "/tokens", "operator", {"policy": policy})).json["token"]
        assert (await asked(desk, "POST", "/namespaces", reader)).status == 403
        assert (await engine.ask("DELETE", "/namespaces/aaa", "operator")).status == 200


async def test_health_is_open_to_everybody(tmp_path: Path) -> None:
    async with space(tmp_path) as desk:
        for path in ("/health", "/connect/health"):
            found = await desk.engine.ask("GET", path)
            assert (found.status, found.json["status"], set(found.json)) == (200, "ok", {"status", "timestamp"})
        assert (await desk.engine.ask("GET", "/namespaces")).json["error"] == "unauthorized"
        wrong = b"GET /health HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n"
        assert (await ask(desk.engine.address, wrong)).status == 421


async def test_a_file_that_comes_into_the_directory_is_hosted_and_what_it_launches_waits(tmp_path: Path) -> None:
    async with space(tmp_path, directory=True) as desk:
        engine, hosted = desk.engine, anyio.Event()
        engine.host.added.append(lambda _: hosted.set())
        (tmp_path / "bad.reconciler.yaml").write_text("project: desk\nmcpServers: {}\n", encoding="utf-8")
        servers = {"ev": light("ev")}
        text = f'{{"version": 1, "mcpServers": {str(servers).replace(chr(39), chr(34))}}}'
        (tmp_path / "late.reconciler.yaml").write_text(text, encoding="utf-8")
        with anyio.fail_after(20):
            await hosted.wait()
            project = engine.host.projects["late"]
            async with project.events.listen() as news:
                while not project.waiting.all:
                    await news.get()
        assert [pending.server for pending in project.waiting.all] == ["ev"]
        assert (sorted(engine.host.projects), project.ledger.document.servers) == (["desk", "late"], {})
        [told] = [row for row in await engine.host.root.records.events(0, 100, None) if row["kind"] == "hosting"]
        assert "bad.reconciler.yaml" in str(told)
