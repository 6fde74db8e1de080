"""The vault: what is stored is sealed, comes back, survives, and what was altered or lost is said by its name."""

from __future__ import annotations

import base64
import json
import multiprocessing
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.secret import SECRET_NAME
from reconciler.store.state_dir import StateDir
from reconciler.store.vault import LARGEST_VALUE, Secret, Vault, VaultError
from tests.canary import CANARY
from tests.needs import MOUNTS
from tests.requirements import requirement
from tests.store import vault_crashes
from tests.store.namespace import run_with_mounts

ROOT = Path(__file__).parents[2]

pytestmark = requirement("API-4:vault")


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state")


@pytest.fixture
def vault(state: StateDir) -> Vault:
    return Vault(state)


def altered(state: StateDir, change: Callable[[Any], object]) -> None:
    stored = json.loads(state.vault.read_bytes())
    change(stored)
    state.vault.write_text(json.dumps(stored), encoding="utf-8")


def seal_anew(text: str, stored: Any) -> None:
    stored["secrets"][0]["sealed"] = text


def why(vault: Vault, name: str = "A") -> str:
    with pytest.raises(VaultError) as raised:
        vault.get(name)
    assert raised.value.hint
    return f"{raised.value.code}: {raised.value}"


# What goes in comes out, and nothing else does


def test_before_the_first_secret_there_is_nothing_not_even_a_directory(vault: Vault, state: StateDir) -> None:
    assert (vault.get("A"), vault.list(), vault.internal("@"), vault.key_holder()) == (None, (), (), None)
    assert not state.path.exists()
    assert (vault.remove("A"), vault.rotate()) == (False, None)
    assert not state.vault.exists()


def test_a_value_comes_back_as_it_was_also_in_another_process(vault: Vault, state: StateDir) -> None:
    vault.put("A", CANARY)
    assert (vault.get("A"), Vault(state).get("A")) == (CANARY, CANARY)


@settings(max_examples=60)
@given(value=st.text(min_size=1, max_size=300), name=st.from_regex(SECRET_NAME, fullmatch=True))
def test_any_text_under_any_name_comes_back(tmp_path_factory: pytest.TempPathFactory, value: str, name: str) -> None:
    state = StateDir(tmp_path_factory.mktemp("vault"))
    Vault(state).put(name, value)
    assert Vault(state).get(name) == value


def test_what_is_on_the_disk_is_for_its_owner_and_shows_no_value(vault: Vault, state: StateDir) -> None:
    vault.put_all({"A": CANARY, "B": f"{CANARY} and more"})
    vault.put("A", f"x{CANARY}")
    files = [path for path in state.path.iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}  # the marked secret is looked for anyway
    rows = json.loads(state.vault.read_bytes())["secrets"]
    assert [sorted(row) for row in rows] == [["created", "name", "sealed", "updated", "version"]] * 2


def test_equal_values_are_sealed_differently(vault: Vault, state: StateDir) -> None:
    vault.put_all({"A": "same", "B": "same"})
    first = [row["sealed"] for row in json.loads(state.vault.read_bytes())["secrets"]]
    vault.put("A", "same")
    again = [row["sealed"] for row in json.loads(state.vault.read_bytes())["secrets"]]
    assert len({*first, *again}) == 3


def test_a_list_shows_names_versions_and_times_and_never_what_is_our_own(vault: Vault) -> None:
    vault.put_all({"B": "x", "A": "x", "@sign-in/desk/1": "x", "@sign-in/docs/1": "x", "@other": "x"})
    vault.put("A", "y")
    shown = vault.list()
    assert [(secret.name, secret.version) for secret in shown] == [("A", 2), ("B", 1)]
    assert all(isinstance(secret, Secret) and secret.created_at.endswith("+00:00") for secret in shown)
    assert vault.internal("@sign-in/") == ("@sign-in/desk/1", "@sign-in/docs/1")
    assert vault.internal("A") == ()


