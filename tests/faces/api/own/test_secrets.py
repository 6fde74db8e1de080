"""Stored secrets over our own API: whoever may store one never reads it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.client import ApiError, Client
from reconciler.store.vault import LARGEST_VALUE, VaultError
from tests.canary import CANARY
from tests.engine.desk import light
from tests.faces.cli.hosted import Hosted, hosted
from tests.requirements import requirement

pytestmark = [requirement("API-4:secret-routes"), pytest.mark.anyio]

SERVERS = {"one": light("one", env={"TOKEN": "${secret:GITHUB}"}), "two": light("two", env={"A": "x${secret:DOCS}"})}


async def api(engine: Hosted, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await engine.ask(method, f"/api/v1{path}", "operator", body)
    return answer.status, answer.json


async def test_a_secret_is_stored_listed_with_its_servers_and_forgotten_and_never_answered(tmp_path: Path) -> None:
    async with hosted(tmp_path, SERVERS) as engine:
        status, listed = await api(engine, "GET", "/secrets")
        assert (status, listed["secrets"], listed["key"]) == (200, [], None)
        assert listed["missing"] == [{"name": "DOCS", "servers": ["two"]}, {"name": "GITHUB", "servers": ["one"]}]
        status, stored = await api(engine, "PUT", "/secrets/GITHUB", {"value": CANARY})
        assert (status, stored.pop("createdAt") != "", stored.pop("updatedAt") != "") == (200, True, True)
        assert stored == {"name": "GITHUB", "version": 1, "servers": ["one"]}
        assert (await api(engine, "PUT", "/secrets/GITHUB", {"value": f"{CANARY}2"}))[1]["version"] == 2
        listed = (await api(engine, "GET", "/secrets"))[1]
        assert [(row["name"], row["version"], row["servers"]) for row in listed["secrets"]] == [("GITHUB", 2, ["one"])]
        assert ([row["name"] for row in listed["missing"]], listed["key"]) == (["DOCS"], "file")
        assert engine.host.root.vault.get("GITHUB") == f"{CANARY}2"
        assert await api(engine, "DELETE", "/secrets/GITHUB") == (200, {"removed": "GITHUB", "servers": ["one"]})
        status, gone = await api(engine, "DELETE", "/secrets/GITHUB")
        assert (status, gone["error"]["code"]) == (404, "unknown-secret")


async def test_who_stored_and_who_removed_is_an_event_without_the_value(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        await api(engine, "PUT", "/secrets/A", {"value": CANARY})
        await api(engine, "DELETE", "/secrets/A")
        await engine.host.root.events.flush()
        rows = (await api(engine, "GET", "/events"))[1]["events"]
        said = [row["message"] for row in rows if row["kind"] == "secret"]
        assert said == ["operator-token stored A, version 1", "operator-token removed A"]


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("A", {}, 400, "bad-body"),
        ("A", {"value": ""}, 400, "bad-body"),
        ("A", {"value": 1}, 400, "bad-body"),
        ("A", {"value": [CANARY]}, 400, "bad-body"),
        ("A", {"value": CANARY, "more": CANARY}, 400, "bad-body"),
        ("A", [CANARY], 400, "bad-json"),
        ("A", f'{{"value": "{CANARY}'.encode(), 400, "bad-json"),
        ("A", {"value": "ä" * LARGEST_VALUE}, 413, "too-large"),
        ("A", {"value": "x" * (LARGEST_VALUE + 1)}, 400, "bad-body"),
        ("@sign-in", {"value": CANARY}, 400, "bad-name"),
        ("a%20b", {"value": CANARY}, 400, "bad-name"),
        ("%2e%2e", {"value": CANARY}, 400, "bad-name"),
        ("a" * 129, {"value": CANARY}, 400, "bad-name"),
    ],
)
async def test_what_cannot_be_stored_is_refused_without_repeating_it(
    tmp_path: Path, name: str, body: Any, status: int, code: str
) -> None:
    async with hosted(tmp_path) as engine:
        answer = await engine.ask("PUT", f"/api/v1/secrets/{name}", "operator", body)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert engine.host.root.vault.list() == ()


async def test_what_the_product_keeps_for_itself_is_out_of_reach(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        engine.host.root.vault.put("@sign-in/desk/1", CANARY)
        assert (await api(engine, "GET", "/secrets"))[1]["secrets"] == []
        for name in ("@sign-in%2Fdesk%2F1", "@sign-in/desk/1", "@sign-in"):
            assert (await api(engine, "DELETE", f"/secrets/{name}"))[0] == 404
        assert engine.host.root.vault.get("@sign-in/desk/1") == CANARY


async def test_a_vault_that_cannot_be_used_says_so_with_the_way_out(tmp_path: Path) -> None:
    async with hosted(tmp_path) as engine:
        await api(engine, "PUT", "/secrets/A", {"value": "one"})
        (key,) = engine.state.path.glob("vault-*.key")
        key.chmod(0o644)
        engine.host.root.vault._key = None
        status, refused = await api(engine, "PUT", "/secrets/A", {"value": "two"})
        assert (status, refused["error"]["code"], "chmod 600" in refused["hint"]) == (503, "vault-key", True)
        engine.state.vault.write_text("{", encoding="utf-8")
        for method, path, body in (("GET", "", None), ("PUT", "/A", {"value": "x"}), ("DELETE", "/A", None)):
            status, refused = await api(engine, method, f"/secrets{path}", body)
            assert (status, refused["error"]["code"]) == (503, "vault-damaged")
        with pytest.raises(VaultError):
            engine.host.root.vault.get("A")


async def test_each_project_has_its_own_secrets(tmp_path: Path) -> None:
    async with hosted(tmp_path, {}, "other") as engine:
        engine.host.projects["other"].vault.put("A", "theirs")
        await api(engine, "PUT", "/secrets/B", {"value": "ours"})
        assert [row["name"] for row in (await api(engine, "GET", "/secrets"))[1]["secrets"]] == ["B"]
        assert engine.host.projects["other"].vault.get("B") is None


async def test_the_client_stores_lists_and_forgets(tmp_path: Path) -> None:
    async with hosted(tmp_path, SERVERS) as engine:
        client = Client(engine.state.socket)

        def use() -> None:
            assert client.store_secret("GITHUB", CANARY)["servers"] == ["one"]
            assert [row["name"] for row in client.secrets()["secrets"]] == ["GITHUB"]
            assert client.remove_secret("GITHUB")["removed"] == "GITHUB"
            with pytest.raises(ApiError) as raised:
                client.remove_secret("GITHUB")
            assert (raised.value.status, raised.value.code) == (404, "unknown-secret")

        await anyio.to_thread.run_sync(use)
