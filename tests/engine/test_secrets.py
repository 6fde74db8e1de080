"""Stored secrets under a running engine: whoever lacks one says which, and has it as soon as it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.engine import secrets as engine_secrets
from reconciler.engine.environment import Environment
from reconciler.engine.ledger import Ledger
from reconciler.engine.secrets import StoredSecrets
from reconciler.model.accepted import Accepted
from reconciler.model.document import Document
from reconciler.model.secret import SecretRef
from reconciler.sessions.session import Unresolved
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault
from reconciler.store.vault_keys import NEW_VARIABLE, VARIABLE
from tests.canary import CANARY
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [requirement("API-4:secret-references"), pytest.mark.anyio]


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_secrets, "LOOK_SECONDS", 0.01)


def using(name: str, **env: str) -> dict[str, Any]:
    return light(name, env=env)


async def token_of(at: Desk, server: str) -> str:
    token: str = json.loads(await at.call(server, "info"))["env"]["TOKEN"]
    return token


async def messages(at: Desk, kind: str) -> list[tuple[str | None, str]]:
    await at.project.events.flush()
    rows = await at.project.records.events(0, 1000, None)
    return [(row["server"], row["message"]) for row in rows if row["kind"] == kind]


def beside(at: Desk) -> Vault:
    """The vault as another process has it."""
    return Vault(at.project.state)


async def test_a_server_that_lacks_a_secret_says_which_and_connects_once_it_is_stored(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": using("a", TOKEN="Bearer ${secret:GITHUB}"), "b": light("b")}) as at:
        applied = await at.apply()
        assert {o.server: o.status for o in applied.outcomes if o.server in "ab"} == {"a": "failed", "b": "applied"}
        assert at.row("a")["status"] == "error"
        assert at.row("a")["reason"] == 'no secret named "GITHUB" is stored; `reconciler secret set GITHUB`'
        other = at.row("b")["instance"]
        beside(at).put("GITHUB", "first-value")
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert await token_of(at, "a") == "Bearer first-value"
        assert at.row("b")["instance"] == other


async def test_a_new_version_opens_its_servers_anew_with_the_reason_and_no_other(tmp_path: Path) -> None:
    servers = {"a": using("a", TOKEN="${secret:ONE}"), "b": using("b", TOKEN="${secret:TWO}"), "c": light("c")}
    async with desk(tmp_path, servers) as at:
        at.project.vault.put_all({"ONE": "one-value-1", "TWO": "two-value-1"})
        await at.apply()
        before = at.rows()
        beside(at).put("ONE", "one-value-2")
        await at.until(lambda: at.row("a")["instance"] not in (None, before["a"]["instance"]))
        await at.until(lambda: at.row("a")["status"] == "connected")
        assert await token_of(at, "a") == "one-value-2"
        after = at.rows()
        assert [row["instance"] for row in (after["b"], after["c"])] == [before[s]["instance"] for s in "bc"]
        assert await messages(at, "secret") == [("a", "opened anew: its secret ONE has a new version")]
        assert (await at.plan()).empty


async def test_the_same_value_again_or_a_rotation_disturbs_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": using("a", TOKEN="${secret:ONE}")}) as at:
        at.project.vault.put("ONE", "one-value")
        await at.apply()
        before = at.row("a")["instance"]
        beside(at).put("ONE", "one-value")
        beside(at).rotate()
        beside(at).put("OTHER", "other-value")
        at.project.secrets.look()
        at.project.secrets.look()
        assert (await at.plan()).empty
        assert (at.row("a")["instance"], await messages(at, "secret")) == (before, [])


async def test_a_secret_that_is_forgotten_leaves_the_session_and_the_plan_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": using("a", TOKEN="${secret:ONE}")}) as at:
        at.project.vault.put("ONE", "one-value")
        await at.apply()
        before = at.row("a")["instance"]
        beside(at).remove("ONE")
        at.project.secrets.look()
        assert at.project.observer.of("a").down == "its stored secret changed: ONE"
        assert (at.row("a")["instance"], at.row("a")["status"]) == (before, "connected")


async def test_a_vault_that_is_damaged_is_said_once_and_of_each_server_by_the_name_of_its_secret(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, {"a": using("a", TOKEN="${secret:ONE}")}) as at:
        at.project.vault.put("ONE", "one-value")
        at.project.state.vault.write_text("{", encoding="utf-8")
        for _ in range(3):
            at.project.secrets.look()
        ((server, said),) = await messages(at, "secret")
        assert (server, "is damaged: it is not JSON" in said) == (None, True)
        await at.apply()
        assert 'the secret "ONE" cannot be opened' in at.row("a")["reason"]


async def test_what_a_server_prints_of_a_stored_secret_is_hidden(tmp_path: Path) -> None:
    async with desk(tmp_path, {"a": using("a", TOKEN="${secret:ONE}")}) as at:
        at.project.vault.put("ONE", CANARY)
        await at.apply()
        await at.call("a", "words", text=f"my token is {CANARY}")
        log = at.project.state.server_logs / "a.log"
        await at.until(lambda: "my token is ***" in log.read_text(encoding="utf-8"))


# What opens the vault, and what is in it for ourselves


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(StateDir(tmp_path / "state"))


@pytest.fixture
def environment(tmp_path: Path, vault: Vault) -> Environment:
    return Environment(tmp_path, vault.get)


def test_no_reference_reaches_what_the_vault_keeps_for_ourselves(environment: Environment, vault: Vault) -> None:
    vault.put("@sign-in/desk/1", "token")
    with pytest.raises(Unresolved, match='no secret named "@sign-in/desk/1"'):
        environment.resolver(Document(), "a")(SecretRef("secret", "@sign-in/desk/1"))


@pytest.mark.parametrize("name", [VARIABLE, NEW_VARIABLE])
def test_no_server_gets_the_key_of_the_vault(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "key")
    resolve = environment.resolver(Document(), "a")
    with pytest.raises(Unresolved, match="no server gets it"):
        resolve(SecretRef("env", name, "default"))
    assert name not in environment.forwarding([name], resolve)


# A value that changes while a server is being opened


def test_a_server_that_is_being_opened_with_an_older_value_is_looked_at_until_it_has_the_new_one(
    environment: Environment, vault: Vault, tmp_path: Path
) -> None:
    document = Document({"version": 1, "mcpServers": {"a": {"command": "x"}}})
    retried: list[str] = []
    said: list[tuple[str, str, str | None]] = []
    ledger = Ledger(StateDir(tmp_path / "state"), Accepted(document=document))
    secrets = StoredSecrets(vault, environment, ledger, retried.append, lambda *words: said.append(words))
    vault.put("ONE", "one")
    environment.resolver(document, "a")(SecretRef("secret", "ONE"))
    secrets.look()
    assert retried == []
    vault.put("ONE", "two")
    for _ in range(3):  # the worker still opens the session that got the first value
        secrets.look()
    assert (retried, len(said)) == (["a"] * 3, 1)
    environment.resolver(document, "a")(SecretRef("secret", "ONE"))
    secrets.look()
    secrets.look()
    assert (retried, len(said)) == (["a"] * 3, 1)