def test_the_version_grows_with_every_value_also_after_one_was_forgotten(vault: Vault) -> None:
    def version() -> int:
        return vault.list()[0].version

    for expected in (1, 2, 3):
        vault.put("A", "same")
        assert version() == expected
    assert vault.remove("A")
    assert (vault.remove("A"), vault.get("A"), vault.list()) == (False, None, ())
    vault.put("A", "back")
    assert version() == 4


def test_several_are_stored_together_or_not_at_all(vault: Vault) -> None:
    vault.put("A", "old")
    with pytest.raises(VaultError):
        vault.put_all({"A": "new", "B": ""})
    assert (vault.get("A"), vault.get("B")) == ("old", None)


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "-a", ".a", "_a", "a" * 129, "ä", "a\n", "@", "@a b", "@" + "a" * 512]
)
def test_a_name_that_cannot_be_is_refused(vault: Vault, name: str) -> None:
    with pytest.raises(VaultError) as raised:
        vault.put(name, "x")
    assert raised.value.code == "bad-name"
    assert vault.get(name) is None


@pytest.mark.parametrize(
    ("value", "code"),
    [("", "bad-value"), ("\ud800", "bad-value"), ("x" * (LARGEST_VALUE + 1), "too-large"), ("ä" * 32769, "too-large")],
)
def test_a_value_that_cannot_be_is_refused(vault: Vault, value: str, code: str) -> None:
    with pytest.raises(VaultError) as raised:
        vault.put("A", value)
    assert raised.value.code == code


def test_the_largest_value_and_the_longest_name_are_kept(vault: Vault) -> None:
    vault.put("a" * 128, "x" * LARGEST_VALUE)
    assert vault.get("a" * 128) == "x" * LARGEST_VALUE


def test_a_vault_that_is_full_says_so_and_keeps_what_it_has(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.vault.MOST_SECRETS", 2)
    vault.put_all({"A": "x", "B": "x"})
    with pytest.raises(VaultError, match="holds 2 secrets"):
        vault.put("C", "x")
    vault.put("A", "y")
    assert (vault.get("A"), vault.get("C")) == ("y", None)


# Several who write


def test_what_another_process_wrote_is_seen_at_the_next_look(vault: Vault, state: StateDir) -> None:
    vault.put("A", "one")
    for number in range(5):
        Vault(state).put("A", f"{number}")
        assert vault.get("A") == f"{number}"
    Vault(state).rotate()
    assert vault.get("A") == "4"
    Vault(state).remove("A")
    assert vault.get("A") is None


def _put_many(path: str, prefix: str) -> None:
    vault = Vault(StateDir(Path(path)))
    for number in range(8):
        vault.put(f"{prefix}{number}", prefix)


def test_processes_that_write_at_once_lose_nothing_not_even_the_first_key(vault: Vault, state: StateDir) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_put_many, args=(str(state.path), prefix)) for prefix in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    expected = sorted(f"{prefix}{number}" for prefix in "abc" for number in range(8))
    assert [secret.name for secret in vault.list()] == expected
    assert {vault.get(name) for name in expected} == {"a", "b", "c"}


# What is damaged is said


def test_a_record_that_was_altered_is_named_and_the_others_go_on(vault: Vault, state: StateDir) -> None:
    vault.put_all({"A": "one", "B": "two"})
    sealed = json.loads(state.vault.read_bytes())["secrets"][0]["sealed"]
    for place in range(len(base64.b64decode(sealed))):
        data = bytearray(base64.b64decode(sealed))
        data[place] ^= 1
        altered(state, partial(seal_anew, base64.b64encode(data).decode()))
        assert why(vault).startswith('vault-damaged: the secret "A"')
        assert vault.get("B") == "two"
    with pytest.raises(VaultError, match='"A"'):
        vault.rotate()
    vault.put("C", "three")
    assert why(vault).startswith('vault-damaged: the secret "A"')
    vault.put("A", "mended")
    assert (vault.get("A"), vault.get("B"), vault.get("C")) == ("mended", "two", "three")


