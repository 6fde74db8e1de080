"""Where the key of a vault is: a file for its owner alone, the keyring, a variable; and what is said without it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

from reconciler.store.state_dir import StateDir
from reconciler.store.vault import Vault, VaultError
from reconciler.store.vault_keys import NEW_VARIABLE, VARIABLE
from tests.needs import ROOT
from tests.requirements import requirement

pytestmark = requirement("API-4:vault-key")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state")


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def holder(state: StateDir) -> str:
    held: str = json.loads(state.vault.read_bytes())["key"]["holder"]
    return held


def why(state: StateDir) -> VaultError:
    """Why a process that comes anew cannot open anything; that it changes nothing either is seen as well."""
    before = sorted((path.name, path.read_bytes()) for path in state.path.iterdir() if path.is_file())
    with pytest.raises(VaultError) as raised:
        Vault(state).get("A")
    for work in (lambda: Vault(state).put("B", "x"), Vault(state).rotate):
        with pytest.raises(VaultError):
            work()
    after = sorted((path.name, path.read_bytes()) for path in state.path.iterdir() if path.is_file())
    assert after == before
    assert (raised.value.code, bool(raised.value.hint)) == ("vault-key", True)
    return raised.value


# A file


def key_file(state: StateDir) -> Path:
    Vault(state).put("A", "one")
    assert holder(state) == "file"
    (path,) = state.path.glob("vault-*.key")
    return path


def test_without_anything_else_the_key_is_a_file_for_its_owner_alone(state: StateDir) -> None:
    path = key_file(state)
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 32)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o777])
def test_a_key_file_that_others_can_read_is_refused_with_what_to_do(state: StateDir, mode: int) -> None:
    path = key_file(state)
    path.chmod(mode)
    refused = why(state)
    assert "others can read the key" in str(refused)
    assert f"chmod 600 {path}" in refused.hint
    path.chmod(0o400)
    assert Vault(state).get("A") == "one"


@pytest.mark.needs(ROOT)
def test_a_key_file_of_somebody_else_is_refused(state: StateDir) -> None:
    path = key_file(state)
    os.chown(path, 1234, 1234)
    assert "others can read the key" in str(why(state))


def test_a_key_file_that_is_gone_is_named_and_no_new_key_is_made(state: StateDir) -> None:
    path = key_file(state)
    data = path.read_bytes()
    path.unlink()
    assert str(path) in str(why(state))
    assert [secret.name for secret in Vault(state).list()] == ["A"]
    path.write_bytes(data)
    path.chmod(0o600)
    assert Vault(state).get("A") == "one"


@pytest.mark.parametrize("data", [b"", b"x" * 31, b"x" * 32, b"x" * 33])
def test_a_key_file_that_holds_another_key_is_refused(state: StateDir, data: bytes) -> None:
    path = key_file(state)
    path.write_bytes(data)
    assert "is not the key of this vault" in str(why(state))


def test_a_vault_whose_key_is_gone_can_still_be_emptied(state: StateDir) -> None:
    key_file(state).unlink()
    assert Vault(state).remove("A")
    assert Vault(state).list() == ()


# A variable


def test_whoever_sets_the_variable_gets_a_vault_under_its_key_and_no_key_on_the_disk(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = secrets.token_bytes(32)
    monkeypatch.setenv(VARIABLE, f" {text_of(key)}\n")
    Vault(state).put("A", "one")
    assert (holder(state), list(state.path.glob("*.key"))) == ("environment", [])
    assert Vault(state).get("A") == "one"
    files = b"".join(path.read_bytes() for path in state.path.iterdir() if path.is_file())
    assert not any(form in files for form in (key, text_of(key).encode(), key.hex().encode()))


def test_a_vault_whose_variable_is_not_set_says_so(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text_of(secrets.token_bytes(32)))
    Vault(state).put("A", "one")
    monkeypatch.delenv(VARIABLE)
    assert f"is in {VARIABLE}, which is not set" in str(why(state))
    monkeypatch.setenv(VARIABLE, text_of(secrets.token_bytes(32)))
    assert "is not the key of this vault" in str(why(state))


@pytest.mark.parametrize("text", ["x", "not base64!", text_of(b"x" * 31), text_of(b"x" * 33), "ä" * 44])
def test_a_variable_that_is_no_key_makes_no_vault(state: StateDir, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(VaultError, match="is not the base64 of 32 bytes") as raised:
        Vault(state).put("A", "one")
    assert text not in f"{raised.value}{raised.value.hint}".split()
    assert not state.vault.exists()


def test_a_vault_keeps_its_key_file_also_where_the_variable_is_set(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file(state)
    monkeypatch.setenv(VARIABLE, text_of(secrets.token_bytes(32)))
    vault = Vault(state)
    vault.put("B", "two")
    assert (holder(state), vault.get("A"), vault.get("B")) == ("file", "one", "two")


@requirement("API-4:rotation")
def test_a_rotation_in_the_environment_goes_from_one_variable_to_the_other(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = text_of(secrets.token_bytes(32)), text_of(secrets.token_bytes(32))
    monkeypatch.setenv(VARIABLE, old)
    Vault(state).put("A", "one")
    for given in (None, old):
        if given is not None:
            monkeypatch.setenv(NEW_VARIABLE, given)
        with pytest.raises(VaultError, match=f"{NEW_VARIABLE} holds no new key"):
            Vault(state).rotate()
    monkeypatch.setenv(NEW_VARIABLE, new)
    assert Vault(state).rotate() == "environment"
    assert Vault(state).get("A") == "one"
    monkeypatch.delenv(NEW_VARIABLE)
    monkeypatch.setenv(VARIABLE, new)
    assert Vault(state).get("A") == "one"
    monkeypatch.setenv(VARIABLE, old)
    assert "is not the key of this vault" in str(why(state))


@requirement("API-4:rotation")
def test_a_rotation_can_move_the_key(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file(state)
    monkeypatch.setenv(VARIABLE, text_of(secrets.token_bytes(32)))
    assert Vault(state).rotate("environment") == "environment"
    assert list(state.path.glob("*.key")) == []
    assert Vault(state).get("A") == "one"
    assert Vault(state).rotate("file") == "file"
    monkeypatch.delenv(VARIABLE)
    assert Vault(state).get("A") == "one"


# The keyring


class Ring(KeyringBackend):
    """A keyring in memory."""

    priority: float = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.broken = False

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check(password)
        self.kept[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.kept[service, username]

    def _check(self, text: str = "") -> None:
        if self.broken:
            raise RuntimeError(f"locked {text}")


class Weak(Ring):
    """One that nobody recommends."""

    priority = 0.5


def use(ring: KeyringBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", ring)
    assert keyring.get_keyring() is ring


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    made = Ring()
    use(made, monkeypatch)
    return made


def test_where_a_keyring_is_the_key_goes_there_and_not_on_the_disk(state: StateDir, ring: Ring) -> None:
    Vault(state).put("A", "one")
    assert (holder(state), list(state.path.glob("*.key"))) == ("keyring", [])
    ((service, entry),) = ring.kept
    stored = json.loads(state.vault.read_bytes())
    assert (service, entry) == ("mcp-reconciler", f"vault {stored['id']} {stored['key']['id']}")
    assert Vault(state).get("A") == "one"


def test_a_variable_that_is_set_goes_before_the_keyring(
    state: StateDir, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text_of(secrets.token_bytes(32)))
    Vault(state).put("A", "one")
    assert (holder(state), ring.kept) == ("environment", {})


@pytest.mark.parametrize("unusable", [fail.Keyring, Weak])
def test_a_keyring_that_keeps_nothing_safe_is_none(
    state: StateDir, monkeypatch: pytest.MonkeyPatch, unusable: type[KeyringBackend]
) -> None:
    use(unusable(), monkeypatch)
    Vault(state).put("A", "one")
    assert holder(state) == "file"
    with pytest.raises(VaultError, match="no system keyring"):
        Vault(state).rotate("keyring")
    assert Vault(state).get("A") == "one"


def test_without_the_library_there_is_no_keyring(state: StateDir, ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring.core", None)
    Vault(state).put("A", "one")
    assert (holder(state), ring.kept) == ("file", {})


def test_a_vault_whose_keyring_is_away_or_locked_or_empty_says_which(
    state: StateDir, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(state).put("A", "one")
    with monkeypatch.context() as patch:
        use(fail.Keyring(), patch)  # type: ignore[no-untyped-call]
        assert "in the system's keyring, and there is none here" in str(why(state))
    ring.broken = True
    assert "does not answer: RuntimeError" in str(why(state))
    ring.broken = False
    ((service, entry),) = ring.kept
    kept = ring.kept.pop((service, entry))
    assert f'"{entry}" of mcp-reconciler' in str(why(state))
    ring.kept[service, entry] = "not base64"
    why(state)
    ring.kept[service, entry] = kept
    assert Vault(state).get("A") == "one"


def test_a_keyring_that_does_not_keep_the_key_gets_no_vault(
    state: StateDir, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ring, "set_password", lambda *_: None)
    with pytest.raises(VaultError, match="did not keep"):
        Vault(state).put("A", "one")
    assert not state.vault.exists()


@requirement("API-4:rotation")
def test_a_rotation_in_the_keyring_leaves_one_key(state: StateDir, ring: Ring) -> None:
    Vault(state).put("A", "one")
    before = set(ring.kept)
    assert Vault(state).rotate() == "keyring"
    assert len(ring.kept) == 1
    assert not before & set(ring.kept)
    assert Vault(state).rotate("file") == "file"
    assert (ring.kept, Vault(state).get("A")) == ({}, "one")
