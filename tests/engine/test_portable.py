"""Servers from one engine to another, in a file that a passphrase opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.engine.door import ChangeRefused, change
from reconciler.engine.portable import FileInvalid, export_servers, import_servers, preview_import
from reconciler.gate.principal import Principal
from reconciler.store.export_file import ExportRefused, ExportTooLarge, WeakPassphrase
from reconciler.store.portable import Opened, open_servers, seal_servers
from tests.canary import CANARY
from tests.engine.desk import Desk, desk, light
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, requirement("PAGE-2:between-engines")]

ME = Principal("me", "operator")
PASSPHRASE = "tall ships in a bottle"


def servers() -> dict[str, Any]:
    return {
        "stored": light("stored", env={"TOKEN": "${secret:shared}"}, group="dev"),
        "literal": {"url": "http://127.0.0.1:9/mcp", "headers": {"X-Key": CANARY}, "enabled": False},
        "variable": {"url": "http://127.0.0.1:9/mcp", "headers": {"X-Key": "${env:NOT_SET_ANYWHERE}"}, "oauth": True},
    }


async def exported(folder: Path, **settings: Any) -> Opened:
    """What an engine with these servers exports, opened."""
    folder.mkdir()
    async with desk(folder, servers(), groups={"dev": {"name": "Development"}, "ops": {}}, **settings) as at:
        at.project.vault.put("shared", CANARY)
        at.project.vault.put("@sign-in/variable", "a token")
        sealed = await export_servers(at.project, None, PASSPHRASE, "reconciler", ME)
    assert CANARY.encode() not in sealed.data
    assert (sealed.servers, sealed.missing) == (tuple(servers()), ())
    return open_servers(sealed.data, PASSPHRASE)


def vault(at: Desk) -> dict[str, Any]:
    return {secret.name: at.project.vault.get(secret.name) for secret in at.project.vault.list()}


async def written(at: Desk) -> dict[str, Any]:
    found = (await at.project.read()).reading.written
    assert found is not None
    return found


@requirement("PAGE-2:pack")
async def test_what_is_exported_has_its_secrets_and_no_sign_in(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    assert opened.payload["secrets"] == {"shared": CANARY}
    assert opened.payload["servers"] == servers()
    assert opened.payload["groups"] == {"dev": {"name": "Development"}}
    assert opened.payload.keys() == {"servers", "groups", "secrets"}


async def test_another_engine_takes_it_over_once(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", {}) as at:
        seen = await preview_import(at.project, opened, ME)
        assert ((await written(at))["mcpServers"], vault(at)) == ({}, {})
        merged, changed = await import_servers(at.project, opened, ME, expected=seen.id)
        assert merged == seen.merged
        assert [row.id for row in merged.commands] == ["stored"]
        assert {outcome.server for outcome in changed.applied.outcomes} >= {"stored", "literal", "variable"}
        after = await written(at)
        assert after["mcpServers"]["stored"] == {**servers()["stored"], "enabled": False}
        assert after["groups"] == {"dev": {"name": "Development"}}
        assert vault(at) == {"shared": CANARY, "literal.headers.X-Key": CANARY}
        assert at.row("stored")["pid"] is None
        again, _ = await import_servers(at.project, opened, ME)
        assert (again.patch, again.secrets, len(again.brought.unchanged)) == ({}, {}, 3)
        assert await written(at) == after


@requirement("PAGE-2:off")
async def test_a_command_runs_once_a_person_wants_it_on(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", {}) as at:
        await import_servers(at.project, opened, ME, ["stored"])
        await at.until(lambda: at.row("stored")["status"] == "connected")


@requirement("PAGE-2:merge")
async def test_a_clash_leaves_what_is_here_as_it_is(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    mine = light("mine", env={"TOKEN": "${secret:shared}"}, name="Mine")
    async with desk(tmp_path / "here", {"stored": mine}) as at:
        at.project.vault.put("shared", "my own value")
        merged, _ = await import_servers(at.project, opened, ME)
        after = (await written(at))["mcpServers"]
        assert after["stored"] == mine
        assert (after["stored-v2"]["name"], after["stored-v2"]["env"]) == (
            "stored (v2)",
            {"TOKEN": "${secret:shared-2}"},
        )
        assert vault(at) == {"shared": "my own value", "shared-2": CANARY, "literal.headers.X-Key": CANARY}
        assert merged.renamed == {"shared": "shared-2"}


@requirement("PAGE-2:merge")
async def test_a_secret_that_is_stored_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    async with desk(tmp_path, {}) as at:
        at.project.vault.put("k", "mine")
        patch = {"mcpServers": {"a": {"url": "http://127.0.0.1:9/mcp"}}}
        with pytest.raises(ChangeRefused, match='there is a secret "k" already') as refused:
            await change(at.project, patch, if_match=None, principal=ME, secrets={"k": "theirs", "l": "x"})
        assert (refused.value.code, vault(at)) == ("exists", {"k": "mine"})
        literal = {"mcpServers": {"a": {"url": "http://127.0.0.1:9/mcp", "headers": {"K": "mine"}}}}
        await change(at.project, literal, if_match=None, principal=ME, wait=0, secrets={"a.headers.K": "theirs"})
        assert vault(at) == {"k": "mine", "a.headers.K": "theirs", "a.headers.K-2": "mine"}


@requirement("PAGE-2:merge")
async def test_secrets_alone_come_for_servers_that_are_here(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", servers()) as at:
        await at.apply()
        assert at.row("stored")["status"] != "connected"
        merged, _ = await import_servers(at.project, opened, ME)
        assert (merged.patch, dict(merged.secrets)) == ({}, {"shared": CANARY})
        await at.until(lambda: at.row("stored")["status"] == "connected")


@requirement("PAGE-2:preview")
async def test_what_was_shown_must_be_what_is_done(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", {}) as at:
        seen = await preview_import(at.project, opened, ME)
        at.write({"literal": {"url": "http://127.0.0.1:9/other"}})
        with pytest.raises(ChangeRefused) as refused:
            await import_servers(at.project, opened, ME, expected=seen.id)
        assert refused.value.code == "moved"
        assert (await written(at))["mcpServers"].keys() == {"literal"}


@requirement("PAGE-2:merge")
async def test_nothing_comes_in_or_goes_out_while_the_file_is_broken(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", {}) as at:
        at.file.write_text("mcpServers: [", encoding="utf-8")
        for doing in (preview_import, import_servers):
            with pytest.raises(ChangeRefused, match="has errors; mend it first"):
                await doing(at.project, opened, ME)
        with pytest.raises(FileInvalid) as refused:
            await export_servers(at.project, None, PASSPHRASE, "reconciler", ME)
        assert refused.value.problems[0].code == "yaml-syntax"
        assert vault(at) == {}


@requirement("PAGE-2:merge")
async def test_a_vault_that_cannot_be_read_lets_nothing_in(tmp_path: Path) -> None:
    opened = await exported(tmp_path / "there")
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "here", {}) as at:
        at.project.vault.put("shared", "x")
        at.project.state.vault.write_text("{", encoding="utf-8")
        with pytest.raises(ChangeRefused) as refused:
            await import_servers(at.project, opened, ME)
        assert refused.value.code == "vault"
        assert (await written(at))["mcpServers"] == {}


@requirement("PAGE-2:explorer-servers")
async def test_what_goes_out_for_mcp_explorer_comes_back(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    async with desk(tmp_path / "there", servers()) as at:
        at.project.vault.put("shared", CANARY)
        sealed = await export_servers(at.project, None, PASSPHRASE, "mcp-explorer", ME)
    assert {(each.name, each.field) for each in sealed.left_out} >= {("stored", None), ("variable", "headers.X-Key")}
    async with desk(tmp_path / "here", {}) as at:
        await import_servers(at.project, open_servers(sealed.data, PASSPHRASE), ME)
        after = (await written(at))["mcpServers"]
        assert after["literal"]["headers"] == {"X-Key": "${secret:literal.headers.X-Key}"}
        assert vault(at) == {"literal.headers.X-Key": CANARY}


def test_a_file_opens_under_its_own_passphrase_alone() -> None:
    made = {"kind": "reconciler", "stored": {}.get, "created": "2026-11-21T00:00:00Z"}
    sealed = seal_servers({"mcpServers": servers()}, ["literal"], PASSPHRASE, **made)  # type: ignore[arg-type]
    assert (sealed.servers, list(open_servers(sealed.data, PASSPHRASE).payload["servers"])) == (
        ("literal",),
        ["literal"],
    )
    with pytest.raises(ExportRefused) as refused:
        open_servers(sealed.data, PASSPHRASE + "s")
    assert refused.value.code == "wrong-passphrase"
    with pytest.raises(WeakPassphrase):
        seal_servers({"mcpServers": servers()}, None, "short", **made)  # type: ignore[arg-type]
    huge = {"a": {"url": "https://a", "description": "x" * 25 * 1024 * 1024}}
    with pytest.raises(ExportTooLarge):
        seal_servers({"mcpServers": huge}, None, PASSPHRASE, **made)  # type: ignore[arg-type]