@pytest.mark.parametrize("change", ["name", "version", "id"])
def test_a_sealed_value_is_good_for_its_name_its_version_and_its_vault_alone(
    vault: Vault, state: StateDir, tmp_path: Path, change: str
) -> None:
    vault.put_all({"A": "one", "B": "two"})
    old = json.loads(state.vault.read_bytes())["secrets"][0]["sealed"]

    def swap(stored: Any) -> None:
        rows = stored["secrets"]
        rows[0]["sealed"], rows[1]["sealed"] = rows[1]["sealed"], rows[0]["sealed"]

    if change == "name":
        altered(state, swap)
    elif change == "version":
        vault.put("A", "newer")
        altered(state, lambda stored: stored["secrets"][0].update(sealed=old))
    else:
        other = "0" * 16
        key = next(state.path.glob("vault-*.key"))
        key.rename(key.with_name(key.name.replace(key.name.split("-")[1], other)))
        altered(state, lambda stored: stored.update(id=other))
    assert why(vault).startswith('vault-damaged: the secret "A"')


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stored: stored.update(format="other"), "its format is not reconciler.vault"),
        (lambda stored: stored.update(version=2), "another version of the reconciler (2)"),
        (lambda stored: stored.pop("key"), "'key' is missing"),
        (lambda stored: stored["key"].update(holder="nobody"), "nobody knows who keeps its key"),
        (lambda stored: stored["key"].update(id="../../x"), "an id in it is not one"),
        (lambda stored: stored.update(id="../x"), "an id in it is not one"),
        (lambda stored: stored.update(floor=-1), "a number in it cannot be"),
        (lambda stored: stored.update(secrets={}), "something in it has the wrong shape"),
        (lambda stored: stored.update(secrets=[1]), "the secret at place 1: something in it has the wrong shape"),
        (lambda stored: stored["secrets"][0].pop("sealed"), "the secret \"A\": 'sealed' is missing"),
        (lambda stored: stored["secrets"][0].update(version=True), 'the secret "A": a number in it cannot be'),
        (lambda stored: stored["secrets"].append(stored["secrets"][0]), 'the secret "A" is there twice'),
    ],
)
def test_a_file_that_is_damaged_says_where(
    vault: Vault, state: StateDir, change: Callable[[Any], object], said: str
) -> None:
    vault.put("A", "one")
    altered(state, change)
    assert said in why(vault)
    before = state.vault.read_bytes()
    for work in (lambda: vault.put("A", "x"), lambda: vault.remove("A"), vault.rotate, vault.list):
        with pytest.raises(VaultError):
            work()
    assert state.vault.read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"' + b"x" * 10])
def test_a_file_that_is_no_vault_is_left_as_it_is(vault: Vault, state: StateDir, data: bytes) -> None:
    vault.put("A", "one")
    state.vault.write_bytes(data)
    assert "is damaged" in why(vault)
    with pytest.raises(VaultError):
        vault.put("A", "two")
    assert state.vault.read_bytes() == data


def test_a_vault_that_was_taken_away_is_empty_until_it_is_back(vault: Vault, state: StateDir) -> None:
    vault.put("A", "one")
    aside = state.vault.rename(state.path / "aside")
    assert (vault.get("A"), vault.list()) == (None, ())
    aside.rename(state.vault)
    assert vault.get("A") == "one"


# Rotation and kills


@requirement("API-4:rotation")
def test_a_rotation_changes_the_key_and_nothing_that_is_seen(vault: Vault, state: StateDir) -> None:
    vault.put_all({"A": "one", "B": "two", "@sign-in/desk/1": "token"})
    before, shown = json.loads(state.vault.read_bytes()), vault.list()
    old_key = next(state.path.glob("vault-*.key"))
    assert vault.rotate() == "file"
    after = json.loads(state.vault.read_bytes())
    assert before["key"]["id"] != after["key"]["id"]
    assert not {row["sealed"] for row in before["secrets"]} & {row["sealed"] for row in after["secrets"]}
    assert (vault.list(), vault.get("A"), vault.get("@sign-in/desk/1")) == (shown, "one", "token")
    assert not old_key.exists()
    assert len(list(state.path.glob("vault-*.key"))) == 1


@requirement("API-4:rotation")
def test_the_old_key_opens_nothing_after_a_rotation(vault: Vault, state: StateDir) -> None:
    vault.put("A", "one")
    old_key = next(state.path.glob("vault-*.key"))
    kept, old = old_key.read_bytes(), json.loads(state.vault.read_bytes())["key"]["id"]
    vault.rotate()
    new_key = next(state.path.glob("vault-*.key"))
    new_key.with_name(new_key.name.replace(json.loads(state.vault.read_bytes())["key"]["id"], old)).write_bytes(kept)
    new_key.with_name(new_key.name.replace(json.loads(state.vault.read_bytes())["key"]["id"], old)).chmod(0o600)
    altered(state, lambda stored: stored["key"].update(id=old))
    assert why(Vault(state)).startswith('vault-damaged: the secret "A"')


@requirement("API-4:rotation")
def test_a_key_that_a_cut_off_rotation_left_behind_goes_with_the_next_change(
    vault: Vault, state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("A", "one")
    with monkeypatch.context() as patch:
        patch.setattr("reconciler.store.vault_keys.Keys.drop", lambda *_: False)
        vault.rotate()
    assert len(list(state.path.glob("vault-*.key"))) == 2
    vault.put("B", "two")
    assert len(list(state.path.glob("vault-*.key"))) == 1
    assert json.loads(state.vault.read_bytes())["retired"] == []
    assert (vault.get("A"), vault.get("B")) == ("one", "two")


@requirement("API-4:vault-whole", "API-4:rotation")
def test_kills_at_any_line_of_a_change_lose_nothing_that_was_acknowledged() -> None:
    words = [sys.executable, "-W", "error", "-m", "tests.store.vault_crashes", "9"]
    told = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert told.returncode == 0, told.stderr
    rows = {line.split()[0]: [int(count) for count in line.split()[1:]] for line in told.stdout.splitlines()}
    assert rows.keys() == vault_crashes.CHANGES.keys()
    assert all(kills > 10 for kills, *_ in rows.values())
    assert all(min(states) > 0 for name, (_, *states) in rows.items() if name != "rotate"), rows


@requirement("API-4:vault-whole")
def test_a_write_that_fails_leaves_what_was_there(
    vault: Vault, state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("A", "one")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("reconciler.store.vault_file.write_whole", fail)
        for work in (lambda: vault.put("A", "two"), lambda: vault.remove("A"), vault.rotate):
            with pytest.raises(OSError, match="No space"):
                work()
    assert (vault.get("A"), Vault(state).get("A")) == ("one", "one")


@pytest.mark.needs(MOUNTS)
@requirement("API-4:vault-whole")
def test_on_a_full_disk_a_change_is_refused_and_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    code = """
    from reconciler.store.state_dir import StateDir
    from reconciler.store.vault import Vault

    mount("-t", "tmpfs", "-o", "size=256k", "none", here / "disk")
    state = StateDir(here / "disk" / "state")
    vault = Vault(state)
    vault.put_all({"A": "one", "B": "two"})
    with (here / "disk" / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 512):
                pass
        except OSError:
            pass
    for work in (lambda: vault.put("C", "x" * 60_000), lambda: vault.put("A", "new"), vault.rotate):
        try:
            work()
        except OSError as error:
            assert error.errno == 28, error
        else:
            raise AssertionError("it was not refused")
        for each in (vault, Vault(state)):
            assert (each.get("A"), each.get("B"), each.get("C")) == ("one", "two", None)
    (here / "disk" / "filler").unlink()
    vault.put("A", "new")
    vault.rotate()
    assert (Vault(state).get("A"), Vault(state).get("B")) == ("new", "two")
    assert len(list(state.path.glob("vault-*.key"))) == 1
    """
    run_with_mounts(tmp_path, code)
